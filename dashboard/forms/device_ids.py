"""Device ids as people have them: pasted, or in a CSV or text file. Every bad line is named by its number.

Lines are read as they come and checked many at a time: a million of them cost seconds, and no second copy.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import IO, Any

from django.conf import settings
from django.contrib.auth.models import User

from tasks.lifecycle.textfile import delimiter_of, device_column, encoding_of, letters
from tasks.models import DeviceList
from tasks.platform import wire

from .line_numbers import LineNumbers

SEPARATORS = str.maketrans(",;", "  ")

LONG = 5000
"""Ids above which a list does not go back into the browser's text field."""

MOST_BAD = 10_000
"""Bad lines that are kept; of more than these only the number is."""

CHUNK = 20_000


@dataclass(frozen=True)
class BadLine:
    number: int
    text: str
    problem: str


@dataclass(frozen=True)
class Parsed:
    """``ids`` in their order without duplicates; ``problem`` is set when the whole could not be read.

    ``bad`` holds the first of ``bad_count`` lines. ``text`` is what was found, each on its own line number, of a short
    list: what the operator goes on to correct. ``lines`` says where ids stand: from each place on, on lines that follow
    one another. ``column`` is the one they were taken from, where its heading does not say that it has ids.
    """

    ids: list[str] = field(default_factory=list)
    duplicates: int = 0
    bad: list[BadLine] = field(default_factory=list)
    problem: str = ""
    text: str = ""
    bad_count: int = 0
    lines: list[tuple[int, int]] = field(default_factory=list)
    column: str = ""


Found = Iterator[tuple[Sequence[int], Sequence[str]]]
"""Line numbers and the words on them, some thousands at a time."""


def parse_text(text: str) -> Parsed:
    """Ids separated by line ends, blanks, commas or semicolons; or a table that was copied with its headings."""
    return _parse("The text", iter(io.StringIO(text.lstrip("\ufeff"), newline="")))


def parse_file(name: str, file: IO[bytes], column: str = "") -> Parsed:
    """A text file as pasted; of a CSV file the named or numbered column, the one headed deviceId, or else the first."""
    start = file.read(1000)
    file.seek(0)
    encoding = encoding_of(start)
    if encoding is None:
        return Parsed(problem=f"{name} is not a text file. Save the list as CSV or TXT and try again.")
    # Without the wrapper of a temporary file, which is asked for every line.
    lines = io.TextIOWrapper(getattr(file, "file", file), encoding, newline="")
    try:
        return _parse(name, iter(lines), column)
    except UnicodeError:
        line = _undecodable_line(file, encoding)
        return Parsed(problem=f"{name} is not UTF-8 text (line {line}). Save it as CSV UTF-8 and try again.")
    finally:
        lines.detach()  # the file is its owner's to close


def keep(parsed: Parsed, author: User, source: str) -> DeviceList:
    """Store what was read, so that the form needs to carry only its id."""
    if parsed.column:
        source = f"{source}, column {parsed.column}"
    kept = DeviceList.of(
        author,
        parsed.ids,
        source=source[:300],
        duplicates=parsed.duplicates,
        bad=[[line.number, line.text, line.problem] for line in parsed.bad],
        bad_count=parsed.bad_count,
        lines=parsed.lines,
    )
    kept.save()
    return kept


def _parse(name: str, lines: Iterator[str], column: str = "") -> Parsed:
    top = []
    for line in lines:
        top.append(line)
        if line.strip():
            break
    heading = top[-1] if top else ""
    delimiter = delimiter_of(heading)
    is_table = (
        name.lower().endswith(".csv")
        or bool(column)
        or (delimiter in heading and device_column(heading.split(delimiter)) is not None)
    )
    whole = chain(top, lines)
    try:
        if not is_table:
            return _collect(_words(whole))
        rows = csv.reader(whole, delimiter=delimiter)
        table = _Table.begin(rows, column)
        return table if isinstance(table, Parsed) else _collect(table.cells(rows), table.words)
    except csv.Error as error:
        return Parsed(problem=f"{name} cannot be read as CSV: {error}.")


