"""One parameter's members: its type, range and choices, noting what was tolerated."""

import re
from decimal import Decimal
from typing import Any

from .documents import short
from .schema import NUMBERS, DataType

Notes = list[str]

SPELLINGS: dict[str, DataType] = {
    **{kind.value.lower().replace(" ", ""): kind for kind in DataType},
    "integer": DataType.INT,
    "int32": DataType.INT,
    "short": DataType.INT,
    "int64": DataType.LONG,
    "float": DataType.DECIMAL,
    "number": DataType.DECIMAL,
    "str": DataType.STRING,
    "text": DataType.STRING,
    "enum": DataType.STRING,
    "bool": DataType.BOOLEAN,
    "date": DataType.DATE_TIME,
    "json": DataType.JSON_OBJECT,
    "object": DataType.JSON_OBJECT,
    "list": DataType.STRING_LIST,
    "array": DataType.STRING_LIST,
}
_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?\s*", re.ASCII)
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def values(raw: dict[str, Any], label: str, notes: Notes) -> dict[str, Any]:
    """What `paras` and `properties` have in common, as keyword arguments of Parameter and Property."""
    kind = _type(raw.get("dataType"), label, notes)
    minimum = maximum = step = max_length = None
    if kind in NUMBERS:
        minimum, maximum = _range(raw, label, notes)
        step = _number(raw.get("step"), f"{label}: step", notes)
        if step is not None and step < 0:
            notes.append(f"{label}: step {step} is negative, so no step is checked")
            step = None
    if kind is DataType.STRING:
        max_length = _length(raw.get("maxLength"), f"{label}: maxLength", notes)
    return {
        "type": kind,
        "required": _truth(raw.get("required"), f"{label}: required", notes),
        "minimum": minimum,
        "maximum": maximum,
        "step": step or None,
        "max_length": max_length,
        "unit": text(raw.get("unit"), notes),
        "choices": _choices(raw.get("enumList"), label, notes),
        "description": text(raw.get("description"), notes),
    }


def text(raw: object, notes: Notes) -> str:
    """A string, trimmed; numbers are written out and everything else is nothing."""
    if isinstance(raw, bool) or not isinstance(raw, str | int | float):
        return ""
    written = _written(raw).strip()
    cleaned = _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", written)
    if cleaned != written:
        notes.append(f"'{short(cleaned)}' held a character that cannot be stored: it was replaced")
    return cleaned


def _type(raw: object, label: str, notes: Notes) -> DataType:
    written = text(raw, notes)
    kind = SPELLINGS.get(re.sub(r"[\s_-]", "", written).lower())
    if kind is None:
        notes.append(f"{label}: type '{short(written)}' is not known, so it is treated as a string")
    elif written != kind.value:
        notes.append(f"{label}: type '{short(written)}' is read as {kind.value}")
    return kind or DataType.STRING


def _range(raw: dict[str, Any], label: str, notes: Notes) -> tuple[Decimal | None, Decimal | None]:
    low = _number(raw.get("min"), f"{label}: min", notes)
    high = _number(raw.get("max"), f"{label}: max", notes)
    if low is None or high is None or high > low:
        return low, high
    if low or high:
        how = "is below" if high < low else "equals"
        notes.append(f"{label}: max {high} {how} min {low}, so no range is checked")
    return None, None


def _number(raw: object, label: str, notes: Notes) -> Decimal | None:
    if raw is None or raw == "":
        return None
    written = "" if isinstance(raw, bool) or not isinstance(raw, str | int | float) else _written(raw)
    if len(written) > 400 or not _NUMBER.fullmatch(written):
        notes.append(f"{label} is not a number: left out")
        return None
    value = Decimal(written.strip())
    if value and abs(value.adjusted()) > 330:
        notes.append(f"{label} is beyond every number a device knows: left out")
        return None
    return Decimal(int(value)) if value.adjusted() < 30 and value == int(value) else value


def _length(raw: object, label: str, notes: Notes) -> int | None:
    number = _number(raw, label, notes)
    if number is None or number == 0:
        return None
    if number < 0 or number != int(number):
        notes.append(f"{label} {short(str(number))} is not a length: left out")
        return None
    return int(number)


def _truth(raw: object, label: str, notes: Notes) -> bool:
    if raw is None or isinstance(raw, bool):
        return bool(raw)
    known = {"true": True, "1": True, "false": False, "0": False, "": False}.get(text(raw, notes).lower())
    if known is None:
        notes.append(f"{label} is neither true nor false: it is read as false")
    return bool(known)


def _choices(raw: object, label: str, notes: Notes) -> tuple[str, ...]:
    if raw is None or raw == "":
        return ()
    if isinstance(raw, str):
        notes.append(f"{label}: enumList is text: it is split at the commas")
        raw = raw.split(",")
    if not isinstance(raw, list):
        notes.append(f"{label}: enumList is not a list: left out")
        return ()
    words = [str(item).lower() if isinstance(item, bool) else text(item, notes) for item in raw]
    return tuple(dict.fromkeys(word for word in words if word))


def _written(raw: str | float) -> str:
    try:
        return str(raw)
    except ValueError:  # Python writes out no integer of more than 4,300 digits
        return ""
