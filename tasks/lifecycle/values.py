"""Values for each device, from a table with a column of device ids and columns named after parameters.

Every distinct set of values is a task of its own. All that is wrong is found at once, each by its line and column.
"""

from __future__ import annotations

import csv
import functools
import io
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from django.conf import settings

from tasks.platform import jsontext, wire
from tasks.profiles.schema import Command, Parameter
from tasks.profiles.values import BadValue, convert

from .textfile import Unreadable, delimiter_of, device_column

MOST_SETS = 1000
"""Distinct sets of values, and tasks of one family: ten at a time, more would queue for days."""

MOST_BAD = 1000
"""Bad cells that are kept; of more than these only the number is."""


@dataclass(frozen=True)
class ValueSet:
    """The values that these devices get; None is a parameter that is left out for them."""

    values: Mapping[str, Any]
    devices: Sequence[str]


@dataclass(frozen=True)
class BadCell:
    line: int
    column: str
    text: str
    problem: str


@dataclass
class Table:
    """``sets`` in the order in which the table first has them. ``problem`` is set when it cannot be read at all."""

    columns: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    sets: list[ValueSet] = field(default_factory=list)
    duplicates: int = 0
    bad: list[BadCell] = field(default_factory=list)
    bad_count: int = 0
    problem: str = ""

    @property
    def devices(self) -> int:
        return sum(len(each.devices) for each in self.sets)

    def add_bad(self, line: int, column: str, text: str, problem: str) -> None:
        self.bad_count += 1
        if len(self.bad) < MOST_BAD:
            self.bad.append(BadCell(line, column, text[:80], problem))


def with_values(paras: Mapping[str, Any] | None, values: Mapping[str, Any]) -> dict[str, Any]:
    """What is the same for all devices, and the values of some of them."""
    left_out = {name for name, value in values.items() if value is None}
    return {name: value for name, value in {**(paras or {}), **values}.items() if name not in left_out}


def read(text: str, command: Command | None) -> Table:
    """The sets of values in ``text``, checked by the profile's command where there is one.

    Without one a cell is a number, true, false, an object or a list where it reads as JSON, and text otherwise.
    """
    table = Table()
    try:
        _read(text.lstrip("\ufeff"), command, table)
    except csv.Error as error:
        table.problem = f"This cannot be read as CSV: {error}."
    except Unreadable as error:
        table.problem = str(error)
    return table


class _Column(NamedTuple):
    at: int
    name: str
    parameter: Parameter | None


class _Cells(NamedTuple):
    """The cells of a row but the device's: their values as JSON, and (column, text, problem) of bad ones."""

    key: str
    bad: list[tuple[str, str, str]]


def _read(text: str, command: Command | None, table: Table) -> None:
    rows = _rows(text)
    heads = next(rows, (0, []))[1]
    device, columns = _columns([head.strip() for head in heads], command, table)
    converted = functools.cache(functools.partial(_converted, columns))
    places = [column.at for column in columns]
    width = max(device.at, *places) + 1
    seen: dict[str, tuple[int, str]] = {}
    sets: dict[str, list[str]] = defaultdict(list)
    for line, row in rows:
        row.extend([""] * (width - len(row)))
        device_id = row[device.at].strip()
        cells = converted(tuple([row[at] for at in places]))
        problem = wire.device_id_problem(device_id)
        if not problem and not cells.bad:
            first, key = seen.setdefault(device_id, (line, cells.key))
            if key != cells.key:
                problem = f"stands on line {first:,} already, with other values"
            elif first != line:
                table.duplicates += 1
            else:
                sets[key].append(device_id)
                if len(sets) > MOST_SETS or len(seen) > settings.MOST_DEVICES:
                    raise Unreadable(_too_many(len(seen)))
        if problem:
            table.add_bad(line, device.name, device_id, problem)
        for bad in cells.bad:
            table.add_bad(line, *bad)
    if not seen and not table.bad_count:
        raise Unreadable("There is no row below the headings.")
    table.sets = [ValueSet(json.loads(key), devices) for key, devices in sets.items()]


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Each row that holds something, with the line on which it ends."""
    if "\0" in text:
        raise Unreadable(
            "The table holds a character that no text has (NUL). Save it as CSV UTF-8 and try again."
        )
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter_of(text))
    for row in rows:
        if any(map(str.strip, row)):
            yield rows.line_num, row


def _columns(heads: Sequence[str], command: Command | None, table: Table) -> tuple[_Column, list[_Column]]:
    """The column of device ids, and those of parameters; a name may be written in small or big letters."""
    device_at = device_column(heads)
    if device_at is None:
        raise Unreadable("The first line must name the columns: one deviceId, the others after parameters.")
    known = {parameter.name: parameter for parameter in command.parameters} if command else {}
    by_letters = {name.lower(): name for name in known}
    columns: list[_Column] = []
    for at, head in enumerate(heads):
        if at == device_at or not head:
            continue
        name = head if command is None or head in known else by_letters.get(head.lower(), "")
        if not name:
            table.unused.append(head)
        elif name in table.columns:
            raise Unreadable(f"Two columns are named {name}. Leave one of them out.")
        else:
            table.columns.append(name)
            columns.append(_Column(at, name, known.get(name)))
    if not columns:
        raise Unreadable(_no_column(heads[device_at], table.unused, command))
    return _Column(device_at, heads[device_at], None), columns


def _no_column(head: str, others: Sequence[str], command: Command | None) -> str:
    found = (
        f"Besides {head} there is only {', '.join(others)}."
        if others
        else f"There is only the column {head}."
    )
    if command is None:
        return f"{found} Add a column for each parameter that differs."
    names = ", ".join(parameter.name for parameter in command.parameters)
    return f"{found} " + (
        f"Name a column after a parameter of {command.name}: {names}."
        if names
        else f"{command.name} has no parameters."
    )


def _converted(columns: Sequence[_Column], texts: Sequence[str]) -> _Cells:
    values: dict[str, Any] = {}
    bad: list[tuple[str, str, str]] = []
    for column, text in zip(columns, texts, strict=True):
        try:
            values[column.name] = _value(column.parameter, text.strip())
        except BadValue as error:
            bad.append((column.name, text, str(error)))
    return _Cells(json.dumps(values), bad)


def _value(parameter: Parameter | None, text: str) -> Any:
    if not text:
        if parameter and parameter.required:
            raise BadValue("is required")
        return None
    if parameter:
        return convert(parameter, text)
    try:
        return jsontext.loads(text)
    except jsontext.BadJSON:
        return text


def _too_many(devices: int) -> str:
    if devices > settings.MOST_DEVICES:
        return f"More than {settings.MOST_DEVICES:,} devices are too many."
    return (
        f"More than {MOST_SETS:,} different sets of values: each is a task of its own, and only a few run at the same "
        "time. Give fewer different values, or fewer devices at once."
    )
