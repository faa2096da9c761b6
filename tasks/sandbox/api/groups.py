"""Device groups and their members (facts 6.2)."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from .. import checks, wire
from ..door import Route
from ..errors import Refused
from ..groups import Group
from ..platform import Platform


async def create(platform: Platform, request: web.Request) -> web.Response:
    body = await wire.body_of(request)
    checks.check_app(body.get("appId"), platform.config)
    name = wire.text_of(body, "name", longest=50)
    largest = _largest(body)
    indexes = _devices(platform, body.get("deviceIds") or [])
    if platform.groups.named(name):
        raise Refused("50400")
    if largest and len(indexes) > largest:
        raise Refused("100601")
    group = platform.groups.add(name, _description(body), largest)
    group.join(indexes)
    shown = _shown(platform, group) | {"deviceIds": [platform.fleet.id_of(index) for index in indexes]}
    return wire.answer(shown, nulls=platform.config.nulls)


async def query(platform: Platform, request: web.Request) -> web.Response:
    asked = request.query
    checks.check_app(asked.get("accessAppId") or None, platform.config)
    page = wire.number_of(asked, "pageNo", 0, 0, 10**9)
    size = wire.number_of(asked, "pageSize", 1, 1, 500)
    name = asked.get("name", "")
    found = [group for group in reversed(platform.groups.by_id.values()) if name in ("", group.name)]
    listed = [_shown(platform, group) for group in found[page * size : (page + 1) * size]]
    body = {"totalCount": len(found), "pageNo": page, "pageSize": size, "list": listed}
    return wire.answer(body, nulls=platform.config.nulls)


async def read(platform: Platform, request: web.Request) -> web.Response:
    return wire.answer(_shown(platform, _group(platform, request)), nulls=platform.config.nulls)


async def change(platform: Platform, request: web.Request) -> web.Response:
    group = _group(platform, request)
    body = await wire.body_of(request)
    if body.get("name") is not None:
        name = wire.text_of(body, "name", longest=50)
        if platform.groups.named(name) not in (None, group):
            raise Refused("50400")
        group.name = name
    if body.get("description") is not None:
        group.description = _description(body)
    if body.get("maxDevNum") is not None:
        group.largest = _largest(body)
    return wire.answer(_shown(platform, group), nulls=platform.config.nulls)


async def delete(platform: Platform, request: web.Request) -> web.Response:
    del platform.groups.by_id[_group(platform, request).id]
    return wire.bodiless(204)


async def members(platform: Platform, request: web.Request) -> web.Response:
    asked = request.query
    checks.check_app(asked.get("accessAppId") or None, platform.config)
    page = wire.number_of(asked, "pageNo", 0, 0, 10**9)
    size = wire.number_of(asked, "pageSize", 10, 1, 1000)
    group = platform.groups.by_id.get(asked.get("devGroupId", ""))
    if group is None:
        raise Refused("101001")
    indexes = group.members(platform.fleet)
    shown = [platform.fleet.id_of(index) for index in indexes[page * size : (page + 1) * size]]
    return wire.answer({"totalCount": len(indexes), "pageNo": page, "pageSize": size, "deviceIds": shown})


async def join(platform: Platform, request: web.Request) -> web.Response:
    group, indexes, ids = await _group_and_devices(platform, request)
    new = [index for index in indexes if not group.holds(index)]
    if group.largest and group.size(platform.fleet) + len(new) > group.largest:
        raise Refused("100601")
    group.join(indexes)
    return wire.answer({"devGroupId": group.id, "deviceIds": ids})


async def leave(platform: Platform, request: web.Request) -> web.Response:
    group, indexes, ids = await _group_and_devices(platform, request)
    group.leave(indexes)
    return wire.answer({"devGroupId": group.id, "deviceIds": ids})


def _shown(platform: Platform, group: Group) -> dict[str, Any]:
    return {
        "name": group.name,
        "description": group.description,
        "id": group.id,
        "appId": platform.config.app_id,
        "maxDevNum": group.largest,
        "curDevNum": group.size(platform.fleet),
        "creator": group.creator,
    }


def _group(platform: Platform, request: web.Request) -> Group:
    checks.check_app(request.query.get("accessAppId") or None, platform.config)
    group = platform.groups.by_id.get(request.match_info["group"])
    if group is None:
        raise Refused("101001")
    return group


async def _group_and_devices(platform: Platform, request: web.Request) -> tuple[Group, list[int], list[str]]:
    body = await wire.body_of(request)
    group = platform.groups.by_id.get(wire.text_of(body, "devGroupId"))
    if group is None:
        raise Refused("101001")
    return group, _devices(platform, body.get("deviceIds")), body["deviceIds"]


def _devices(platform: Platform, ids: Any) -> list[int]:
    if not isinstance(ids, list) or not all(isinstance(one, str) for one in ids):
        raise Refused("50400")
    found = [platform.fleet.find(one) for one in ids]
    if None in found:
        raise Refused("100403")
    return [index for index in found if index is not None]


def _largest(body: dict[str, Any]) -> int:
    largest = body.get("maxDevNum") or 0
    if not isinstance(largest, int) or not 0 <= largest <= 2**31:
        raise Refused("50400")
    return largest


def _description(body: dict[str, Any]) -> str | None:
    description = body.get("description")
    if description is not None and (not isinstance(description, str) or len(description) > 1024):
        raise Refused("50400")
    return description


GROUPS = "/iocm/app/devgroup/v1.3.0/devGroups"
ROUTES = (
    Route("create_group", "POST", GROUPS, create),
    Route("groups", "GET", GROUPS, query),
    Route("group", "GET", GROUPS + "/{group}", read),
    Route("change_group", "PUT", GROUPS + "/{group}", change),
    Route("delete_group", "DELETE", GROUPS + "/{group}", delete),
    Route("members", "GET", "/iocm/app/dm/v1.2.0/devices/ids", members),
    Route("join_group", "POST", "/iocm/app/dm/v1.1.0/devices/addDevGroupTagToDevices", join),
    Route("leave_group", "POST", "/iocm/app/dm/v1.1.0/devices/deleteDevGroupTagFromDevices", leave),
)
