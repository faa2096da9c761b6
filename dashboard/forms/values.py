"""Values that differ from device to device, as an operator or a template gave them: a table beside the list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from django import forms

from tasks.lifecycle import textfile, values
from tasks.lifecycle.families import MOST_TASKS
from tasks.lifecycle.values import Table, ValueSet
from tasks.models import DeviceList, ValueTable
from tasks.targets import TargetType

from .device_ids import LONG
from .parameters import PREFIX
from .plan import tasks_of

if TYPE_CHECKING:
    from .compose_shape import ShapedFields

MOST_BYTES = 64 * 1024 * 1024


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

    The text of a short table, also of an uploaded one, goes back into its field to be corrected.
    """

    def __init__(self, form: ShapedFields) -> None:
        self.form = form
        self.parsed: Table | None = None
        self.before: ValueTable | None = None  # what the page showed that was posted
        self.kept = ValueTable.of(form.devices.kept)
        self.is_read = False  # what is typed is read once, and not by looking at a draft
        self._taken: dict[str, forms.Field] = {}
        form.fields |= fields()
        self._take_fields()

    def read(self) -> None:
        """Take what this post brought. What is good takes the place of the list of devices."""
        data, kept = self.form.data, self.form.devices.kept
        text, file, source = data.get("values_text", ""), self.form.files.get("values_file"), ""
        again = "read_values" in data and self.kept is not None and not self.is_current
        if self.is_read or self.is_locked or not (text.strip() or file or again):
            return
        self.is_read = True
        try:
            if file:
                source, text = file.name or "", _decoded(file)
            elif again and self.kept and not text.strip():
                source, text = kept.source if kept else "", self.kept.text
            table = values.read(text, self.form.command)
        except textfile.Unreadable as error:
            table = Table(problem=f"{source or 'The table'}: {error}")
        table.problem = table.problem or self._locked(table.columns)
        if table.problem or table.bad_count:
            self.parsed = table
        else:
            self._keep(table, source, text)
            text = ""
            self._take_fields()
        self.form.data["values_text"] = text if _is_short(text) else ""

    def _keep(self, table: Table, source: str, text: str) -> None:
        ids = [device for each in table.sets for device in each.devices]
        before = self.form.devices.kept
        kept = DeviceList.of(
            self.form.user,
            ids,
            source=source[:300] or "the table of values",
            duplicates=table.duplicates,
            before=before.pk if before else None,
        )
        kept.save()
        self.form.devices.kept, self.form.devices.parsed = kept, None
        self.kept = ValueTable.objects.create(
            devices=kept,
            columns=table.columns,
            unused=table.unused,
            sets=[[each.values, len(each.devices)] for each in table.sets],
            checked_for=_name_of(self.form),
            text=text,
        )

    def _take_fields(self) -> None:
        """What the table gives is not asked for once more; what only an earlier one gave is."""
        fields = self.form.fields
        fields |= self._taken
        names = [PREFIX + name for name in self.columns]
        self._taken = {name: fields.pop(name) for name in names if name in fields}

    def _locked(self, columns: Sequence[str]) -> str:
        """Why a table with these columns is none for the form's template; empty when it may be one."""
        locks = self.form.locks
        fixed = [
            name for name in columns if locks and ("paras" in locks.parts or PREFIX + name in locks.fields)
        ]
        return f"The template locks {', '.join(fixed)}: leave that out of the table." if fixed else ""

    @property
    def is_locked(self) -> bool:
        """Devices and their values are as the template has them."""
        return "target" in self.form.locked_parts

    @property
    def is_shown(self) -> bool:
        """Is there a table, or may one be given?"""
        return bool(self.kept or self.parsed) or not (self.is_locked or self.form.no_commands)

    @property
    def _is_the_templates(self) -> bool:
        locks = self.form.locks
        return locks is not None and self.kept is not None and self.kept.pk == locks.version.device_list_id

    @property
    def is_short(self) -> bool:
        """May its text go back into its field?"""
        return self.kept is not None and _is_short(self.kept.text)

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
            cells = self.parsed.bad_count
            return (
                self.parsed.problem
                or f"{cells:,} cell{'s' if cells != 1 else ''} of the table cannot be used."
            )
        if self.kept and not self.is_used:
            return ""
        if self.kept and not self.is_current:
            return f"The values were checked for {self.kept.checked_for or 'a command without a profile'}."
        if (tasks := tasks_of(self.form)) > MOST_TASKS:
            return f"This would become {tasks:,} tasks; at most {MOST_TASKS:,} can be composed at once."
        return "" if self._is_the_templates else self._locked(self.columns)

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


def _name_of(form: ShapedFields) -> str:
    """The command that values are checked for, as people know it; empty without a profile."""
    if form.chosen_profile is None or form.command is None:
        return ""
    return f"{form.command.name} of {form.chosen_profile} #{form.chosen_profile.pk}, {form['service_id'].value()}"[
        :400
    ]


def _is_short(text: str) -> bool:
    return text.count("\n") <= LONG


def _decoded(file: Any) -> str:
    if file.size > MOST_BYTES:
        raise textfile.Unreadable(f"More than {MOST_BYTES // 1024 // 1024} MB are too much for a table.")
    return textfile.decode(file.read())
