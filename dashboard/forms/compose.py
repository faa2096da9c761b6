"""The composer's form: its fields depend on the target type, the profile, the service and the command."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.http import QueryDict

from tasks import lifecycle
from tasks.lifecycle.values import with_values
from tasks.models import Application, Group, Profile
from tasks.platform import jsontext, wire
from tasks.profiles.schema import Command, Service
from tasks.targets import MEMBERS, TargetType

from . import parameters
from .compose_fields import TARGET_FIELDS, ComposeFields
from .given_devices import GivenDevices
from .values import GivenValues

FIELD_OF_PATH = {
    "taskName": "name",
    "timeout": "timeout",
    "tags": "tags",
    "param.type": "target_type",
    "param.deviceList": "device_ids",
    "param.deviceType": "device_type",
    "param.manufacturerId": "manufacturer_id",
    "param.model": "model",
    "param.deviceLocation": "device_location",
    "param.command.serviceId": "service_id",
    "param.command.method": "method",
    "param.command.paras": "paras",
    "param.maxRetransmit": "max_retransmit",
    "param.groupTag": "group_tag",
}
"""Path in the request -> the field that its problem is shown at."""


class ComposeForm(ComposeFields):
    """Bound with ``data`` it checks everything; with ``initial`` it shows what was typed, without errors."""

    def __init__(
        self,
        data: QueryDict | None = None,
        files: Any = None,
        *,
        user: User,
        initial: Mapping[str, Any] | None = None,
        tags: Iterable[tuple[str, str]] = (),
    ) -> None:
        super().__init__(
            data, files, initial=dict(initial or {}), auto_id="id_%s", use_required_attribute=False
        )
        self.user = user
        self.tag_rows = tags_of(data) if data is not None else list(tags)
        self.tag_errors: dict[int, str] = {}
        self.devices = GivenDevices(user, self._raw("device_list"))
        self.chosen_target = _target_type(self._raw("target_type"))
        self.chosen_profile = self._profile()
        self.services: list[Service] = []
        self.command: Command | None = None
        if not user.has_perm("tasks.prioritise_task"):
            del self.fields["priority"]
        self._shape_target()
        self._shape_groups()
        self._shape_command()
        self.values = GivenValues(self)

    def _raw(self, name: str) -> str:
        value = self.data.get(name) if self.is_bound else self.initial.get(name)
        return "" if value is None else str(value)

    def _profile(self) -> Profile | None:
        raw = self._raw("profile")
        return Profile.objects.filter(pk=raw).first() if raw.isdecimal() and len(raw) < 19 else None

    def _shape_target(self) -> None:
        shown = TARGET_FIELDS[self.chosen_target]
        for fields in TARGET_FIELDS.values():
            for name in fields:
                if name in shown:
                    continue
                field = self.fields[name]
                field.required = False
                if name == "device_file":
                    del self.fields[name]
                elif name != "device_list":
                    field.widget = forms.Textarea(
                        attrs={"hidden": True, "aria-hidden": "true", "tabindex": "-1"}
                    )

    def _shape_groups(self) -> None:
        """Where the application's groups are known, choosing takes the place of typing."""
        if self.chosen_target not in (TargetType.GROUP_LIST, TargetType.GROUP_ID_LIST):
            return
        application = self._raw("application")
        chosen = (
            Application.objects.filter(pk=application).first()
            if application.isdecimal() and len(application) < 19
            else None
        ) or Application.objects.first()
        known = Group.objects.filter(application=chosen)
        by_name = self.chosen_target == TargetType.GROUP_LIST
        widget = self.fields[self._groups_field].widget
        widget.suggestions = [
            (group.name if by_name else group.group_id, group.name, group.size) for group in known[:500]
        ]

    @property
    def _groups_field(self) -> str:
        return "group_names" if self.chosen_target == TargetType.GROUP_LIST else "group_ids"

    def _shape_command(self) -> None:
        if self.chosen_profile is None:
            return
        self.services = [service for service in self.chosen_profile.schema.services if service.commands]
        service = _named(self.services, "id", self._raw("service_id"))
        self.fields["service_id"] = forms.ChoiceField(
            label="Service", choices=[(service.id, service.id) for service in self.services]
        )
        commands = service.commands if service else ()
        self.command = _named(commands, "name", self._raw("method"))
        self.fields["method"] = forms.ChoiceField(
            label="Command", choices=[(command.name, command.name) for command in commands]
        )
        if not self.is_bound and service and self.command:
            self.initial = {**self.initial, "service_id": service.id, "method": self.command.name}
        del self.fields["paras"]
        if self.command:
            self.fields |= parameters.fields_of(self.command)
        if self.chosen_target == TargetType.DEVICE_TYPE and not self.is_bound:
            for name in TARGET_FIELDS[TargetType.DEVICE_TYPE]:
                self.initial[name] = self._raw(name) or getattr(self.chosen_profile, name)

    # What the template asks

    @property
    def target_fields(self) -> list[forms.BoundField]:
        names = TARGET_FIELDS[self.chosen_target]
        return [self[name] for name in names if name not in ("device_list", "device_ids", "device_file")]

    @property
    def carried_fields(self) -> list[forms.BoundField]:
        shown = TARGET_FIELDS[self.chosen_target]
        return [
            self[name]
            for fields in TARGET_FIELDS.values()
            for name in fields
            if name not in shown and name in self.fields
        ]

    @property
    def parameter_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in self.fields if name.startswith(parameters.PREFIX)]

    @property
    def numbered_tags(self) -> list[tuple[int, str, str, str]]:
        return [
            (index, name, value, self.tag_errors.get(index, ""))
            for index, (name, value) in enumerate(self.tag_rows)
        ]

    @property
    def error_count(self) -> int:
        return len(self.errors)

    # Checking

    def clean_paras(self) -> Any:
        text = self.cleaned_data["paras"].strip()
        if not text:
            return None
        try:
            paras = jsontext.loads(text)
        except jsontext.BadJSON as error:
            where = f" (line {error.line}, column {error.column})" if error.line else ""
            raise ValidationError(f"This is not the JSON that can be sent: {error}{where}.") from error
        if not isinstance(paras, dict):
            raise ValidationError("Must be a JSON object.")
        return paras

    def read_devices(self) -> None:
        """Take what this post brought of device ids."""
        if self.devices.parsed is None:
            self.devices.read(self.data.get("device_ids", ""), self.files.get("device_file"))
        self.values.read()

    def full_clean(self) -> None:
        """The devices first: values that come with them take the place of fields."""
        if self.is_bound and self.chosen_target == TargetType.DEVICE_LIST:
            self.read_devices()
        super().full_clean()

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if self.chosen_target == TargetType.DEVICE_LIST:
            if self.values.problem:
                self.add_error("values_text", self.values.problem)
            elif self.devices.problem:
                self.add_error("device_ids", self.devices.problem)
        if cleaned.get("application"):
            for found in lifecycle.check(cleaned["application"], self.request()):
                self._show(found)
        return cleaned

    def _show(self, problem: wire.Problem) -> None:
        if problem.path.startswith("tags["):
            index = int(problem.path[5:].partition("]")[0])
            row = [number for number, (name, value) in enumerate(self.tag_rows) if name or value][index]
            words = {"tagName": "name", "tagValue": "value"}[problem.path.rpartition(".")[2]]
            self.tag_errors[row] = f"The {words} {problem.message}."
            self.add_error(None, f"Tag {row + 1}: the {words} {problem.message}.")
            return
        stem = problem.path.partition("[")[0]
        if stem == "param.groupList":
            field: str | None = self._groups_field
        else:
            field = next((name for path, name in FIELD_OF_PATH.items() if stem == path), None)
            if field is None and stem.startswith("param.command.paras"):
                field = "paras"
        field = field if field in self.fields else None
        if field is None or field not in self.errors:
            self.add_error(
                field, f"{problem.path}: {problem.message}" if field is None else _sentence(problem.message)
            )

    def request(self, *, whole: bool = False) -> dict[str, Any]:
        """What was asked for so far, as a create request without appId and callbackUrl; only what applies.

        Of the device ids it holds the first ones, with their values, unless it is to be the ``whole``: there may be a
        million. The whole has what is the same for all devices; what differs is in ``values.sets``.
        """
        cleaned = self.cleaned_data
        sources = {
            "deviceList": self.devices.ids if whole else self.devices.first_ids,
            "deviceType": cleaned.get("device_type"),
            "manufacturerId": cleaned.get("manufacturer_id"),
            "model": cleaned.get("model"),
            "deviceLocation": cleaned.get("device_location"),
            "groupList": cleaned.get(self._groups_field),
        }
        param: dict[str, Any] = {"type": str(self.chosen_target)}
        param |= {member: sources[member] for member in MEMBERS[self.chosen_target]}
        command = {
            "serviceId": cleaned.get("service_id"),
            "method": cleaned.get("method"),
            "paras": self._paras() if whole else with_values(self._paras(), self.values.first) or None,
        }
        param |= {"command": _given(command)}
        param |= {"maxRetransmit": cleaned.get("max_retransmit"), "groupTag": cleaned.get("group_tag")}
        tags = [{"tagName": name, "tagValue": value} for name, value in self.tag_rows if name or value]
        return {
            "taskName": cleaned.get("name", ""),
            "taskType": "DeviceCmd",
            "timeout": cleaned.get("timeout"),
            "param": _given(param),
            **({"tags": tags} if tags else {}),
        }

    def _paras(self) -> Any:
        if self.chosen_profile is None:
            return self.cleaned_data.get("paras")
        given = {
            name.removeprefix(parameters.PREFIX): self.cleaned_data.get(name)
            for name in self.fields
            if name.startswith(parameters.PREFIX)
        }
        return _given(given) or None


def tags_of(data: QueryDict | Mapping[str, Any]) -> list[tuple[str, str]]:
    """The tag rows of a posted form, also the empty ones."""
    if not isinstance(data, QueryDict):
        return []
    names, values = data.getlist("tag_name"), data.getlist("tag_value")
    return [(name.strip(), value.strip()) for name, value in zip(names, values, strict=False)]


def _given(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None and value != ""}


def _named(items: Iterable[Any], attribute: str, wanted: str) -> Any:
    """The item of that name, or else the first one."""
    items = list(items)
    return next((item for item in items if getattr(item, attribute) == wanted), items[0] if items else None)


def _sentence(message: str) -> str:
    return f"{message[:1].upper()}{message[1:]}."


def _target_type(raw: str) -> TargetType:
    return TargetType(raw) if raw in set(TargetType) else TargetType.DEVICE_LIST
