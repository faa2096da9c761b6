"""Device ids as people have them: pasted, or in a CSV or text file. Every bad line is named by its number."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.conf import settings
from django.contrib.auth.models import User

from tasks.models import DeviceList
from tasks.platform import wire

COLUMN_NAMES = frozenset({"deviceid", "device", "id"})
SEPARATORS = re.compile(r"[\s,;]+")
BYTE_ORDER_MARKS = ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"\xef\xbb\xbf", "utf-8-sig"))


@dataclass(frozen=True)
class BadLine:
    number: int
    text: str
    problem: str


@dataclass(frozen=True)
class Parsed:
    """``ids`` in their order without duplicates; ``problem`` is set when the whole could not be read.

    ``text`` is what was found, each on its own line number: what the operator goes on to correct.
    """

    ids: list[str]
    duplicates: int
    bad: list[BadLine]
    problem: str = ""
    text: str = ""


def parse_text(text: str) -> Parsed:
    """Ids separated by line ends, blanks, commas or semicolons; the heading of a copied column is none."""
    found = [
        (number, word)
        for number, line in enumerate(text.splitlines(), 1)
        for word in (SEPARATORS.split(line.strip(" \t,;\ufeff")) if line.strip(" \t,;\ufeff") else ())
    ]
    return _collect(found[1:] if found and _letters(found[0][1]) == "deviceid" else found)


def parse_file(name: str, data: bytes) -> Parsed:
    """A text file as pasted; of a CSV file the column headed deviceId, or else the first one."""
    encoding = next((name for mark, name in BYTE_ORDER_MARKS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return Parsed(
            [], 0, [], f"{name} is not UTF-8 text (line {line}). Save it as CSV UTF-8 and try again."
        )
    if "\0" in text:
        return Parsed([], 0, [], f"{name} is not a text file. Save the list as CSV or TXT and try again.")
    if not name.lower().endswith(".csv"):
        return parse_text(text)
    try:
        return _collect(_csv_column(text))
    except csv.Error as error:
        return Parsed([], 0, [], f"{name} cannot be read as CSV: {error}.")


LONG = 5000
"""Ids above which a list does not go back into the browser's text field."""


def keep(parsed: Parsed, author: User, source: str) -> DeviceList:
    """Store what was read, so that the form needs to carry only its id."""
    return DeviceList.objects.create(
        author=author,
        source=source[:300],
        count=len(parsed.ids),
        duplicates=parsed.duplicates,
        bad=[[line.number, line.text, line.problem] for line in parsed.bad],
        text="\n".join(parsed.ids),
    )


def _csv_column(text: str) -> Iterator[tuple[int, str]]:
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(text.splitlines(), delimiter=delimiter)
    column, at_top = 0, True
    for row in reader:
        if not any(cell.strip() for cell in row):
            continue
        if at_top:
            at_top = False
            heads = [_letters(head) for head in row]
            if named := [index for index, head in enumerate(heads) if head in COLUMN_NAMES]:
                column = named[0]
                continue
        yield reader.line_num, row[column].strip() if len(row) > column else ""


def _letters(heading: str) -> str:
    return re.sub(r"[^a-z]", "", heading.lower())


def _collect(found: Iterable[tuple[int, str]]) -> Parsed:
    ids: dict[str, None] = {}
    bad: list[BadLine] = []
    good = 0
    lines: dict[int, str] = {}
    for number, word in found:
        lines[number] = f"{lines[number]} {word}" if number in lines else word
        if problem := wire.device_id_problem(word):
            bad.append(BadLine(number, word[:80], problem))
        else:
            ids[word] = None
            good += 1
    if len(ids) > settings.MOST_DEVICES:
        return Parsed(
            [], 0, bad, f"{len(ids):,} devices are too many for one task (most: {settings.MOST_DEVICES:,})."
        )
    text = "\n".join(lines.get(number, "") for number in range(1, max(lines, default=0) + 1)) if bad else ""
    return Parsed(list(ids), good - len(ids), bad, text=text)
