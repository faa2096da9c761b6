"""Text files and tables as people have them: in which encoding, and which column holds the device ids."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence

DEVICE_COLUMNS = frozenset({"deviceid", "device", "id"})
BYTE_ORDER_MARKS = ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"\xef\xbb\xbf", "utf-8-sig"))


class Unreadable(Exception):
    """The file as a whole cannot be used; the text is a sentence for whoever gave it."""


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
