"""Bytes to JSON, strictly, with a sentence for the operator when it cannot be."""

import json
from typing import Any, NoReturn

BYTES = 5 * 2**20
DIGITS = 400


class Unreadable(Exception):
    """The file cannot be imported; the message tells the operator what is wrong and where."""


def decode(data: bytes, where: str) -> Any:
    """The JSON value in `data`, which may start with a byte order mark.

    Raises Unreadable, naming `where`, for more than 5 MiB, other encodings, anything after the value, a
    name that comes twice in one object, NaN, and nesting that is deeper than any profile's.
    """
    if len(data) > BYTES:
        raise Unreadable(f"{where} is larger than {BYTES // 2**20} MiB.")
    try:
        return strict(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise Unreadable(f"{where} is not text in UTF-8 (byte {error.start + 1} is wrong).") from error
    except json.JSONDecodeError as error:
        raise Unreadable(
            f"{where} is not valid JSON: line {error.lineno}, column {error.colno}: {error.msg}."
        ) from error
    except ValueError as error:
        raise Unreadable(f"{where} is not valid JSON: {error}.") from error


def strict(text: str) -> Any:
    """The JSON value in `text`; ValueError says in words what a lenient reader would have let pass."""
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_int=_whole, parse_constant=_refuse)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def short(name: str) -> str:
    """A name from a stranger's file, made fit to stand in a sentence."""
    visible = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in name)
    return visible if len(visible) <= 100 else visible[:99] + "…"


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for name, value in pairs:
        if name in members:
            raise ValueError(f"the name '{short(name)}' comes twice in one object")
        members[name] = value
    return members


def _whole(digits: str) -> int:
    if len(digits) > DIGITS:
        raise ValueError(f"a number has {len(digits)} digits")
    return int(digits)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a JSON value")
