"""The create request as it goes over the wire: built, checked, read and written.

Source: the API page, "Request Parameters" and "Request Example".
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from tasks.platform.checks import (
    APP_ID_MAX,
    CALLBACK_URL_MAX,
    DEVICE_ID_MAX,
    METHOD_MAX,
    NAME_MAX,
    PARAS_DEPTH_MAX,
    RETRANSMIT_MAX,
    SERVICE_ID_MAX,
    TAG_NAME_MAX,
    TAG_VALUE_MAX,
    TASK_TYPE,
    TEXT_MAX,
    TIMEOUT_MAX,
    TIMEOUT_MIN,
    Problem,
    are_device_ids,
    check,
    device_id_problem,
)
from tasks.platform.jsontext import BadJSON, loads
from tasks.targets import MEMBERS as TARGET_MEMBERS

__all__ = [
    "APP_ID_MAX",
    "CALLBACK_URL_MAX",
    "DEVICE_ID_MAX",
    "METHOD_MAX",
    "NAME_MAX",
    "PARAS_DEPTH_MAX",
    "RETRANSMIT_MAX",
    "SERVICE_ID_MAX",
    "TAG_NAME_MAX",
    "TAG_VALUE_MAX",
    "TARGET_MEMBERS",
    "TASK_TYPE",
    "TEXT_MAX",
    "TIMEOUT_MAX",
    "TIMEOUT_MIN",
    "BadJSON",
    "Problem",
    "are_device_ids",
    "build",
    "check",
    "device_id_problem",
    "dumps",
    "loads",
]

_ORDER = ("appId", "timeout", "taskName", "taskType", "param", "tags")
_PARAM_ORDER = (
    "type",
    "deviceList",
    "deviceType",
    "manufacturerId",
    "model",
    "deviceLocation",
    "groupList",
    "command",
    "callbackUrl",
    "maxRetransmit",
    "groupTag",
)
_COMMAND_ORDER = ("serviceId", "method", "paras")


def build(
    *,
    app_id: str,
    name: str,
    timeout: int,
    target: Mapping[str, object],
    service_id: str,
    method: str,
    paras: Mapping[str, object] | None = None,
    callback_url: str = "",
    max_retransmit: int | None = None,
    group_tag: str = "",
    tags: Sequence[tuple[str, str]] = (),
) -> dict[str, object]:
    """A create request; ``target`` holds ``type`` and its members. Empty optional members are left out."""
    command = {"serviceId": service_id, "method": method, "paras": None if paras is None else dict(paras)}
    param = {
        **target,
        "command": _filled(command),
        "callbackUrl": callback_url,
        "maxRetransmit": max_retransmit,
        "groupTag": group_tag,
    }
    request = {
        "timeout": timeout,
        "taskName": name,
        "taskType": TASK_TYPE,
        "param": _ordered(_filled(param), _PARAM_ORDER),
    }
    optional = {"appId": app_id, "tags": [{"tagName": key, "tagValue": value} for key, value in tags]}
    return _ordered(request | {key: value for key, value in optional.items() if value}, _ORDER)


def dumps(request: Mapping[str, object]) -> str:
    """The request as compact JSON with its members in the page's order: equal requests give equal text.

    The members of ``paras`` keep their own order. Raises ValueError for NaN and Infinity.
    """
    ordered = _ordered(request, _ORDER)
    if isinstance(param := request.get("param"), dict):
        ordered_param = ordered["param"] = _ordered(param, _PARAM_ORDER)
        if isinstance(command := param.get("command"), dict):
            ordered_param["command"] = _ordered(command, _COMMAND_ORDER)
    return json.dumps(ordered, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _ordered(value: Mapping[str, object], order: Sequence[str]) -> dict[str, object]:
    known = {name: value[name] for name in order if name in value}
    return known | {name: value[name] for name in sorted(value.keys() - known.keys())}


def _filled(value: Mapping[str, object]) -> dict[str, object]:
    return {name: item for name, item in value.items() if item is not None and item != ""}
