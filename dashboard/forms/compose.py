"""The composer's form: its fields depend on the target type, the profile, the service and the command."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.core.exceptions import ValidationError
from django.utils import timezone

from tasks import lifecycle
from tasks.lifecycle.values import with_values
from tasks.platform import jsontext, wire
from tasks.targets import MEMBERS, TargetType

from . import parameters
from .compose_shape import ShapedFields

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

TAGS_WRONG = "The tags need your attention."
"""What is wrong with each of them is told beside it."""

PLACES = {"device_ids": "devices"}
"""Field -> the id of the part of the page that stands for it."""


class ComposeForm(ShapedFields):
    """Checks everything, whether it shows what it finds or not."""

    def clean_paras(self) -> Any:
        text = self.cleaned_data["paras"].strip()
        if not text or not self.is_free:
            return None
        try:
            paras = jsontext.loads(text)
        except jsontext.BadJSON as error:
            where = f" (line {error.line}, column {error.column})" if error.line else ""
            raise ValidationError(f"This is not the JSON that can be sent: {error}{where}.") from error
        if not isinstance(paras, dict):
            raise ValidationError("Must be a JSON object.")
        return paras

    @property
    def proposed_name(self) -> str:
        """What the task is called when nobody gives it a name."""
        stem = str(self.locks.version.template) if self.locks else self.raw("method") or "Task"
        return f"{stem[:200]} · {timezone.localtime():%Y-%m-%d %H:%M:%S %Z}"

    def read_devices(self) -> None:
        """Take what this post brought of device ids, and of values for each of them."""
        super().read_devices()
        self.values.read()
        self.carry_devices()

    def full_clean(self) -> None:
        """The devices first: values that come with them take the place of fields."""
        if self.chosen_target == TargetType.DEVICE_LIST:
            self.read_devices()
        super().full_clean()

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        for name, problem in self.lock_problems.items():
            self.add_error(name if name in self.fields else None, problem)
        if "name" not in self.problems and not cleaned.get("name"):
            cleaned["name"] = self.proposed_name
        if self.no_commands:
            self.add_error("profile", self.no_commands)
        if self.chosen_target == TargetType.DEVICE_LIST:
            if self.values.problem:
                self.add_error(None if self.values.is_locked else "values_text", self.values.problem)
            elif self.devices.problem:
                self.add_error("device_ids", self.devices.problem)
        if cleaned.get("application"):
            known = set(self.problems)
            for found in lifecycle.check(cleaned["application"], self.request(), self.chosen_profile):
                self._show(found, known)
        return cleaned

    @property
    def error_places(self) -> list[tuple[str, str, str]]:
        """Every error that is shown: the id of its place on the page, its label, and its words."""
        found = [
            ("tags-part", f"Tag {row + 1}", text[:1].lower() + text[1:])
            for row, text in self.tag_errors.items()
        ]
        for name, errors in self.errors.items():
            field = self[name] if name in self.fields else None
            is_seen = field and not field.is_hidden and "hidden" not in field.field.widget.attrs
            place = PLACES.get(name) or (field.id_for_label if field and is_seen else "")
            found += [
                (place, str(field.label) if field else "", str(error))
                for error in errors
                if error != TAGS_WRONG
            ]
        return found

    def _show(self, problem: wire.Problem, known: Collection[str]) -> None:
        """At its field, unless that is ``known`` to be wrong already."""
        if problem.path.startswith("tags["):
            index = int(problem.path[5:].partition("]")[0])
            row = [number for number, (name, value) in enumerate(self.tag_rows) if name or value][index]
            words = {"tagName": "name", "tagValue": "value"}[problem.path.rpartition(".")[2]]
            self.tag_errors[row] = f"The {words} {problem.message}."
            self.add_error(None, TAGS_WRONG)
            return
        _, _, name = problem.path.partition("param.command.paras.")
        if name:
            field = parameters.PREFIX + name if parameters.PREFIX + name in self.fields else "paras"
            if field not in known:
                self.add_error(field, f"{name} {problem.message}.")
            return
        if self.no_commands and problem.path.startswith("param.command."):
            return  # told at the profile
        stem = problem.path.partition("[")[0]
        found = self._groups_field if stem == "param.groupList" else FIELD_OF_PATH.get(stem)
        at = found if found in self.fields else None
        if at is None or at not in self.problems:
            self.add_error(
                at, f"{problem.path}: {problem.message}" if at is None else _sentence(problem.message)
            )

    def request(self, *, whole: bool = False) -> dict[str, Any]:
        """What was asked for so far, as a create request without appId and callbackUrl; only what applies.

        Of the device ids it holds the first ones, with their values, unless it is to be the ``whole``: there may be a
        million. The whole has what is the same for all devices; what differs is in ``values.sets``.
        """
        cleaned = self.cleaned_data
        ids = None
        if self.chosen_target == TargetType.DEVICE_LIST:
            ids = self.devices.ids if whole else self.devices.first_ids
        sources = {
            "deviceList": ids,
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
        if self.is_free:
            return self.cleaned_data.get("paras")
        given = {
            name.removeprefix(parameters.PREFIX): self.cleaned_data.get(name)
            for name in self.fields
            if name.startswith(parameters.PREFIX)
        }
        return _given(given) or None


def _given(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None and value != ""}


def _sentence(message: str) -> str:
    return f"{message[:1].upper()}{message[1:]}."
