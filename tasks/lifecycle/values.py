"""Values for each device, from a table with a column of device ids and columns named after parameters.

Every distinct set of values is a task of its own. All that is wrong is found at once, each by its line and column.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings

from tasks.platform import jsontext, wire
from tasks.profiles.schema import Command, Parameter
from tasks.profiles.values import BadValue, convert

MOST_SETS = 1000
"""Distinct sets of values, and tasks of one family: ten at a time, more would queue for days."""

MOST_BAD = 1000
"""Bad cells that are kept; of more than these only the number is."""

CHUNK = 10_000

DEVICE_COLUMNS = frozenset({"deviceid", "device", "id"})
BYTE_ORDER_MARKS = ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"\xef\xbb\xbf", "utf-8-sig"))


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


class Unreadable(Exception):
    """The table as a whole cannot be used; the text is a sentence for whoever gave it."""


def with_values(paras: Mapping[str, Any] | None, values: Mapping[str, Any]) -> dict[str, Any]:
    """What is the same for all devices, and the values of some of them."""
    left_out = {name for name, value in values.items() if value is None}
    return {name: value for name, value in {**(paras or {}), **values}.items() if name not in left_out}


def encoding_of(start: bytes) -> str | None:
    """The encoding of a file that begins so; None when it is no text, as a workbook is."""
    encoding = next((name for mark, name in BYTE_ORDER_MARKS if start.startswith(mark)), "utf-8")
    return None if start.startswith(b"PK\x03\x04") or (b"\0" in start and encoding != "utf-16") else encoding


def device_column(heads: Sequence[str]) -> int | None:
    """Where the headings of a table say that the device ids stand."""
    return next((at for at, head in enumerate(heads) if letters(head) in DEVICE_COLUMNS), None)


def delimiter_of(text: str) -> str:
    """What is between the columns: of comma, semicolon and tab what the headings have most."""
    heading = next((line for line in io.StringIO(text, newline="") if line.strip()), "")
    return max(",;\t", key=heading.count)


def letters(heading: str) -> str:
    """What counts of a heading: ``Device ID`` and ``device_id`` are the same."""
    return re.sub("[^a-z]", "", heading.lower())


def decode(data: bytes) -> str:
    """The text of a file; raises ``Unreadable``."""
    encoding = encoding_of(data[:1000])
    if encoding is None:
        raise Unreadable("This is not a text file. Save the table as CSV and try again.")
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Unreadable(
            f"This is not UTF-8 text (line {line}). Save it as CSV UTF-8 and try again."
        ) from None


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


def _read(text: str, command: Command | None, table: Table) -> None:
    if "\0" in text:
        raise Unreadable(
            "The table holds a character that no text has (NUL). Save it as CSV UTF-8 and try again."
        )
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter_of(text))
    heads = next(([head.strip() for head in row] for row in rows if any(map(str.strip, row))), [])
    device_at, columns = _columns(heads, command, table)
    reader = _Reader(table, heads[device_at], columns)
    for numbers, chunk in _chunks(rows):
        ids = [row[device_at].strip() if len(row) > device_at else "" for row in chunk]
        are_good = wire.are_device_ids(ids)
        for line, row, device_id in zip(numbers, chunk, ids, strict=True):
            reader.take(line, row, device_id, "" if are_good else wire.device_id_problem(device_id))
    if not reader.seen and not table.bad_count:
        raise Unreadable("There is no row below the headings.")
    table.sets = [ValueSet(values, devices) for values, devices in reader.sets.values() if devices]


def _chunks(rows: Any) -> Iterator[tuple[list[int], list[list[str]]]]:
    numbers: list[int] = []
    chunk: list[list[str]] = []
    for row in rows:
        if any(map(str.strip, row)):
            numbers.append(rows.line_num)
            chunk.append(row)
        if len(chunk) == CHUNK:
            yield numbers, chunk
            numbers, chunk = [], []
    yield numbers, chunk


def _columns(
    heads: Sequence[str], command: Command | None, table: Table
) -> tuple[int, list[tuple[int, str, Parameter | None]]]:
    """Where the device ids stand, and where which parameter does; a name may be written in small or big letters."""
    device_at = device_column(heads)
    if device_at is None:
        raise Unreadable("The first line must name the columns: one deviceId, the others after parameters.")
    known = {parameter.name: parameter for parameter in command.parameters} if command else {}
    by_letters = {name.lower(): name for name in known}
    columns: list[tuple[int, str, Parameter | None]] = []
    for at, head in enumerate(heads):
        if at == device_at or not head:
            continue
        name = head if command is None or head in known else by_letters.get(head.lower(), "")
        if not name:
            table.unused.append(head)
            continue
        if name in table.columns:
            raise Unreadable(f"Two columns are named {name}. Leave one of them out.")
        table.columns.append(name)
        columns.append((at, name, known.get(name)))
    if not columns:
        raise Unreadable(_no_column(heads[device_at], table.unused, command))
    return device_at, columns


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


class _Reader:
    """Takes the rows one after another; each distinct cell of a column is converted once."""

    def __init__(
        self, table: Table, device_head: str, columns: list[tuple[int, str, Parameter | None]]
    ) -> None:
        self.table, self.device_head, self.columns = table, device_head, columns
        self.width = max(at for at, _, _ in columns) + 1
        self.seen: dict[str, tuple[int, str]] = {}
        self.sets: dict[str, tuple[dict[str, Any], list[str]]] = {}
        self._known: dict[tuple[str, ...], str | list[tuple[str, str, str]]] = {}

    def take(self, line: int, row: list[str], device_id: str, problem: str) -> None:
        if problem:
            self._bad(line, self.device_head, device_id, problem)
        row += [""] * (self.width - len(row))
        cells = tuple([row[at] for at, _, _ in self.columns])
        found = self._known.get(cells)
        if found is None:
            found = self._known[cells] = self._convert(cells)
        if not isinstance(found, str):
            for column, text, words in found:
                self._bad(line, column, text, words)
            return
        if problem:
            return
        first = self.seen.setdefault(device_id, (line, found))
        if first[0] == line:
            self.sets[found][1].append(device_id)
            if len(self.seen) > settings.MOST_DEVICES:
                raise Unreadable(f"More than {settings.MOST_DEVICES:,} devices are too many.")
        elif first[1] == found:
            self.table.duplicates += 1
        else:
            self._bad(
                line, self.device_head, device_id, f"stands on line {first[0]:,} already, with other values"
            )

    def _convert(self, cells: tuple[str, ...]) -> str | list[tuple[str, str, str]]:
        """The key of the set that these cells are, or what is wrong with them."""
        values: dict[str, Any] = {}
        bad: list[tuple[str, str, str]] = []
        for (_, name, parameter), text in zip(self.columns, cells, strict=True):
            try:
                values[name] = _value(parameter, text)
            except BadValue as error:
                bad.append((name, text, str(error)))
        if bad:
            return bad
        key = json.dumps(values)
        if key not in self.sets and len(self.sets) == MOST_SETS:
            raise Unreadable(
                f"More than {MOST_SETS:,} different sets of values: each is a task of its own, and only a few run at "
                "the same time. Give fewer different values, or fewer devices at once."
            )
        self.sets.setdefault(key, (values, []))
        return key

    def _bad(self, line: int, column: str, text: str, problem: str) -> None:
        self.table.bad_count += 1
        if len(self.table.bad) < MOST_BAD:
            self.table.bad.append(BadCell(line, column, text[:80], problem))


def _value(parameter: Parameter | None, text: str) -> Any:
    if not text.strip():
        if parameter and parameter.required:
            raise BadValue("is required")
        return None
    if parameter:
        return convert(parameter, text.strip())
    try:
        return jsontext.loads(text.strip())
    except jsontext.BadJSON:
        return text.strip()
