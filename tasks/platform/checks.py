"""Everything that can be wrong with a create request, found at once and named by its place.

Source: the API page, "Request Parameters". Where the page gives no length, TEXT_MAX is ours.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from tasks.targets import MEMBERS as TARGET_MEMBERS
from tasks.targets import TargetType

NAME_MAX = 256
TIMEOUT_MIN, TIMEOUT_MAX = 10, 2880
RETRANSMIT_MAX = 3
SERVICE_ID_MAX = 64
METHOD_MAX = 128
TAG_NAME_MAX = 128
TAG_VALUE_MAX = 1024
APP_ID_MAX = 64
DEVICE_ID_MAX = 256
CALLBACK_URL_MAX = 1024
TEXT_MAX = 1024
PARAS_DEPTH_MAX = 50
TASK_TYPE = "DeviceCmd"


@dataclass(frozen=True)
class Problem:
    """What is wrong, and where: "param.deviceList[3]", or "" for the whole request."""

    path: str
    message: str


Found = Iterator[Problem]
Rule = Callable[[str, object], Found]


def check(request: object, *, most_devices: int = 1_000_000, app_id_required: bool = False) -> list[Problem]:
    """All problems of a create request, [] for a good one; duplicates in a list are not a problem."""
    if not isinstance(request, dict):
        return [Problem("", "must be a JSON object")]
    required = {"param", "taskName", "taskType", "timeout"} | ({"appId"} if app_id_required else set())
    found = [*_members("", request, _REQUEST, required)]
    param = request.get("param")
    if isinstance(param, dict):
        found += _param(param, most_devices)
    return found


def _members(path: str, value: Mapping[str, object], rules: Mapping[str, Rule], required: set[str]) -> Found:
    """The members of one object: missing, unknown, null, and what each one's own rule finds."""
    prefix = f"{path}." if path else ""
    for name in sorted(required - value.keys()):
        yield Problem(prefix + name, "is missing")
    for name, member in value.items():
        rule = rules.get(name)
        if rule is None:
            yield Problem(prefix + _shown(name), f"is not a member of {path or 'the request'}")
        elif member is None:
            must = "must not be null" if name in required else "must not be null; leave it out instead"
            yield Problem(prefix + name, must)
        else:
            yield from rule(prefix + name, member)


def _param(param: dict[str, object], most_devices: int) -> Found:
    try:
        needed = TARGET_MEMBERS[TargetType(str(param.get("type")))]
    except ValueError:
        yield from _members("param", param, _PARAM, {"type", "command"})
        return
    strays = {name for members in TARGET_MEMBERS.values() for name in members} - set(needed)
    for name in param:
        if name in strays:
            yield Problem(f"param.{name}", f"does not apply to {param['type']}")
    kept = {name: value for name, value in param.items() if name not in strays}
    yield from _members("param", kept, _PARAM, {"type", "command", *needed})
    devices = param.get("deviceList")
    if "deviceList" in needed and isinstance(devices, list) and len(devices) > most_devices:
        yield Problem("param.deviceList", f"has {len(devices):,} devices; at most {most_devices:,}")


def device_id_problem(device_id: object) -> str:
    """Why this cannot be an element of ``deviceList``; "" when it can."""
    return _text_problem(device_id, DEVICE_ID_MAX)


def are_device_ids(texts: Sequence[str]) -> bool:
    """Whether many texts are all plainly good, in a fraction of the time of ``device_id_problem``; if not, ask that."""
    return _are_good(texts, DEVICE_ID_MAX)


def _are_good(texts: Sequence[str], longest: int) -> bool:
    return (
        "".join(texts).isprintable()
        and all(map(str.strip, texts))
        and max(map(len, texts), default=0) <= longest
    )


def _text(longest: int) -> Rule:
    def rule(path: str, value: object) -> Found:
        if problem := _text_problem(value, longest):
            yield Problem(path, problem)

    return rule


def _text_problem(value: object, longest: int) -> str:
    if not isinstance(value, str):
        return "must be text"
    if value.isprintable() and value.strip() and len(value) <= longest:
        return ""
    if not value.strip():
        return "must not be blank"
    if len(value) > longest:
        return f"has {len(value):,} characters; at most {longest:,}"
    kinds = {unicodedata.category(character) for character in value}
    if "Cc" in kinds:
        return "must not hold control characters"
    return "must not hold half of a character (a lone surrogate)" if "Cs" in kinds else ""


def _whole(lowest: int, highest: int, unit: str = "") -> Rule:
    def rule(path: str, value: object) -> Found:
        if type(value) is not int or not lowest <= value <= highest:
            yield Problem(path, f"must be a whole number from {lowest} to {highest}{unit}")

    return rule


