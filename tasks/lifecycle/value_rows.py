"""The rows of a table of values as they were given: where a device stands, and the table without some devices."""

from __future__ import annotations

import csv
import io
from collections.abc import Container, Iterator

from .textfile import delimiter_of, device_column


def lines_of(text: str, ids: Container[str]) -> dict[str, int]:
    """Device id -> the line on which it stands first, counted from 1, of those of ``ids`` that are there."""
    found: dict[str, int] = {}
    for line, device_id, _ in _rows(text):
        if device_id in ids:
            found.setdefault(device_id, line)
    return found


def without(text: str, ids: Container[str]) -> str:
    """The table without the rows of these devices; all else is as it was."""
    return "".join(row for _, device_id, row in _rows(text) if device_id not in ids)


def _rows(text: str) -> Iterator[tuple[int, str, str]]:
    """Line, device id and text of every row; of the headings and of empty rows the id is empty."""
    device_at: int | None = None
    taken: list[str] = []

    def lines() -> Iterator[str]:
        for line in io.StringIO(text, newline=""):
            taken.append(line)
            yield line

    reader = csv.reader(lines(), delimiter=delimiter_of(text))
    for row in reader:
        if device_at is None:
            yield reader.line_num, "", "".join(taken)
            device_at = device_column(row) if any(map(str.strip, row)) else None
        else:
            yield reader.line_num, row[device_at].strip() if len(row) > device_at else "", "".join(taken)
        taken.clear()
