"""A list of devices to be saved: its name, and a devices part like the composer's."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.http import QueryDict
from django.utils.functional import cached_property

from tasks.lists import NotSaved, create, replace
from tasks.models import Application, NamedList

from .compose_fields import ComposeFields
from .devices_part import DevicesPart


class ListForm(DevicesPart):
    """For a new list, or for the next version of ``named``."""

    application = forms.ModelChoiceField(Application.objects.all(), empty_label=None)
    name = forms.CharField(max_length=1000, help_text="How others find it, such as “Valves, north hall”.")
    device_list = forms.UUIDField(required=False, widget=forms.HiddenInput)
    device_ids = ComposeFields.base_fields["device_ids"]
    device_file = ComposeFields.base_fields["device_file"]

    def __init__(
        self,
        data: QueryDict,
        files: Any = None,
        *,
        user: User,
        named: NamedList | None = None,
        is_unfinished: bool = False,
    ) -> None:
        super().__init__(data, files, user=user, is_unfinished=is_unfinished)
        self.named = named
        if named:
            del self.fields["application"], self.fields["name"]
        elif self.has_one_application:
            self.fields["application"].widget = forms.HiddenInput()
            self.data["application"] = str(Application.objects.get().pk)

    def _like(self, data: QueryDict) -> ListForm:
        return ListForm(data, user=self.user, named=self.named, is_unfinished=True)

    @cached_property
    def has_one_application(self) -> bool:
        return len(Application.objects.values_list("pk")[:2]) == 1

    @cached_property
    def chosen_application(self) -> Application | None:
        return self.named.application if self.named else super().chosen_application

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        self.read_devices()
        if self.devices.problem:
            self.add_error("device_ids", self.devices.problem)
        return cleaned

    def save(self) -> NamedList | None:
        """The list with its new version; None when it cannot be saved, which is told at its field."""
        kept = self.devices.kept
        if kept is None:
            return None
        try:
            if self.named is None:
                return create(self.cleaned_data["application"], self.cleaned_data["name"], kept, self.user)
            replace(self.named, kept, self.user)
        except NotSaved as refusal:
            self.add_error("device_ids" if self.named else "name", str(refusal))
            return None
        return self.named
