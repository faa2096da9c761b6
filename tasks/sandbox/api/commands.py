"""Commands of single devices, and those a task fanned out to (facts 4)."""

from __future__ import annotations

import time
from array import array
from collections.abc import Iterator
from typing import Any

from aiohttp import web

from .. import checks, wire
from ..dispatch import DELIVERED, EXPIRED, PENDING, SENT, STATUSES, SUCCESSFUL, Dispatch
from ..door import Route
from ..errors import Refused
from ..ids import new_task_id
from ..platform import Platform

DEFAULT_EXPIRY = 172_800  # seconds, 48 h
MOST_PENDING = 20  # of one device: 100223
Place = tuple[Dispatch, int]


async def create(platform: Platform, request: web.Request) -> web.Response:
    strict = platform.config.strict
    checks.check_app(request.query.get("appId") or None, platform.config)
    body = await wire.body_of(request, "100022")
    index = platform.fleet.find(wire.text_of(body, "deviceId", "100022", longest=64))
    command = checks.command_of(body.get("command"), strict=strict)
    callback = checks.callback_of(body, strict=strict)
    checks.retransmit_of(body, strict=strict)
    expiry = body.get("expireTime")
    expiry = DEFAULT_EXPIRY if expiry is None else expiry
    if not isinstance(expiry, int) or isinstance(expiry, bool) or not 0 <= expiry < 10**9:
        raise Refused("100022")
    if index is None:
        raise Refused("100418")
    if expiry == 0 and platform.fleet.status(index) != "ONLINE":
        raise Refused("100428")
    own = platform.singles.setdefault(index, [])
    if sum(dispatch.statuses[0] == PENDING for dispatch in own) >= MOST_PENDING:
        raise Refused("100223")
    lifetime = (expiry or DEFAULT_EXPIRY) * platform.config.pace.minute / 60
    dispatch = platform.send(command, callback, array("I", [index]), lifetime)
    own.append(dispatch)
    return wire.answer(record(platform, (dispatch, 0)), status=201, nulls=platform.config.nulls)


async def query(platform: Platform, request: web.Request) -> web.Response:
    asked = request.query
    checks.check_app(asked.get("appId") or None, platform.config)
    page = wire.number_of(asked, "pageNo", 0, 0, 10**9)
    size = wire.number_of(asked, "pageSize", 1000, 1, 1000)
    device_id = asked.get("deviceId") or asked.get("deviceid") or ""
    places = _places(platform, device_id, wire.time_of(asked, "startTime"), wire.time_of(asked, "endTime"))
    total = 0
    found: list[Place] = []
    for dispatch, positions in places:
        first = max(0, page * size - total)
        found.extend((dispatch, position) for position in positions[first : first + size - len(found)])
        total += len(positions)
    return wire.answer(
        {
            "pagination": {"pageNo": page, "pageSize": size, "totalSize": total},
            "data": [record(platform, place) for place in found],
        },
        nulls=platform.config.nulls,
    )


async def cancel(platform: Platform, request: web.Request) -> web.Response:
    checks.check_app(request.query.get("appId") or None, platform.config)
    body = await wire.body_of(request, "100022")
    place = platform.find_command(request.match_info["command"])
    if body.get("status") != "CANCELED":
        raise Refused("100022")
    if place is None:
        raise Refused("101001")
    if not place[0].cancel(place[1]):
        raise Refused("100022")
    return wire.answer(record(platform, place), nulls=platform.config.nulls)


async def cancel_all(platform: Platform, request: web.Request) -> web.Response:
    """Cancel what a device has pending; the answer shows the commands as they were (facts 4.4)."""
    body = await wire.body_of(request, "100022")
    device_id = wire.text_of(body, "deviceId", "100022", longest=64)
    if platform.fleet.find(device_id) is None:
        raise Refused("100418")
    pending = [
        (dispatch, position)
        for dispatch, positions in _places(platform, device_id, None, None, hidden=True)
        for position in positions
        if dispatch.statuses[position] == PENDING
    ]
    answer = {
        "taskId": new_task_id(),
        "appId": platform.config.app_id,
        "deviceId": device_id,
        "status": "RUNNING",
        "totalCount": len(pending),
        "deviceCommands": [record(platform, place) for place in pending],
    }
    for dispatch, position in pending:
        dispatch.cancel(position)
    ended = [record(platform, place) for place in pending]
    end = {"status": "SUCCESS" if pending else "FAILED", "deviceCommands": ended, "at": time.time()}
    platform.cancellations.insert(0, answer | end)
    del platform.cancellations[1000:]
    return wire.answer(answer, status=201, nulls=platform.config.nulls)


