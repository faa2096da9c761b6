"""The composer's fields as they follow the answers given so far, and what the page asks of them."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Iterable
from typing import Any, Self

from django import forms
from django.contrib.auth.models import User
from django.http import QueryDict
from django.utils.choices import CallableChoiceIterator
from django.utils.functional import cached_property

from dashboard.paging import number
from dashboard.words import spoken
from tasks.models import Application, Profile
from tasks.profiles.schema import Command, Service
from tasks.targets import TargetType

from . import parameters
from .compose_fields import MISSING, TARGET_FIELDS, ComposeFields, hide, profile_choices
from .devices_part import DevicesPart
from .known_targets import KnownKind, at_location, groups_of, kinds_of, with_kind
from .locks import locks_of, show_locked
from .typed import tags_of
from .values import GivenValues

MOST_CARRIED = 200

NO_COMMANDS = "This profile has no commands. Choose another one, or none to type the command."


class ShapedFields(DevicesPart, ComposeFields):
    """Which fields there are is decided by what is typed.

    While it ``is_unfinished``, what the profile leaves no question about is filled in.
    """

    def __init__(
        self, data: QueryDict, files: Any = None, *, user: User, is_unfinished: bool = False
    ) -> None:
        data = with_kind(data)
        self.locks = locks_of(data)
        self.lock_problems: dict[str, str] = {}
        if self.locks:
            self.lock_problems = {} if is_unfinished else self.locks.changed(data, files or ())
            data, files = self.locks.apply(data), files if "target" not in self.locks.parts else None
        super().__init__(data, files, user=user, is_unfinished=is_unfinished)
        self.tag_rows = tags_of(self.data)
        self.tag_errors: dict[int, str] = {}
        self.chosen_target = _target_type(self.raw("target_type"))
        self.services: list[Service] = []
        self.command: Command | None = None
        self.json_problem = ""
        if not user.has_perm("tasks.prioritise_task"):
            del self.fields["priority"]
        self.fields["profile"].widget.choices = CallableChoiceIterator(functools.cache(profile_choices))
        self._shape_target()
        self._shape_command()
        for name, sentence in MISSING.items():
            if name in self.fields:
                self.fields[name].error_messages["required"] = sentence
        self.values = GivenValues(self)
        if self.locks:
            show_locked(self, self.locks.fields)

    def _like(self, data: QueryDict) -> Self:
        if self.values.parsed:
            data["values_text"] = self.raw("values_text")
        return super()._like(data)

    @cached_property
    def known_kinds(self) -> list[KnownKind]:
        """Kinds of devices that exist, where a kind is asked for."""
        if self.chosen_target != TargetType.DEVICE_TYPE or self.source.facets is None:
            return []
        names = TARGET_FIELDS[TargetType.DEVICE_TYPE]
        return kinds_of(self.source.facets, {name: str(self[name].value() or "").strip() for name in names})

    @property
    def has_unknown_kind(self) -> bool:
        """What is typed is none of the kinds that exist, or nothing is."""
        return not any(kind.is_chosen for kind in self.known_kinds)

    @property
    def location_words(self) -> str:
        """How many devices are where the target is, by the catalogue."""
        return at_location(self.source.facets, self.raw("device_location").strip())

    @cached_property
    def chosen_profile(self) -> Profile | None:
        pk = number(self.raw("profile"))
        return Profile.objects.defer("definition").filter(pk=pk).first() if pk else None

    @property
    def has_no_profiles(self) -> bool:
        """Is there none to choose?"""
        return self.chosen_profile is None and not Profile.objects.exists()

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
                    hide(field)

        if self.chosen_target == TargetType.DEVICE_AREA:
            self.fields["device_location"].widget.attrs["list"] = "target-locations"
        if self.chosen_target in (TargetType.GROUP_LIST, TargetType.GROUP_ID_LIST):
            self.fields[self._groups_field].widget.known = lambda chosen: groups_of(
                self.chosen_application,
                self.chosen_target,
                chosen,
                self.raw("groups_like").replace("\0", "").strip(),
            )

    @property
    def _groups_field(self) -> str:
        return "group_names" if self.chosen_target == TargetType.GROUP_LIST else "group_ids"

    def _shape_command(self) -> None:
        if self.chosen_profile is None:
            return
        self.services = [service for service in self.chosen_profile.schema.services if service.commands]
        if not self.services:
            for name in ("service_id", "method"):
                del self.fields[name]
                self.data[name] = ""
            hide(self.fields["paras"])
            return
        service = _named(self.services, "id", self.raw("service_id"))
        self.fields["service_id"] = forms.ChoiceField(
            label="Service", choices=[(service.id, service.id) for service in self.services]
        )
        commands = service.commands if service else ()
        self.command = _named(commands, "name", self.raw("method"))
        self.fields["method"] = forms.ChoiceField(
            label="Command", choices=[(command.name, command.name) for command in commands]
        )
        if self.is_unfinished and service and self.command:
            self.data["service_id"], self.data["method"] = service.id, self.command.name
        if not self.is_free:
            hide(self.fields["paras"])
            self.fields |= parameters.fields_of(self.command) if self.command else {}
        if self.chosen_target == TargetType.DEVICE_TYPE and self.is_unfinished:
            for name in TARGET_FIELDS[TargetType.DEVICE_TYPE]:
                self.data[name] = self.raw(name) or getattr(self.chosen_profile, name)

    @property
    def is_free(self) -> bool:
        """The parameters are typed as JSON: there is no profile, or the operator likes it better."""
        if self.no_commands:
            return False
        return self.chosen_profile is None or self.raw("as_json") in ("on", "True")

    # What the template asks

    @property
    def no_commands(self) -> str:
        """What to do about a profile without any; empty when there is something to choose, or to type."""
        return NO_COMMANDS if self.chosen_profile and not self.services else ""

    @property
    def chosen_command(self) -> tuple[str, str]:
        return self.raw("service_id"), self.raw("method")

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
        names = [parameters.PREFIX + each.name for each in self.command.parameters] if self.command else []
        return [self[name] for name in names if name in self.fields]

    @property
    def has_one_application(self) -> bool:
        """There is no choice, and so no question."""
        return (
            self.chosen_application is not None and "application" not in self.errors and not self._has_choice
        )

    @cached_property
    def _has_choice(self) -> bool:
        return len(Application.objects.values_list("pk")[:2]) > 1

    @property
    def locked_parts(self) -> frozenset[str]:
        return self.locks.parts if self.locks else frozenset()

    @property
    def has_locked_parameters(self) -> bool:
        return self.locks is not None and "as_json" in self.locks.fields

    @property
    def has_more(self) -> bool:
        """Something of what is folded away is set, or wrong."""
        usual = {"timeout": "1440", "max_retransmit": "", "group_tag": "", "priority": "0"}
        is_set = any(self.raw(name) not in (text, "") for name, text in usual.items())
        is_wrong = any(name in self.errors for name in (*usual, "callback"))
        return is_set or is_wrong or bool(self.tag_rows) or not self._has_callback

    @property
    def delivery_words(self) -> str:
        timeout = self.raw("timeout")
        kept = (
            f"kept for {spoken(dt.timedelta(minutes=int(timeout)))}"
            if timeout.isdecimal() and len(timeout) < 9
            else "a timeout of your own"
        )
        return f"{kept}, {'with' if self._has_callback else 'without'} pushes"

    @property
    def _has_callback(self) -> bool:
        return bool(self["callback"].value())

    @property
    def carried_parameters(self) -> list[tuple[str, str]]:
        """What was typed for parameters that are not shown now: those of another command, or of free JSON."""
        names = [name for name in self.data if name.startswith(parameters.PREFIX) and name not in self.fields]
        return [(name, text) for name in names[:MOST_CARRIED] if (text := self.raw(name))]

    @property
    def numbered_tags(self) -> list[tuple[int, str, str, str]]:
        return [
            (index, name, value, self.tag_errors.get(index, ""))
            for index, (name, value) in enumerate(self.tag_rows)
        ]

    @property
    def error_count(self) -> int:
        return len(self.errors)


def _named(items: Iterable[Any], attribute: str, wanted: str) -> Any:
    """The item of that name, or else the first one."""
    items = list(items)
    return next((item for item in items if getattr(item, attribute) == wanted), items[0] if items else None)


def _target_type(raw: str) -> TargetType:
    return TargetType(raw) if raw in set(TargetType) else TargetType.DEVICE_LIST
