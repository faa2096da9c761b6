"""Values that differ from device to device, as an operator gave them; and how many tasks the whole becomes."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings

from dashboard.words import spoken
from tasks.lifecycle import values
from tasks.lifecycle.families import MOST_TASKS, task_count
from tasks.lifecycle.queue import usual_duration
from tasks.lifecycle.values import Table, ValueSet
from tasks.models import DeviceList, ValueTable
from tasks.targets import TargetType

from .device_ids import LONG
from .parameters import PREFIX

if TYPE_CHECKING:
    from .compose_shape import ShapedFields

MOST_BYTES = 64 * 1024 * 1024
SHOWN = 100
"""Sets of values that a page lists."""


def fields() -> dict[str, forms.Field]:
    """The fields that a table is given in; the form has them besides those of the command."""
    return {
        "values_text": forms.CharField(
            label="Paste a table",
            required=False,
            widget=forms.Textarea(attrs={"rows": 5, "class": "code", "spellcheck": "false", "wrap": "off"}),
            help_text="The first line names the columns: deviceId, and parameters of the command.",
        ),
        "values_file": forms.FileField(
            label="or a CSV file",
            required=False,
            widget=forms.FileInput(attrs={"accept": ".csv,.txt,text/csv,text/plain"}),
        ),
    }


class GivenValues:
    """``kept`` belongs to the list of devices that the form carries; ``parsed`` is what could not be kept.

    The text of a short table, also of an uploaded one, goes back into its field to be corrected. A template that locks
    devices or parameters takes no table.
    """

    def __init__(self, form: ShapedFields) -> None:
        self.form = form
        self.parsed: Table | None = None
        self.is_locked = "target" in form.locked_parts or form.has_locked_parameters
        self.kept = None if self.is_locked else _table_of(form.devices.kept)
        self._is_read = False
        form.fields |= fields()
        self._take_fields()

    def read(self) -> None:
        """Take what this post brought. What is good takes the place of the list of devices."""
        text, file = self.form.data.get("values_text", ""), self.form.files.get("values_file")
        again = "read_values" in self.form.data and self.kept is not None and not self.is_current
        if self._is_read or not (text.strip() or file or again):
            return
        self._is_read = True
        if self.is_locked:
            self.parsed = Table(
                problem="The template locks what a table of values would change; it was left out."
            )
            return
        source = ""
        try:
            if file:
                source, text = file.name or "", _decoded(file)
            elif again and self.kept and not text.strip():
                source, text = self.form.devices.kept.source if self.form.devices.kept else "", self.kept.text
            self.parsed = values.read(text, self.form.command)
        except values.Unreadable as error:
            self.parsed = Table(problem=f"{source or 'The table'}: {error}")
        if not self.parsed.problem and not self.parsed.bad_count:
            self._keep(self.parsed, source, text)
            self.parsed, text = None, ""
            self._take_fields()
        self.form.data["values_text"] = text if text.count("\n") <= LONG else ""

    def _keep(self, table: Table, source: str, text: str) -> None:
        ids = [device for each in table.sets for device in each.devices]
        self.form.devices.parsed = None
        self.form.devices.kept = kept = DeviceList.of(
            self.form.user,
            ids,
            source=source[:300] or "the table of values",
            duplicates=table.duplicates,
        )
        kept.save()
        self.kept = ValueTable.objects.create(
            devices=kept,
            columns=table.columns,
            unused=table.unused,
            sets=[[each.values, len(each.devices)] for each in table.sets],
            checked_for=_name_of(self.form),
            text=text,
        )

    def _take_fields(self) -> None:
        """What the table gives is not asked for once more."""
        for name in self.columns:
            self.form.fields.pop(PREFIX + name, None)

    @property
    def is_used(self) -> bool:
        return self.kept is not None and self.form.chosen_target == TargetType.DEVICE_LIST

    @property
    def is_current(self) -> bool:
        """Were they checked for the command that is chosen now?"""
        return self.kept is not None and self.kept.checked_for == _name_of(self.form)

    @property
    def columns(self) -> list[str]:
        return self.kept.columns if self.kept and self.is_used and self.is_current else []

    @property
    def others(self) -> list[str]:
        """Parameters that are the same for all devices."""
        command = self.form.command
        return [each.name for each in command.parameters if each.name not in self.columns] if command else []

    @property
    def problem(self) -> str:
        """Why they cannot be used; empty when they can, or when there are none."""
        if self.parsed:
            if self.parsed.problem:
                return self.parsed.problem
            cells = self.parsed.bad_count
            return f"{cells:,} cell{'s' if cells != 1 else ''} of the table cannot be used."
        if self.kept and self.form.chosen_target != TargetType.DEVICE_LIST:
            return ""
        if self.kept and not self.is_current:
            return f"The values were checked for {self.kept.checked_for or 'a command without a profile'}."
        plan = plan_of(self.form)
        if plan and plan.tasks > MOST_TASKS:
            return f"This would become {plan.tasks:,} tasks; at most {MOST_TASKS:,} can be composed at once."
        return ""

    @property
    def first(self) -> Mapping[str, Any]:
        """Those of the first task."""
        return self._in_order(self.kept.sets[0][0]) if self.kept and self.columns else {}

    @property
    def sets(self) -> list[ValueSet]:
        """All of them with their devices; [] when every device gets the same."""
        if not self.kept or not self.columns or not self.form.devices.kept:
            return []
        ids = iter(self.form.devices.kept.ids)
        return [ValueSet(self._in_order(each), list(islice(ids, count))) for each, count in self.kept.sets]

    def _in_order(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """As the table has its columns; databases keep the members of an object in an order of their own."""
        return {name: given[name] for name in self.columns}


@dataclass(frozen=True)
class Plan:
    """What is going to be several tasks. ``rows``: the values in the order of ``columns``, devices, tasks."""

    tasks: int
    columns: list[str]
    rows: list[tuple[list[Any], int, int]]
    sets: int
    unused: list[str]
    first: int
    """Devices of the first task."""
    at_once: int | None = None
    usual: dt.timedelta | None = None
    """How long the last tasks held their places."""

    @property
    def rounds(self) -> int:
        return math.ceil(self.tasks / self.at_once) if self.at_once else 0

    @property
    def wait(self) -> str:
        """How long the last one waits for its place, as far as can be told."""
        return spoken(self.usual * (self.rounds - 1)) if self.usual and self.rounds > 1 else ""

    @property
    def hidden(self) -> int:
        return self.sets - len(self.rows)


def plan_of(form: ShapedFields) -> Plan | None:
    """How many tasks the form's devices and values become; None for one task without values of its own."""
    given = form.values
    if form.chosen_target != TargetType.DEVICE_LIST or not form.devices.count:
        return None
    sets: list[list[Any]] = given.kept.sets if given.kept and given.columns else [[{}, form.devices.count]]
    tasks = sum(task_count(count) for _, count in sets)
    if tasks == 1 and not given.columns:
        return None
    application = getattr(form, "cleaned_data", {}).get("application")
    return Plan(
        tasks=tasks,
        columns=given.columns,
        rows=list(_rows(sets[:SHOWN], given.columns)) if given.columns else [],
        sets=len(sets) if given.columns else 0,
        unused=given.kept.unused if given.kept and given.columns else [],
        first=min(sets[0][1], settings.FAMILY_DEVICES),
        at_once=application.unfinished_limit if application else None,
        usual=usual_duration(application) if application else None,
    )


def _rows(sets: list[list[Any]], columns: list[str]) -> Iterator[tuple[list[Any], int, int]]:
    for each, count in sets:
        yield [each.get(name) for name in columns], count, task_count(count)


def _table_of(kept: DeviceList | None) -> ValueTable | None:
    return ValueTable.objects.filter(pk=kept.pk).first() if kept else None


def _name_of(form: ShapedFields) -> str:
    """The command that values are checked for, as people know it; empty without a profile."""
    if form.chosen_profile is None or form.command is None:
        return ""
    return f"{form.command.name} of {form.chosen_profile} #{form.chosen_profile.pk}, {form['service_id'].value()}"[
        :400
    ]


def _decoded(file: Any) -> str:
    if file.size > MOST_BYTES:
        raise values.Unreadable(f"More than {MOST_BYTES // 1024 // 1024} MB are too much for a table.")
    return values.decode(file.read())