async def cancellations(platform: Platform, request: web.Request) -> web.Response:
    asked = request.query
    page = wire.number_of(asked, "pageNo", 0, 0, 10**9)
    size = wire.number_of(asked, "pageSize", 1000, 1, 1000)
    since, until = wire.time_of(asked, "startTime"), wire.time_of(asked, "endTime")
    found = [
        {name: value for name, value in task.items() if name != "at"}
        for task in platform.cancellations
        if all(asked.get(name, "") in ("", task[name]) for name in ("taskId", "deviceId", "status"))
        and _between(task["at"], since, until)
    ]
    body = {
        "pagination": {"pageNo": page, "pageSize": size, "totalSize": len(found)},
        "data": found[page * size : (page + 1) * size],
    }
    return wire.answer(body, nulls=platform.config.nulls)


def record(platform: Platform, place: Place) -> dict[str, Any]:
    """One command as the platform shows it; the times follow from its slot."""
    dispatch, position = place
    status, pace = dispatch.statuses[position], dispatch.pace
    sent = min(time.time(), dispatch.created + dispatch.slot(position) / (pace.speed or 1))
    was_sent = SENT <= status < EXPIRED
    detail = platform.detail(dispatch, position)
    result = None
    if SUCCESSFUL <= status < EXPIRED:
        result = {"resultCode": STATUSES[status], "resultDetail": detail}
    return {
        "commandId": platform.command_id(dispatch, position),
        "appId": platform.config.app_id,
        "deviceId": platform.device_id(dispatch, position),
        "command": dispatch.command,
        "callbackUrl": dispatch.callback,
        "expireTime": round(dispatch.lifetime * 60 / (pace.minute or 60)),
        "status": STATUSES[status],
        "result": result,
        "creationTime": wire.time_text(dispatch.created),
        "executeTime": wire.time_text(sent) if result else None,
        "platformIssuedTime": wire.time_text(sent) if was_sent else None,
        "deliveredTime": wire.time_text(sent) if was_sent and status >= DELIVERED else None,
        "issuedTimes": 1 if was_sent else 0,
    }


def _places(
    platform: Platform, device_id: str, since: float | None, until: float | None, *, hidden: bool = False
) -> Iterator[tuple[Dispatch, range | list[int]]]:
    """Dispatches newest first, with the positions that match; `hidden` shows tasks' commands in any case."""
    index = platform.fleet.find(device_id) if device_id else None
    if device_id and index is None:
        return
    for serial in range(len(platform.dispatches), 0, -1):
        dispatch = platform.dispatches[serial]
        if serial in platform.sisters and not (hidden or platform.config.batch_in_commands):
            continue
        if not _between(dispatch.created, since, until):
            continue
        if index is None:
            known = (
                [p for p in range(len(dispatch)) if p not in dispatch.unknown] if dispatch.unknown else None
            )
            yield dispatch, range(len(dispatch)) if known is None else known
        elif index in dispatch.devices:
            yield dispatch, [dispatch.devices.index(index)]


def _between(at: float, since: float | None, until: float | None) -> bool:
    return (since is None or int(at) >= since) and (until is None or int(at) <= until)


ROUTES = (
    Route("command", "POST", "/iocm/app/cmd/v1.4.0/deviceCommands", create),
    Route("commands", "GET", "/iocm/app/cmd/v1.4.0/deviceCommands", query),
    Route("cancel", "PUT", "/iocm/app/cmd/v1.4.0/deviceCommands/{command}", cancel),
    Route("cancel_all", "POST", "/iocm/app/cmd/v1.4.0/deviceCommandCancelTasks", cancel_all),
    Route("cancellations", "GET", "/iocm/app/cmd/v1.4.0/deviceCommandCancelTasks", cancellations),
)
