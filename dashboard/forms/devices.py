"""The filter of devices: every field offers what the catalogue knows, with its number of devices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django import forms

from dashboard.words import device_status
from tasks.fleet import WORDS, Choice, Facets, LastOutcome

Options = list[tuple[str, str]]


class DeviceFilter(forms.Form):
    """Values that the catalogue does not know are offered too: a link may be older than the last reading."""

    text = forms.CharField(
        label="Search",
        required=False,
        max_length=256,
        widget=forms.TextInput(attrs={"type": "search", "placeholder": "how an id, IMEI or name begins"}),
    )
    device_type = forms.ChoiceField(label="Type", required=False)
    manufacturer_id = forms.ChoiceField(label="Manufacturer", required=False)
    model = forms.ChoiceField(label="Model", required=False)
    status = forms.ChoiceField(label="Status", required=False)
    location = forms.CharField(label="Location", required=False, max_length=1024)
    group = forms.ChoiceField(label="Group", required=False)
    outcome = forms.ChoiceField(label="Last command", required=False)

    def __init__(self, asked: Mapping[str, str], facets: Facets) -> None:
        self.choice = Choice.from_query(asked)
        super().__init__(self.choice.to_query(), auto_id="id_%s")
        kinds = facets.kinds
        self._offer("device_type", "any type", _sums((kind.device_type, kind.count) for kind in kinds))
        self._offer(
            "manufacturer_id", "any manufacturer", _sums((kind.manufacturer_id, kind.count) for kind in kinds)
        )
        self._offer("model", "any model", _sums((kind.model, kind.count) for kind in kinds))
        self._offer(
            "status",
            "any status",
            [
                (status, _counted(device_status(status)[0], count))
                for status, count in facets.statuses
                if status
            ],
        )
        self.suggested_groups = facets.suggested_groups
        if self.suggested_groups:
            typed = forms.TextInput(attrs={"list": "groups", "placeholder": "its name or id"})
            self.fields["group"] = forms.CharField(label="Group", required=False, widget=typed)
        else:
            self._offer(
                "group",
                "any group",
                [(group.group_id, _counted(group.name, group.size)) for group in facets.groups],
            )
        self._offer("outcome", "any", [(outcome.value, WORDS[outcome]) for outcome in LastOutcome])
        self.locations = [(location, count) for location, count in facets.locations if location]
        if self.locations and not facets.other_locations:
            self.fields["location"] = forms.ChoiceField(label="Location", required=False)
            self._offer(
                "location", "any location", [(place, _counted(place, n)) for place, n in self.locations]
            )
        else:
            self.fields["location"].widget.attrs |= {"list": "locations", "placeholder": "any location"}

    @property
    def suggestions(self) -> list[tuple[str, int]]:
        """Locations to type, where there are too many to choose from."""
        return [] if isinstance(self.fields["location"], forms.ChoiceField) else self.locations

    def _offer(self, name: str, nothing: str, options: Options) -> None:
        given = getattr(self.choice, name)
        unknown = [(given, given)] if given and given not in dict(options) else []
        field: Any = self.fields[name]
        field.choices = [("", nothing), *options, *unknown]


def _sums(counts: Iterable[tuple[str, int]]) -> Options:
    sums: dict[str, int] = {}
    for value, count in counts:
        if value:
            sums[value] = sums.get(value, 0) + count
    return [(value, _counted(value, count)) for value, count in sorted(sums.items())]


def _counted(words: str, count: int) -> str:
    return f"{words} ({count:,})"
