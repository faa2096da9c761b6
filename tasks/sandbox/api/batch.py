"""Batch tasks: create (the API page), query one (facts 2.2), query sub-tasks (facts 2.3)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from aiohttp import web

from .. import checks, codec, wire
from ..dispatch import (
    CANCELED,
    DELIVERED,
    EXPIRED,
    FAILED,
    PENDING,
    SENT,
    STATUSES,
    SUCCESSFUL,
    TIMEOUT,
    Dispatch,
)
from ..door import ENTRY, Route
from ..errors import BY_CODE, Refused
from ..fleet import NOBODY
from ..platform import Platform, Task
from ..targets import resolved

# The platform's words for a sub-task, with the command statuses it covers; the mapping is ours (facts 2.4).
DETAIL_STATUSES: dict[str, tuple[int, ...]] = {
    "Pending": (PENDING,),
    "WaitResult": (SENT, DELIVERED),
    "Success": (SUCCESSFUL,),
    "Fail": (FAILED, CANCELED),
    "Timeout": (TIMEOUT, EXPIRED),
}
WORD_OF = {status: word for word, statuses in DETAIL_STATUSES.items() for status in statuses}
KNOWN_TAG_NAMES = {"site", "season", "customer", "purpose"}


async def create(platform: Platform, request: web.Request) -> web.Response:
    config = platform.config
    order = checks.order_of(await wire.body_of(request), config)
    _check_tags(platform, order.tags)
    if platform.unfinished() >= config.unfinished_limit:
        raise Refused("105001")
    namesake = platform.names.get(order.name)
    if namesake and (
        config.unique_names == "forever"
        or (config.unique_names == "unfinished" and not namesake.dispatch.finished)
    ):
        raise Refused("105002")
    devices, unknown = resolved(order.type, order.target, platform.fleet, platform.groups, config)
    task = platform.open_task(order, devices, unknown)
    if ENTRY in request:
        request[ENTRY].task_id = task.id
    return wire.answer({"taskID": task.id})


async def query(platform: Platform, request: web.Request) -> web.Response:
    task = _task(platform, request, request.match_info["task"])
    with_tags = request.query.get("select") in {"tag", "tags"}
    return wire.answer(summary(platform, task, with_tags=with_tags), nulls=platform.config.nulls)


async def details(platform: Platform, request: web.Request) -> web.Response:
    asked = request.query
    task = _task(platform, request, asked.get("taskId", ""))
    page = wire.number_of(asked, "pageNo", 0, 0, 10**9)
    size = wire.number_of(asked, "pageSize", 25, 1, 250)
    wanted = asked.get("status", "")
    if wanted and wanted not in DETAIL_STATUSES:
        raise Refused("100022")
    one = _asked_for(platform, task, asked.get("deviceId", ""), asked.get("commandId", ""))
    total, positions = _page(task.dispatch, wanted, one, page * size, size)
    return wire.answer(
        {
            "pageNo": page,
            "pageSize": size,
            "totalCount": total,
            "taskDetails": [_detail(platform, task, position) for position in positions],
        },
        nulls=platform.config.nulls,
    )


def summary(platform: Platform, task: Task, *, with_tags: bool = False) -> dict[str, Any]:
    """The answer to a query of one task; `timeout` in seconds, rates per mille, as documented (facts 2.2)."""
    counts, total, order = task.dispatch.counts, len(task.dispatch), task.order
    success, fail, timeout = counts[SUCCESSFUL], counts[FAILED] + counts[CANCELED], counts[TIMEOUT]
    body: dict[str, Any] = {
        "appId": platform.config.app_id,
        "taskId": task.id,
        "taskName": order.name,
        "operator": "admin",
        "taskFrom": "Northbound",
        "taskType": "DeviceCmd",
        "status": task.status,
        "startTime": wire.time_text(task.dispatch.created),
        "timeout": order.timeout * 60,
        "progress": task.dispatch.done * 1000 // total,
        "totalCnt": total,
        "successCnt": success,
        "failCnt": fail,
        "timeoutCnt": timeout,
        "expiredCnt": counts[EXPIRED],
        "completeCnt": success + fail + timeout,
        "successRate": success * 1000 // total,
        "param": {
            "commandType": order.type,
            "deviceType": order.target.get("deviceType"),
            "manufacturerId": order.target.get("manufacturerId"),
            "model": order.target.get("model"),
            "serviceId": order.command["serviceId"],
            "method": order.command["method"],
        },
    }
    if with_tags:
        body["tags"] = [{"tagName": name, "tagValue": value} for name, value in order.tags]
    return body


def _check_tags(platform: Platform, tags: tuple[tuple[str, str], ...]) -> None:
    if platform.config.tags == "known" and any(name not in KNOWN_TAG_NAMES for name, _ in tags):
        raise Refused("105202")
    if platform.config.tags == "unique" and (platform.tags.intersection(tags) or len(set(tags)) < len(tags)):
        raise Refused("105201")


def _task(platform: Platform, request: web.Request, task_id: str) -> Task:
    checks.check_app(request.query.get("appId") or None, platform.config)
    if task_id not in platform.tasks:
        raise Refused("105005")
    return platform.tasks[task_id]


def _asked_for(platform: Platform, task: Task, device_id: str, command_id: str) -> set[int] | None:
    """The positions a deviceId or commandId leaves over; None if neither was given."""
    dispatch, left = task.dispatch, None
    if device_id:
        index = platform.fleet.find(device_id)
        left = {position for position, unknown in dispatch.unknown.items() if unknown == device_id}
        if index is not None and index in dispatch.devices:
            left.add(dispatch.devices.index(index))
    if command_id:
        found = platform.find_command(command_id)
        matching = {found[1]} if found and found[0] is dispatch else set()
        left = matching if left is None else left & matching
    return left


def _page(
    dispatch: Dispatch, wanted: str, one: set[int] | None, skip: int, size: int
) -> tuple[int, list[int]]:
    statuses = DETAIL_STATUSES.get(wanted, tuple(range(len(STATUSES))))
    if one is not None:
        matching = sorted(position for position in one if dispatch.statuses[position] in statuses)
        return len(matching), matching[skip : skip + size]
    if not wanted:
        return len(dispatch), list(range(len(dispatch))[skip : skip + size])
    total = sum(dispatch.counts[status] for status in statuses)
    table = bytes(1 if status in statuses else 0 for status in range(256))
    positions = _marked(dispatch.statuses.translate(table))
    return total, [p for number, p in zip(range(skip + size), positions, strict=False) if number >= skip]


def _marked(flags: bytearray) -> Iterator[int]:
    at = flags.find(1)
    while at >= 0:
        yield at
        at = flags.find(1, at + 1)


def _detail(platform: Platform, task: Task, position: int) -> dict[str, Any]:
    dispatch = task.dispatch
    status = dispatch.statuses[position]
    known = position not in dispatch.unknown
    output: dict[str, Any] | None = None
    if known and status in (SUCCESSFUL, FAILED, TIMEOUT):
        output = {"requestId": f"{dispatch.serial}-{position}", "commandResult": STATUSES[status]}
        if (said := platform.detail(dispatch, position)) is not None:
            output["resultDetail"] = said
    return {
        "status": WORD_OF[status],
        "output": None if output is None else json.dumps(output, separators=(",", ":"), ensure_ascii=False),
        "error": _error(platform, dispatch, position),
        "param": {
            "deviceId": platform.device_id(dispatch, position),
            "commandId": platform.command_id(dispatch, position) if known else None,
        },
    }


def _error(platform: Platform, dispatch: Dispatch, position: int) -> str:
    """Why a sub-task failed, as a string of JSON; empty when there is nothing to say."""
    status, code = dispatch.statuses[position], None
    if dispatch.devices[position] == NOBODY:
        code = "100418"
    elif status == FAILED:
        profile = platform.fleet.profile(dispatch.devices[position])
        code = codec.objection(profile, dispatch.command)
    elif status == EXPIRED:
        code = "100428"
    if code is None:
        return ""
    body = {"error_code": code, "error_desc": BY_CODE[code].desc}
    return json.dumps(body, separators=(",", ":"))


ROUTES = (
    Route("create", "POST", "/iocm/app/batchtask/v1.1.0/tasks", create),
    Route("query", "GET", "/iocm/app/batchtask/v1.1.0/tasks/{task}", query),
    Route("details", "GET", "/iocm/app/batchtask/v1.1.0/taskDetails", details),
)