def _one_of(*words: str) -> Rule:
    def rule(path: str, value: object) -> Found:
        if value not in words:
            yield Problem(
                path, f"must be {' or '.join((', '.join(words[:-1]), words[-1]) if words[1:] else words)}"
            )

    return rule


def _list_of(longest: int) -> Rule:
    def rule(path: str, value: object) -> Found:
        if not isinstance(value, list):
            yield Problem(path, "must be a list")
        elif not value:
            yield Problem(path, "must not be empty")
        elif not all(type(item) is str for item in value) or not _are_good(value, longest):
            for place, item in enumerate(value):
                if problem := _text_problem(item, longest):
                    yield Problem(f"{path}[{place}]", problem)

    return rule


def _object(rules: Mapping[str, Rule], *required: str) -> Rule:
    def rule(path: str, value: object) -> Found:
        if isinstance(value, dict):
            yield from _members(path, value, rules, set(required))
        else:
            yield Problem(path, "must be a JSON object")

    return rule


def _is_object(path: str, value: object) -> Found:
    """The members of ``param`` are looked at once its type is known."""
    if not isinstance(value, dict):
        yield Problem(path, "must be a JSON object")


def _tags(path: str, value: object) -> Found:
    if not isinstance(value, list):
        yield Problem(path, "must be a list")
        return
    for place, item in enumerate(value):
        yield from _TAG(f"{path}[{place}]", item)


def _callback_url(path: str, value: object) -> Found:
    if problem := _text_problem(value, CALLBACK_URL_MAX):
        yield Problem(path, problem)
        return
    try:
        parts = urlsplit(str(value))
        good = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port)
    except ValueError:
        good = False
    if not good or " " in str(value):
        yield Problem(path, "must be an address such as https://dashboard.example:8000/callback")


def _paras(path: str, value: object) -> Found:
    if not isinstance(value, dict):
        yield Problem(path, "must be a JSON object")
        return
    waiting: list[tuple[str, object, int]] = [(path, value, 1)]
    while waiting:
        place, item, depth = waiting.pop()
        if not isinstance(item, dict | list):
            if problem := _value_problem(item):
                yield Problem(place, problem)
            continue
        if depth > PARAS_DEPTH_MAX:
            yield Problem(place[:CALLBACK_URL_MAX], f"is nested more than {PARAS_DEPTH_MAX} levels deep")
            continue
        if isinstance(item, list):
            waiting += [(f"{place}[{i}]", child, depth + 1) for i, child in reversed([*enumerate(item)])]
            continue
        for name in item:
            if not isinstance(name, str) or not name.strip() or _value_problem(name):
                yield Problem(place, f"has a member whose name cannot be used: {_shown(name)!r}")
        waiting += [(f"{place}.{_shown(name)}", item[name], depth + 1) for name in reversed(item)]


def _value_problem(value: object) -> str:
    match value:
        case None | bool():
            return ""
        case int():
            return "" if -(2**63) <= value < 2**63 else "must fit into 64 bits"
        case float():
            return "" if math.isfinite(value) else "must be a number: JSON knows no NaN and no Infinity"
        case str():
            if "\0" in value:
                return "must not hold the character NUL"
            surrogate = not value.isprintable() and any("\ud800" <= c <= "\udfff" for c in value)
            return "must not hold half of a character (a lone surrogate)" if surrogate else ""
    return "must be a JSON value"


def _shown(name: object) -> str:
    """A stranger's member name, fit to be printed."""
    return (
        str(name)[:DEVICE_ID_MAX]
        .encode("unicode_escape" if not str(name).isprintable() else "utf-8")
        .decode()
    )


_TAG = _object(
    {"tagName": _text(TAG_NAME_MAX), "tagValue": _text(TAG_VALUE_MAX)},
    "tagName",
    "tagValue",
)
_REQUEST: dict[str, Rule] = {
    "appId": _text(APP_ID_MAX),
    "timeout": _whole(TIMEOUT_MIN, TIMEOUT_MAX, " (minutes)"),
    "taskName": _text(NAME_MAX),
    "taskType": _one_of(TASK_TYPE),
    "param": _is_object,
    "tags": _tags,
}
_PARAM: dict[str, Rule] = {
    "type": _one_of(*TargetType),
    "deviceList": _list_of(DEVICE_ID_MAX),
    "deviceType": _text(TEXT_MAX),
    "manufacturerId": _text(TEXT_MAX),
    "model": _text(TEXT_MAX),
    "deviceLocation": _text(TEXT_MAX),
    "groupList": _list_of(TEXT_MAX),
    "command": _object(
        {"serviceId": _text(SERVICE_ID_MAX), "method": _text(METHOD_MAX), "paras": _paras},
        "serviceId",
        "method",
    ),
    "callbackUrl": _callback_url,
    "maxRetransmit": _whole(0, RETRANSMIT_MAX),
    "groupTag": _text(TEXT_MAX),
}