def _words(lines: Iterator[str]) -> Found:
    number, at_top = 1, True
    while chunk := list(islice(lines, CHUNK)):
        words = "".join(chunk).translate(SEPARATORS).split()
        numbers: Sequence[int] = range(number, number + len(chunk))
        if len(words) != len(chunk) or not all(map(str.strip, chunk)):
            numbered = [
                (at, word)
                for at, line in zip(numbers, chunk, strict=True)
                for word in line.translate(SEPARATORS).split()
            ]
            numbers, words = [at for at, _ in numbered], [word for _, word in numbered]
        if at_top and words:
            at_top = False
            if letters(words[0]) == "deviceid":
                numbers, words = numbers[1:], words[1:]
        yield numbers, words
        number += len(chunk)


@dataclass(frozen=True)
class _Table:
    """Which column of a table has the ids, what people call it, and the first row where it is no heading."""

    column: int
    words: str
    first: tuple[int, list[str]] | None

    @classmethod
    def begin(cls, rows: Any, wanted: str) -> _Table | Parsed:
        """Reads as far as the first row that says anything. A wanted column that is not there is a problem."""
        top: list[str] = next((row for row in rows if any(map(str.strip, row))), [])
        heads = [head.strip().lstrip("\ufeff") for head in top]
        found = device_column(heads)
        if wanted := wanted.strip():
            place = next((at for at, head in enumerate(heads) if head.lower() == wanted.lower()), None)
            if place is not None:
                return cls(place, f"“{heads[place]}”", None)
            if not (wanted.isdecimal() and 0 < int(wanted[:6]) <= len(heads)):
                names = ", ".join(heads[:20]) or "none"
                return Parsed(problem=f"There is no column “{wanted[:80]}”. The first row has: {names}.")
            place = int(wanted) - 1
            headed = found is not None
            return cls(place, wanted, None if headed else (rows.line_num, top))
        if found is not None:
            return cls(found, "", None)
        return cls(0, "1" if len(heads) > 1 else "", (rows.line_num, top) if top else None)

    def cells(self, rows: Any) -> Found:
        numbers: list[int] = []
        words: list[str] = []
        for row in rows if self.first is None else chain((self.first[1],), rows):
            word = row[self.column].strip() if len(row) > self.column else ""
            if word or any(map(str.strip, row)):
                numbers.append(rows.line_num)
                words.append(word)
            if len(words) == CHUNK:
                yield numbers, words
                numbers, words = [], []
        yield numbers, words


def _collect(found: Iterable[tuple[Sequence[int], Sequence[str]]], column: str = "") -> Parsed:
    ids: dict[str, None] = {}
    bad: list[BadLine] = []
    good = bad_count = 0
    typed: list[tuple[int, str]] | None = []
    lines = LineNumbers()
    for numbers, words in found:
        if typed is not None:
            typed = [*typed, *zip(numbers, words, strict=True)] if len(typed) + len(words) <= LONG else None
        if wire.are_device_ids(words):
            known = len(ids)
            ids.update(dict.fromkeys(words))
            good += len(words)
            if len(ids) - known == len(words):
                lines.all_new(known, numbers)
            else:
                lines.some_new(ids, known, numbers, words)
        else:
            for number, word in zip(numbers, words, strict=True):
                if problem := wire.device_id_problem(word):
                    bad_count += 1
                    if len(bad) < MOST_BAD:
                        bad.append(BadLine(number, word[:80], problem))
                else:
                    if word not in ids:
                        lines.new(len(ids), number)
                        ids[word] = None
                    good += 1
        if len(ids) > settings.MOST_DEVICES:
            return Parsed(problem=f"More than {settings.MOST_DEVICES:,} devices are too many for one task.")
    text = _on_their_lines(typed) if bad and typed else ""
    return Parsed(
        list(ids), good - len(ids), bad, text=text, bad_count=bad_count, lines=lines.kept, column=column
    )


def _on_their_lines(typed: list[tuple[int, str]]) -> str:
    lines: dict[int, str] = {}
    for number, word in typed:
        lines[number] = f"{lines[number]} {word}" if number in lines else word
    return "\n".join(lines.get(number, "") for number in range(1, max(lines) + 1))


def _undecodable_line(file: IO[bytes], encoding: str) -> int:
    file.seek(0)
    data = file.read()
    try:
        data.decode(encoding)
    except UnicodeDecodeError as error:
        return data.count(b"\n", 0, error.start) + 1
    return 1
