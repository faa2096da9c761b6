"""What a device makes of a command: checks it against its profile and builds its answer, as a codec would."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from .catalogue import Profile
from .dice import roll

NO_SERVICE = "100431"
NO_COMMAND = "102203"
BAD_PARAS = "100022"


def objection(profile: Profile | None, command: Mapping[str, Any]) -> str | None:
    """The error code with which a device fails this command, or None if it understands it."""
    if profile is None or profile.service(command["serviceId"]) is None:
        return NO_SERVICE
    known = profile.command(command["serviceId"], command["method"])
    if known is None:
        return NO_COMMAND
    given = command.get("paras") or {}
    wanted = {para["paraName"]: para for para in known.get("paras") or []}
    missing = any(para.get("required") and given.get(name) is None for name, para in wanted.items())
    understood = all(name in wanted and fits(wanted[name], value) for name, value in given.items())
    return BAD_PARAS if missing or not understood else None


def reply(
    profile: Profile | None, command: Mapping[str, Any], *, good: bool, dice: int
) -> dict[str, Any] | None:
    """What the device reports with its result: the profile's response, or None where it has none."""
    known = profile.command(command["serviceId"], command["method"]) if profile else None
    responses = (known or {}).get("responses") or []
    if not responses:
        return None
    given = command.get("paras") or {}
    fields = responses[0].get("paras") or []
    return {
        para["paraName"]: _reported(para, given, good=good, dice=roll(dice, number))
        for number, para in enumerate(fields)
    }


def fits(para: Mapping[str, Any], value: Any) -> bool:
    """Is the value one the parameter allows? Numbers may come as strings: Huawei's own demo sends them so."""
    if value is None:
        return not para.get("required")
    check = CHECKS.get(para["dataType"])
    return check is not None and check(para, value)


def bounds(para: Mapping[str, Any]) -> tuple[float, float] | None:
    """min and max as numbers; None when the profile's pair is no range (facts 5, quirks)."""
    try:
        low, high = float(para.get("min") or 0), float(para.get("max") or 0)
    except (TypeError, ValueError):
        return None
    return (low, high) if high > low else None


def _number(para: Mapping[str, Any], value: Any, *, whole: bool) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return False
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return False
    if not math.isfinite(number) or (whole and number != int(number)):
        return False
    span = bounds(para)
    return (span is None or span[0] <= number <= span[1]) and _listed(para, str(value))


def _string(para: Mapping[str, Any], value: Any) -> bool:
    longest = para.get("maxLength") or 0
    return isinstance(value, str) and (not longest or len(value) <= longest) and _listed(para, value)


def _boolean(para: Mapping[str, Any], value: Any) -> bool:
    return isinstance(value, bool) or str(value).lower() in {"true", "false", "0", "1"}


def _time(para: Mapping[str, Any], value: Any) -> bool:
    if not isinstance(value, str):
        return False
    try:
        datetime.strptime(value, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return False
    return True


def _strings(para: Mapping[str, Any], value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) and _listed(para, one) for one in value)


def _listed(para: Mapping[str, Any], value: str) -> bool:
    allowed = para.get("enumList") or []
    return not allowed or value in map(str, allowed)


CHECKS: dict[str, Callable[[Mapping[str, Any], Any], bool]] = {
    "int": lambda para, value: _number(para, value, whole=True),
    "long": lambda para, value: _number(para, value, whole=True),
    "decimal": lambda para, value: _number(para, value, whole=False),
    "double": lambda para, value: _number(para, value, whole=False),
    "string": _string,
    "boolean": _boolean,
    "dateTime": _time,
    "jsonObject": lambda para, value: isinstance(value, dict),
    "string list": _strings,
}


def _reported(para: Mapping[str, Any], given: Mapping[str, Any], *, good: bool, dice: float) -> Any:
    name, kind = para["paraName"], para["dataType"]
    if name == "result":
        return 0 if good else 1 + int(dice * 3)
    allowed = para.get("enumList") or []
    low, high = bounds(para) or (0.0, 100.0)
    if good and (echo := _echo(para, given)) is not None:
        return echo
    spread: dict[str, Callable[[], Any]] = {
        "int": lambda: int(low + dice * (high - low + 1)),
        "long": lambda: int(low + dice * (high - low)),
        "decimal": lambda: round(low + dice * (high - low), 3),
        "double": lambda: round(low + dice * (high - low), 3),
        "boolean": lambda: dice < 0.5,
        "dateTime": lambda: "20300101T000000Z",
        "jsonObject": dict,
        "string list": lambda: [str(one) for one in allowed[:1]],
    }
    if kind not in spread:
        return str(allowed[int(dice * len(allowed))]) if allowed else ""
    return spread[kind]()


def _echo(para: Mapping[str, Any], given: Mapping[str, Any]) -> Any:
    """The value just set, where the response speaks of it: same name, same words, or a switch as 0 and 1."""
    if given.get(para["paraName"]) is not None:
        return given[para["paraName"]]
    for value in given.values():
        if isinstance(value, str) and value in (para.get("enumList") or []):
            return value
        if isinstance(value, bool) and bounds(para) == (0.0, 1.0):
            return int(value)
    return None
