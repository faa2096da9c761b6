"""What a create must look like: the API page's request tables, strictly or as real clients get away with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit

from .config import Config
from .errors import Refused
from .wire import parsed

TIMEOUT = (10, 2880)  # minutes
LENIENT_TIMEOUT = (1, 10**9)  # third-party code sends 9999999

# API page, "ObjectNode structure": the members of `param` each type needs.
NEEDED: dict[str, tuple[str, ...]] = {
    "DeviceList": ("deviceList",),
    "DeviceType": ("deviceType", "manufacturerId", "model"),
    "DeviceArea": ("deviceLocation",),
    "GroupList": ("groupList",),
    "Broadcast": (),
    "GroupIdList": ("groupList",),
}
# The page's table calls these two optional and its text mandatory: only strict insists.
INSISTED = {"manufacturerId", "model"}
LISTS = {"deviceList", "groupList"}


@dataclass(frozen=True)
class Order:
    """A create that passed: what to do, to whom, and under which name."""

    name: str
    timeout: int  # minutes
    type: str
    target: Mapping[str, Any]
    command: dict[str, Any]
    callback: str | None
    tags: tuple[tuple[str, str], ...]
    group_tag: str | None


def order_of(body: Mapping[str, Any], config: Config) -> Order:
    """The order in a request body. Refused 50400 when a member breaks the page; app errors come first."""
    strict = config.strict
    check_app(body.get("appId"), config, optional=not strict)
    param = _object(body.get("param"))
    if body.get("taskType") != "DeviceCmd":
        raise Refused("50400")
    return Order(
        name=_text(body.get("taskName"), 256),
        timeout=_timeout(body.get("timeout"), strict=strict),
        type=_type(param),
        target=_target(param, strict=strict),
        command=command_of(param.get("command"), strict=strict),
        callback=callback_of(param, strict=strict),
        tags=_tags(body, strict=strict),
        group_tag=_retransmit_and_group_tag(param, strict=strict),
    )


def check_app(app_id: Any, config: Config, *, optional: bool = True) -> None:
    """Refuse an appId that is not ours: 100217 if it exists, 100203 if it does not."""
    if app_id is None and optional:
        return
    name = _text(app_id, 64)
    if name == config.other_app:
        raise Refused("100217")
    if name != config.app_id:
        raise Refused("100203", config.unknown_app_status)


def command_of(given: Any, *, strict: bool) -> dict[str, Any]:
    """A CommandDTO: serviceId 1-64, method 1-128, paras an object (or, leniently, the text of one)."""
    command = _object(given)
    paras = _optional(command, "paras", _object if strict else _object_or_text, strict=strict)
    return {
        "serviceId": _text(command.get("serviceId"), 64),
        "method": _text(command.get("method"), 128),
        "paras": paras or {},
    }


def callback_of(given: Mapping[str, Any], *, strict: bool) -> str | None:
    """The push address; strict wants a port in it (facts 3.1, "callbackUrl rules")."""
    url = cast(str | None, _optional(given, "callbackUrl", lambda value: _text(value, 1024), strict=strict))
    if url is None:
        return None
    try:
        parts = urlsplit(url)
        sound = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or not strict)
    except ValueError:
        sound = False
    if not sound:
        raise Refused("50400")
    return url


def retransmit_of(given: Mapping[str, Any], *, strict: bool) -> int | None:
    return cast(
        int | None,
        _optional(given, "maxRetransmit", lambda value: _integer(value, 0, 3, strict=strict), strict=strict),
    )


def _retransmit_and_group_tag(param: Mapping[str, Any], *, strict: bool) -> str | None:
    retransmit_of(param, strict=strict)
    return cast(str | None, _optional(param, "groupTag", lambda value: _text(value, 1024), strict=strict))


def _type(param: Mapping[str, Any]) -> str:
    name = param.get("type")
    if not isinstance(name, str) or name not in NEEDED:
        raise Refused("50400")
    return name


def _target(param: Mapping[str, Any], *, strict: bool) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for member in NEEDED[_type(param)]:
        if member in INSISTED and not strict and param.get(member) in (None, ""):
            found[member] = None
        elif member in LISTS:
            found[member] = _texts(param.get(member))
        else:
            found[member] = _text(param.get(member), 256)
    return found


def _timeout(value: Any, *, strict: bool) -> int:
    return _integer(value, *(TIMEOUT if strict else LENIENT_TIMEOUT), strict=strict)


def _tags(body: Mapping[str, Any], *, strict: bool) -> tuple[tuple[str, str], ...]:
    tags = _optional(body, "tags", _objects, strict=strict) or []
    return tuple((_text(tag.get("tagName"), 128), _text(tag.get("tagValue"), 1024)) for tag in tags)


def _optional(body: Mapping[str, Any], name: str, read: Callable[[Any], Any], *, strict: bool) -> Any:
    if name not in body or (body[name] in (None, "") and not strict):
        return None
    return read(body[name])


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Refused("50400")
    return value


def _object_or_text(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        try:
            value = parsed(value.encode("utf-8", "replace"))
        except ValueError as wrong:
            raise Refused("50400") from wrong
    return _object(value)


def _objects(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list):
        raise Refused("50400")
    return [_object(one) for one in value]


def _text(value: Any, longest: int) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= longest:
        raise Refused("50400")
    return value


def _texts(value: Any) -> list[str]:
    if not isinstance(value, list) or not value:
        raise Refused("50400")
    return [_text(one, 256) for one in value]


def _integer(value: Any, low: int, high: int, *, strict: bool) -> int:
    if not strict and isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 12:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise Refused("50400")
    return value
