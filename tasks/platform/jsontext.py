"""Strict JSON (UTF-8, no duplicates, no NaN, bounded), and text that a database can hold."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

MAX_DEPTH = 64
"""Levels of nesting in a whole document."""
MAX_DIGITS = 100
"""Characters of one number."""

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class BadJSON(ValueError):
    """A text that is not the JSON we accept; ``line`` and ``column`` count from 1 and are 0 if unknown."""

    def __init__(self, message: str, line: int = 0, column: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column


def loads(text: str | bytes) -> object:
    """Parse one JSON document, or raise BadJSON.

    Bytes are UTF-8 and nothing else. One leading byte order mark is dropped, because editors write it
    unasked. Where Python's own parser is generous (the last of two equal members, NaN, Infinity, 1e400,
    integers of any length, nesting up to the stack's end), this one refuses.
    """
    decoded = text if isinstance(text, str) else _decoded(text)
    try:
        value: object = _DECODER.decode(decoded.removeprefix("\ufeff"))
    except json.JSONDecodeError as error:
        raise BadJSON(error.msg, error.lineno, error.colno) from error
    except RecursionError as error:
        raise BadJSON(_TOO_DEEP) from error
    if decoded.count("[") + decoded.count("{") > MAX_DEPTH:  # fewer brackets cannot nest deeper
        _check_depth(value)
    return value


def storable(raw: bytes) -> object:
    """``cleaned(loads(raw))``. What databases refuse can stand in strict JSON only as an escape, and most has none."""
    value = loads(raw)
    return cleaned(value) if b"\\u" in raw else value


def _decoded(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise BadJSON(f"is not UTF-8 (byte {error.start})", line) from error


def clean(text: str) -> str:
    """The text with NUL and lone surrogates, which databases refuse, replaced by U+FFFD."""
    return _UNSTORABLE.sub("\ufffd", text)


def cleaned(value: object) -> object:
    """The same for every text in a parsed document; of members whose names then collide, the last stays."""
    match value:
        case str():
            return clean(value)
        case list():
            return [cleaned(item) for item in value]
        case dict():
            return {clean(name): cleaned(item) for name, item in value.items()}
    return value


_TOO_DEEP = f"is nested more than {MAX_DEPTH} levels deep"


def _check_depth(value: object) -> None:
    level = _containers([value])
    for _ in range(MAX_DEPTH):
        level = [child for item in level for child in _containers(item)]
        if not level:
            return
    raise BadJSON(_TOO_DEEP)


def _containers(item: Any) -> list[Any]:
    children = item.values() if isinstance(item, dict) else item
    return [child for child in children if isinstance(child, dict | list)]


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) < len(pairs):
        twice = next(name for name, times in Counter(name for name, _ in pairs).items() if times > 1)
        raise BadJSON(f"has the member {clean(twice)[:128]!r} twice")
    return members


def _number(kind: type[int] | type[float], text: str) -> int | float:
    if len(text) > MAX_DIGITS:
        raise BadJSON(f"has a number of {len(text)} characters; at most {MAX_DIGITS}")
    number = kind(text)
    if number in (float("inf"), float("-inf")):
        raise BadJSON(f"has a number that is too large: {text}")
    return number


def _constant(name: str) -> object:
    raise BadJSON(f"has {name}, which JSON does not know")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_members,
    parse_int=lambda text: _number(int, text),
    parse_float=lambda text: _number(float, text),
    parse_constant=_constant,
)
