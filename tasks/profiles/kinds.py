"""What each data type is: how its text is read, and what its JSON value must be."""

import json
import math
import re
from collections.abc import Callable
from datetime import UTC, datetime

from .documents import strict
from .schema import DataType

_WHOLE = re.compile(r"[+-]?\d{1,400}", re.ASCII)
DECIMAL = re.compile(r"[+-]?(\d{1,400}(\.\d{0,400})?|\.\d{1,400})([eE][+-]?\d{1,4})?", re.ASCII)
_MOMENT = re.compile(r"\d{8}T\d{6}Z", re.ASCII)
_ISO = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:\d\d)?", re.ASCII)
_UNSENDABLE = re.compile("[\0\ud800-\udfff]")


class BadValue(Exception):
    """The value does not fit its parameter; the message completes the sentence "<parameter> ..."."""


def _read_whole(text: str) -> object:
    if not _WHOLE.fullmatch(text.strip()):
        raise BadValue("must be a whole number")
    return int(text)


def _read_decimal(text: str) -> object:
    written = text.strip()
    if not DECIMAL.fullmatch(written):
        raise BadValue("must be a number")
    return int(written) if _WHOLE.fullmatch(written) else float(written)


def _read_boolean(text: str) -> object:
    try:
        return {"true": True, "false": False}[text.strip().lower()]
    except KeyError:
        raise BadValue("must be true or false") from None


def _read_moment(text: str) -> object:
    written = text.strip()
    if not (_MOMENT.fullmatch(written) or _ISO.fullmatch(written)):
        raise BadValue("must be a time such as 20151212T121212Z")
    try:
        moment = datetime.fromisoformat(written)
        in_utc = moment.astimezone(UTC) if moment.tzinfo else moment
    except (ValueError, OverflowError) as error:
        raise BadValue("must be a time that exists, such as 20151212T121212Z") from error
    return re.sub("[-:]", "", in_utc.replace(tzinfo=None).isoformat(timespec="seconds")) + "Z"


def _read_object(text: str) -> object:
    try:
        return strict(text)
    except ValueError as error:
        raise BadValue(f"must be a JSON object: {error}") from error


def _read_lines(text: str) -> object:
    return [line for line in re.split(r"\r\n|\r|\n", text) if line]


def _whole(bits: int) -> Callable[[object], str | None]:
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1

    def problem(value: object) -> str | None:
        if isinstance(value, bool) or not isinstance(value, int):
            return "must be a whole number"
        return None if low <= value <= high else f"must be from {low} to {high}"

    return problem


def _decimal(value: object) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "must be a number"
    try:
        finite = math.isfinite(value)
    except OverflowError:
        finite = False
    return None if finite else "must be a number that a device can hold"


def _string(value: object) -> str | None:
    if not isinstance(value, str):
        return "must be text"
    return "holds a character that cannot be sent" if _UNSENDABLE.search(value) else None


def _boolean(value: object) -> str | None:
    return None if isinstance(value, bool) else "must be true or false"


def _moment(value: object) -> str | None:
    if not isinstance(value, str) or not _MOMENT.fullmatch(value):
        return "must be a time such as 20151212T121212Z"
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return "must be a time that exists, such as 20151212T121212Z"
    return None


def _object(value: object) -> str | None:
    if not isinstance(value, dict):
        return "must be a JSON object"
    try:
        written = json.dumps(value, allow_nan=False, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return "must be a JSON object with nothing but JSON values in it"
    return _string(written.replace("\\u0000", "\0"))


def _strings(value: object) -> str | None:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        return "must be a list of texts"
    return _string("".join(value))


READERS: dict[DataType, Callable[[str], object]] = {
    DataType.INT: _read_whole,
    DataType.LONG: _read_whole,
    DataType.DECIMAL: _read_decimal,
    DataType.DOUBLE: _read_decimal,
    DataType.STRING: str,
    DataType.BOOLEAN: _read_boolean,
    DataType.DATE_TIME: _read_moment,
    DataType.JSON_OBJECT: _read_object,
    DataType.STRING_LIST: _read_lines,
}
CHECKS: dict[DataType, Callable[[object], str | None]] = {
    DataType.INT: _whole(32),
    DataType.LONG: _whole(64),
    DataType.DECIMAL: _decimal,
    DataType.DOUBLE: _decimal,
    DataType.STRING: _string,
    DataType.BOOLEAN: _boolean,
    DataType.DATE_TIME: _moment,
    DataType.JSON_OBJECT: _object,
    DataType.STRING_LIST: _strings,
}
