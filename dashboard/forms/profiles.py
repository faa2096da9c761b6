"""Upload of device profiles: several files at once, each of a bounded size."""

from __future__ import annotations

from typing import Any

from django import forms

MOST_BYTES = 20 * 1024 * 1024


class FilesInput(forms.FileInput):
    allow_multiple_selected = True


class FilesField(forms.FileField):
    """Gives the list of all files chosen."""

    widget = FilesInput(attrs={"multiple": True, "accept": ".zip,.json,application/zip,application/json"})

    def clean(self, data: Any, initial: Any = None) -> Any:
        files = data if isinstance(data, list | tuple) else [data]
        if not any(files):
            raise forms.ValidationError("Choose a profile file first.")
        for file in files:
            if file is not None and file.size > MOST_BYTES:
                raise forms.ValidationError(
                    f"{file.name} has {file.size / 2**20:.0f} MB; a profile has at most {MOST_BYTES // 2**20} MB."
                )
        return [super(FilesField, self).clean(file, initial) for file in files]


class ProfileUpload(forms.Form):
    profiles = FilesField(
        label="Profile files",
        allow_empty_file=True,
        help_text="Zip or JSON, several at once; of an unpacked folder make a zip first.",
    )
