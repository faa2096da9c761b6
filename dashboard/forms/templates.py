"""A composition seen as a template: its parts in words, and the form that saves it with some of them locked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.db import transaction

from tasks.models import Application, DeviceList, Profile, Template, TemplateVersion, ValueTable
from tasks.models.template import NAME_MAX
from tasks.targets import LABELS, TargetType

from .compose import ComposeForm
from .compose_fields import TARGET_FIELDS
from .locks import PARTS
from .parameters import PREFIX
from .typed import as_posted, kept

DROPPED = ("name", "copied_from", "template_version", "edits", "device_list", "device_ids", "values_text")
"""What belongs to one composition and to no template."""

Values = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Part:
    """Something that can be locked: its words, what it holds, and why it cannot be locked as it is."""

    key: str
    words: str
    text: str
    problem: str = ""


def parts_of(
    values: Values, devices: DeviceList | None = None, form: ComposeForm | None = None
) -> list[Part]:
    """The parts of a composition; with its ``form``, which was checked, also what is wrong with them.

    A parameter whose values come with the devices is part of those.
    """
    table = ValueTable.of(devices)
    free = not _one(values, "profile") or bool(_one(values, "as_json"))
    texts: dict[str, str] = {
        "application": str(Application.objects.filter(pk=_one(values, "application") or 0).first() or "–"),
        "target": _target(values, devices, table),
        "command": _command(values),
        "max_retransmit": _one(values, "max_retransmit") or "as the platform does",
        "priority": "before others" if _one(values, "priority") == "1" else "in turn",
        "callback": "yes" if "callback" in values else "no",
        "tags": ", ".join(
            f"{name}={value}"
            for name, value in zip(values.get("tag_name", ()), values.get("tag_value", ()), strict=False)
            if name
        ),
    }
    found = []
    for key, (words, fields) in PARTS.items():
        if key == "paras" and not free:
            found += [
                Part(PREFIX + name, name, text or "left out", _problem(form, (PREFIX + name,)))
                for name, text in _parameters(values)
                if table is None or name not in table.columns
            ]
        else:
            found.append(
                Part(key, words, texts.get(key, _one(values, fields[0])) or "–", _problem(form, fields))
            )
    return found


class TemplateForm(forms.Form):
    """Saves a composition as a template, or as the next version of one."""

    name = forms.CharField(max_length=NAME_MAX, help_text="What operators look for.")
    description = forms.CharField(
        required=False, max_length=1000, widget=forms.Textarea(attrs={"rows": 2}), help_text="When to use it."
    )
    note = forms.CharField(
        required=False, max_length=300, label="What is new", help_text="For the list of versions."
    )

    def __init__(self, data: Any = None, *, user: User, values: Values, template: Template | None) -> None:
        start = {"name": template.name, "description": template.description} if template else {}
        super().__init__(data, initial=start)
        self.user, self.template = user, template
        self.composed = ComposeForm(as_posted({**values, "template_version": [""]}), user=user)
        self.composed.is_valid()
        is_list = self.composed.chosen_target == TargetType.DEVICE_LIST
        self.devices = self.composed.devices.kept if is_list and self.composed.devices.count else None
        self.values = {name: each for name, each in kept(self.composed.data).items() if name not in DROPPED}
        self.parts = parts_of(self.values, self.devices, self.composed)
        self.locked = self._locked(data)
        self.lock_problems: dict[str, str] = {}

    @property
    def rows(self) -> list[tuple[Part, bool, str]]:
        """Part, whether it is locked, and what is wrong with that."""
        return [(part, part.key in self.locked, self.lock_problems.get(part.key, "")) for part in self.parts]

    def _locked(self, data: Any) -> set[str]:
        if data is not None:
            return set(data.getlist("locked")) & {part.key for part in self.parts}
        return set(self.template.newest.locked) if self.template else {"application", "command"}

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        others = Template.objects.usable().exclude(pk=self.template.pk if self.template else 0)
        if others.filter(name=cleaned.get("name", "")).exists():
            self.add_error("name", "There is a template of this name already.")
        for part in self.parts:
            if part.key in self.locked and part.problem:
                self.lock_problems[part.key] = part.problem
        if self.lock_problems:
            self.add_error(None, "What is locked must be good as it is: nobody could mend it.")
        if self.composed.values.columns and "target" in self.locked and "command" not in self.locked:
            self.lock_problems["command"] = (
                "Lock this, too: the values of the locked devices are for this command."
            )
            self.add_error(None, "Values that are locked fit one command only.")
        return cleaned

    @transaction.atomic
    def save(self) -> Template:
        template = self.template or Template(author=self.user)
        template.name, template.description = self.cleaned_data["name"], self.cleaned_data["description"]
        template.save()
        values, devices = dict(self.values), None
        if self.devices:
            devices = _copy(self.devices, template, self.user)
            values["device_list"] = [str(devices.pk)]
        template.add_version(
            self.user,
            values=values,
            locked=[part.key for part in self.parts if part.key in self.locked],
            device_list=devices,
            note=self.cleaned_data["note"],
        )
        return template


def copy_version(version: TemplateVersion, author: User) -> TemplateVersion:
    """Make an old version the newest one."""
    return version.template.add_version(
        author,
        values=version.values,
        locked=version.locked,
        device_list=version.device_list,
        note=f"as version {version.number}",
    )


def _copy(devices: DeviceList, template: Template, author: User) -> DeviceList:
    """A list of the template's own: it outlives the draft, and says nothing of where the devices came from.

    Their values come with them: whoever uses the template sends these, or reads another table where it is open.
    """
    copied = DeviceList.objects.create(
        author=author,
        source=f"template {template.name}",
        count=devices.count,
        first=devices.first_ids,
        text=devices.text,
    )
    if table := ValueTable.of(devices):
        table.devices = copied
        table.save(force_insert=True)
    return copied


def _parameters(values: Values) -> list[tuple[str, str]]:
    profile = Profile.objects.filter(pk=_one(values, "profile")).first()
    command = profile and profile.schema.command(_one(values, "service_id"), _one(values, "method"))
    return [(each.name, _one(values, PREFIX + each.name)) for each in (command.parameters if command else ())]


def _target(values: Values, devices: DeviceList | None, table: ValueTable | None) -> str:
    kind = TargetType(_one(values, "target_type"))
    if kind == TargetType.DEVICE_LIST:
        count = devices.count if devices else 0
        listed = f"{count:,} device{'' if count == 1 else 's'} listed" if count else "A list of devices"
        return f"{listed}, each with its own {', '.join(table.columns)}: {table}" if table else listed
    held = ["\n".join(values.get(name, ())) for name in TARGET_FIELDS[kind]]
    return ": ".join(filter(None, (LABELS[kind], " · ".join(filter(None, held)).replace("\n", ", "))))


def _command(values: Values) -> str:
    profile = Profile.objects.defer("definition").filter(pk=_one(values, "profile") or 0).first()
    return " · ".join(filter(None, (str(profile or ""), _one(values, "service_id"), _one(values, "method"))))


def _problem(form: ComposeForm | None, fields: Sequence[str]) -> str:
    return " ".join(str(text) for name in fields for text in form.errors.get(name, ())) if form else ""


def _one(values: Values, name: str) -> str:
    return next(iter(values.get(name, ())), "")
