"""Exports: rows as CSV that spreadsheets read and never run, or as JSON Lines with their types, streamed in parts."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse, StreamingHttpResponse

Row = Sequence[Any]

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\0", "＝", "＋", "－", "＠")
"""What makes a spreadsheet run a cell; the wide ones do in Chinese and Japanese editions."""

_STARTS = frozenset(FORMULA_STARTS)

MOST_AT_ONCE = 4
"""Exports that one process streams at the same time. Its other threads are left to the pages."""

_places = threading.BoundedSemaphore(MOST_AT_ONCE)


class Busy(Exception):
    """As many exports as may run are running; the reader should come again."""


@dataclass(frozen=True)
class Format:
    content_type: str
    head: Callable[[Sequence[str]], str]
    text: Callable[[Sequence[str], Iterable[Row]], str]


def cell(value: Any) -> Any:
    """The value as a cell: times in UTC, objects as JSON, text that could start a formula with a quote before it."""
    if isinstance(value, str):
        return "'" + value if value[:1] in _STARTS else value
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).isoformat()[:19] + "Z"
    if isinstance(value, dict | list):
        return _encode(value)
    return value


def moment(value: dt.datetime) -> str:
    """The time in UTC, with all that is known of it."""
    return value.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")


def _csv_head(names: Sequence[str]) -> str:
    return "\ufeff" + _csv(names, [names])  # spreadsheets take UTF-8 for what it is only with the mark


def _csv(_names: Sequence[str], rows: Iterable[Row]) -> str:
    page = io.StringIO()
    csv.writer(page).writerows([cell(value) for value in row] for row in rows)
    return page.getvalue()


def _no_head(_names: Sequence[str]) -> str:
    return ""


def _jsonl(names: Sequence[str], rows: Iterable[Row]) -> str:
    return "".join(_encode(dict(zip(names, row, strict=True))) + "\n" for row in rows)


_encode = json.JSONEncoder(ensure_ascii=False, default=moment).encode

FORMATS: dict[str, Format] = {
    "csv": Format("text/csv; charset=utf-8", _csv_head, _csv),
    "jsonl": Format("application/x-ndjson; charset=utf-8", _no_head, _jsonl),
}


def parts(form: str, names: Sequence[str], chunks: Iterable[Iterable[Row]]) -> Iterator[bytes]:
    """The export's bytes, one part for each chunk of rows; at least one, so that an empty export has its heading."""
    written = FORMATS[form]
    yield _bytes(written.head(names))
    for rows in chunks:
        yield _bytes(written.text(names, rows))


def download(
    name: str,
    form: str,
    names: Sequence[str],
    chunks: Iterable[Iterable[Row]],
    *,
    is_over: Callable[[], bool] = lambda: False,
) -> StreamingHttpResponse:
    """A download of ``chunks`` that holds one of the few places for exports; it ends early once ``is_over``.

    Raises ``Busy`` when there is no place.
    """
    stream = _in_a_place(parts(form, names, chunks), is_over)
    next(stream)
    return StreamingHttpResponse(
        stream,
        content_type=FORMATS[form].content_type,
        headers={"Content-Disposition": f'attachment; filename="{name}.{form}"'},
    )


def csv_of(name: str, names: Sequence[str], rows: Iterable[Row]) -> HttpResponse:
    """A short list as a CSV download."""
    return HttpResponse(
        b"".join(parts("csv", names, [rows])),
        content_type=FORMATS["csv"].content_type,
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _in_a_place(stream: Iterator[bytes], is_over: Callable[[], bool]) -> Generator[bytes]:
    """Take a place, and leave it however the reading ends. The first part is empty: it is read to take the place."""
    if not _places.acquire(blocking=False):
        raise Busy
    try:
        yield b""
        for part in stream:
            if is_over():
                return
            yield part
    finally:
        _places.release()


def _bytes(text: str) -> bytes:
    """In UTF-8; half a character, which JSON can name, stays named as JSON does."""
    return text.encode("utf-8", "backslashreplace")
