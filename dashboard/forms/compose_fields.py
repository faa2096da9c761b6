"""The composer's fields as declared: labels, help, widgets; and which of them belong to which target type."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django import forms

from tasks.models import Application, Profile
from tasks.platform import wire
from tasks.targets import LABELS, TargetType

from .known_targets import KnownGroups

TARGET_FIELDS: dict[TargetType, tuple[str, ...]] = {
    TargetType.DEVICE_LIST: ("device_list", "device_ids", "device_file"),
    TargetType.DEVICE_TYPE: ("device_type", "manufacturer_id", "model"),
    TargetType.DEVICE_AREA: ("device_location",),
    TargetType.GROUP_LIST: ("group_names",),
    TargetType.GROUP_ID_LIST: ("group_ids",),
    TargetType.BROADCAST: (),
}
"""Target type -> the form's fields that belong to it; those of other types are carried along, hidden."""

MISSING = {
    "application": "Choose an application.",
    "target_type": "Choose whom to send to.",
    "device_type": "Choose a kind of device, or type its device type.",
    "manufacturer_id": "Choose a kind of device, or type its manufacturer id.",
    "model": "Choose a kind of device, or type its model.",
    "device_location": "Type a location.",
    "group_names": "Choose a group, or type its name.",
    "group_ids": "Choose a group, or type its id.",
    "service_id": "Type a service, or choose a profile and one of its services.",
    "method": "Type a command, or choose a profile and one of its commands.",
    "timeout": "Type a number of minutes.",
}
"""Field -> what to do when it is required and empty."""


def _lines(text: str) -> list[str]:
    return list(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))


class GroupsInput(forms.Textarea):
    """A checkbox for each known group, and a text for others, one a line. ``known`` gives them for those chosen."""

    template_name = "django/forms/widgets/groups.html"
    known: Callable[[Sequence[str]], KnownGroups] | None = None

    def value_from_datadict(self, data: Any, files: Any, name: str) -> str:
        return "\n".join(data.getlist(name))

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        chosen = _lines(str(value or ""))
        known = self.known(chosen) if self.known else None
        picked = {text for text, _, is_chosen in known.rows if is_chosen} if known else set()
        others = "\n".join(line for line in chosen if line not in picked)
        return super().get_context(name, others, attrs) | {"known": known}


class LinesField(forms.CharField):
    """One value a line; gives a list without blanks and duplicates."""

    widget = GroupsInput(attrs={"rows": 3, "placeholder": "one a line"})

    def clean(self, value: Any) -> Any:
        return _lines(super().clean(value))


def hide(field: forms.Field) -> None:
    """The field is not shown, and keeps what was given for it: groups in their own way, all else as text."""
    if isinstance(field.widget, GroupsInput):
        field.widget.known = None
    else:
        field.widget = forms.Textarea()
    field.widget.attrs |= {"hidden": True, "aria-hidden": "true", "tabindex": "-1"}


class ComposeFields(forms.Form):
    """All fields there are; which of them are shown and required is decided by ``compose.ComposeForm``."""

    application = forms.ModelChoiceField(Application.objects.all(), empty_label=None)
    name = forms.CharField(
        label="Task name",
        required=False,
        help_text="How you and the platform will know it, up to 256 characters. Empty: after the command and the time.",
    )

    target_type = forms.ChoiceField(label="Send to", choices=[(value, LABELS[value]) for value in TargetType])
    device_list = forms.UUIDField(required=False, widget=forms.HiddenInput)
    device_ids = forms.CharField(
        label="Device ids",
        required=False,
        widget=forms.Textarea(attrs={"rows": 7, "class": "code", "spellcheck": "false", "wrap": "off"}),
        help_text="One a line, or separated by blanks, commas or semicolons.",
    )
    device_file = forms.FileField(
        label="or a file", required=False, help_text="CSV (column deviceId, or the first one) or TXT.",
        widget=forms.FileInput(attrs={"accept": ".csv,.txt,text/csv,text/plain"}),
    )  # fmt: skip
    device_type = forms.CharField(label="Device type", help_text="As in the device profile.")
    manufacturer_id = forms.CharField(label="Manufacturer id", help_text="As in the device profile.")
    model = forms.CharField(label="Model", help_text="As in the device profile.")
    device_location = forms.CharField(label="Location", help_text="As it is set on the devices.")
    group_names = LinesField(label="Group names")
    group_ids = LinesField(label="Group ids")

    profile = forms.ModelChoiceField(
        Profile.objects.defer("definition"), required=False, empty_label="No profile: I type service and command",
        label="Device profile",
    )  # fmt: skip
    service_id = forms.CharField(label="Service", help_text="serviceId: 1 to 64 characters.")
    method = forms.CharField(label="Command", help_text="method: 1 to 128 characters.")
    paras = forms.CharField(
        label="As JSON",
        required=False,
        widget=forms.Textarea(
            attrs={"rows": 5, "class": "code", "spellcheck": "false", "placeholder": '{"name": 1}'}
        ),
        help_text="A JSON object; empty for a command without parameters.",
    )
    as_json = forms.BooleanField(required=False, widget=forms.HiddenInput)

    timeout = forms.IntegerField(
        label="Timeout",
        initial=1440,
        help_text=f"{wire.TIMEOUT_MIN} to {wire.TIMEOUT_MAX} minutes. Devices that sleep get the command until then.",
        widget=forms.TextInput(attrs={"inputmode": "numeric"}),
    )
    callback = forms.BooleanField(
        label="Let the platform push each answer", required=False, initial=True,
        help_text="Without pushes, answers are read from the platform from time to time.",
    )  # fmt: skip
    max_retransmit = forms.TypedChoiceField(
        label="Retransmit", required=False, coerce=int, empty_value=None,
        choices=[("", "as the platform does"), *((str(n), str(n)) for n in range(wire.RETRANSMIT_MAX + 1))],
        help_text="How often the platform repeats the command to a device that does not acknowledge it.",
    )  # fmt: skip
    priority = forms.TypedChoiceField(
        label="Priority",
        required=False,
        coerce=int,
        empty_value=None,
        choices=[("0", "in turn"), ("1", "before others")],
        help_text="While tasks wait for a place on the platform.",
    )
    group_tag = forms.CharField(label="Group tag", required=False)
    copied_from = forms.IntegerField(required=False, widget=forms.HiddenInput)
    template_version = forms.IntegerField(required=False, widget=forms.HiddenInput)
    edits = forms.IntegerField(required=False, widget=forms.HiddenInput)


def profile_choices() -> list[tuple[Any, str]]:
    """What there is to choose from, read when it is drawn and as plain rows: there may be hundreds."""
    columns = ("pk", "device_type", "manufacturer_name", "manufacturer_id", "model")
    rows = Profile.objects.values_list(*columns)
    nothing = str(ComposeFields.base_fields["profile"].empty_label)  # type: ignore[attr-defined]
    return [
        ("", nothing),
        *((pk, f"{kind} · {maker or maker_id} · {model}") for pk, kind, maker, maker_id, model in rows),
    ]
