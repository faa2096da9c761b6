"""Devices: list, read, change, delete (facts 6.1)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from aiohttp import web

from .. import checks, wire
from ..door import Route
from ..errors import Refused
from ..fleet import STATUSES
from ..platform import Platform

CHANGEABLE = ("name", "location", "region", "organization", "timezone", "imsi", "tags", "mute", "description")
CHANGEABLE_NAMES = ("deviceType", "manufacturerId", "manufacturerName", "model", "protocolType")
NODE_TYPES = ("ENDPOINT", "GATEWAY", "UNKNOW")  # sic


async def query(platform: Platform, request: web.Request) -> web.Response:
    asked = request.query
    checks.check_app(asked.get("appId") or None, platform.config)
    page = wire.number_of(asked, "pageNo", 0, 0, 10**9)
    size = wire.number_of(asked, "pageSize", 25, 1, 250)
    if asked.get("status") and asked["status"] not in STATUSES:
        raise Refused("100022")
    if asked.get("nodeType") and asked["nodeType"] not in NODE_TYPES:
        raise Refused("100022")
    if asked.get("sort") not in (None, "", "ASC", "DESC"):
        raise Refused("100022")
    found = _registered_within(platform, asked, _matching(platform, asked))
    if asked.get("sort") == "ASC":
        found = found[::-1]
    shown = found[page * size : (page + 1) * size]
    body = {"totalCount": len(found), "pageNo": page, "pageSize": size}
    return wire.answer(body | {"devices": [record(platform, i) for i in shown]}, nulls=platform.config.nulls)


async def read(platform: Platform, request: web.Request) -> web.Response:
    return wire.answer(record(platform, _index(platform, request)), nulls=platform.config.nulls)


async def change(platform: Platform, request: web.Request) -> web.Response:
    index = _index(platform, request)
    body = await wire.body_of(request, "100022")
    members: dict[str, Any] = {}
    for name in (*CHANGEABLE, *CHANGEABLE_NAMES):
        if body.get(name) is not None:
            wanted = list if name == "tags" else str
            if not isinstance(body[name], wanted) or len(body[name]) > 2048:
                raise Refused("100022")
            members[name] = body[name]
    platform.fleet.change(index, members)
    return wire.bodiless(204)


async def delete(platform: Platform, request: web.Request) -> web.Response:
    platform.fleet.deleted.add(_index(platform, request))
    return wire.bodiless(204)


def record(platform: Platform, index: int) -> dict[str, Any]:
    """One device in the shape of the wire (facts 6.1)."""
    fleet = platform.fleet
    over, profile = fleet.overlay(index), fleet.profile(index)
    device_type, manufacturer, model = fleet.names(index)
    device_id, status = fleet.id_of(index), fleet.status(index)
    services = (
        [{"serviceId": s["serviceId"], "serviceType": s["serviceType"]} for s in profile.services]
        if profile
        else []
    )
    unset = ("mac", "swVersion", "fwVersion", "hwVersion", "bridgeId", "supportedSecurity", "isSecurity")
    info = {
        "nodeId": over.get("nodeId", f"{867_000_000_000_000 + index}"),
        "name": fleet.name(index),
        "description": over.get("description"),
        "manufacturerId": manufacturer,
        "manufacturerName": over.get("manufacturerName", profile.manufacturer_name if profile else None),
        "location": fleet.location(index),
        "deviceType": device_type,
        "model": model,
        "protocolType": over.get("protocolType", profile.protocol if profile else None),
        "status": status,
        "statusDetail": "NOT_ACTIVE" if status == "INACTIVE" else "NONE",
        "mute": over.get("mute", "FALSE"),
        "imsi": over.get("imsi"),
        **dict.fromkeys(unset),
    }
    born = wire.time_text(fleet.registered_at(index))
    return {
        "deviceId": device_id,
        "gatewayId": device_id,
        "nodeType": "GATEWAY",
        "createTime": born,
        "lastModifiedTime": born,
        "deviceInfo": info,
        "services": services,
        "connectionInfo": {"protocolType": None},
        "location": fleet.location(index),
        "devGroupIds": platform.groups.holding(index),
        "tags": over.get("tags", []),
    }


def _index(platform: Platform, request: web.Request) -> int:
    checks.check_app(request.query.get("appId") or None, platform.config)
    index = platform.fleet.find(request.match_info["device"])
    if index is None:
        raise Refused("100403")
    return index


def _matching(platform: Platform, asked: Any) -> Sequence[int]:
    """Devices that pass the filters, newest first."""
    fleet = platform.fleet
    rest = {name: asked[name] for name in ("deviceType", "location", "status", "name") if asked.get(name)}
    if asked.get("nodeType", "GATEWAY") not in ("", "GATEWAY"):
        return ()
    if not rest and not asked.get("gatewayId"):
        return fleet.newest_first()
    found: Iterable[int] = fleet
    if device_type := asked.get("deviceType"):
        found = fleet.of_type(device_type, None, None)
    elif asked.get("location"):
        found = fleet.at(asked["location"])
    if asked.get("gatewayId"):
        index = fleet.find(asked["gatewayId"])
        found = [] if index is None else [index]
    passing = (index for index in found if _passes(platform, index, rest))
    return sorted(passing, key=fleet.registered_at, reverse=True)


def _registered_within(platform: Platform, asked: Any, found: Sequence[int]) -> Sequence[int]:
    """Those registered from startTime until endTime."""
    since, until = wire.time_of(asked, "startTime"), wire.time_of(asked, "endTime")
    if since is None and until is None:
        return found
    since, until = since or 0.0, float("inf") if until is None else until
    return [index for index in found if since <= platform.fleet.registered_at(index) <= until]


def _passes(platform: Platform, index: int, rest: dict[str, str]) -> bool:
    fleet = platform.fleet
    facts = {
        "deviceType": lambda: fleet.names(index)[0],
        "location": lambda: fleet.location(index),
        "status": lambda: fleet.status(index),
        "name": lambda: fleet.name(index),
    }
    return all(facts[name]() == value for name, value in rest.items())


# Older clients call the same pages by older versions.
ROUTES = tuple(
    route
    for devices in (f"/iocm/app/dm/{version}/devices" for version in ("v1.4.0", "v1.3.0", "v1.1.0"))
    for route in (
        Route("devices", "GET", devices, query),
        Route("device", "GET", devices + "/{device}", read),
        Route("change_device", "PUT", devices + "/{device}", change),
        Route("delete_device", "DELETE", devices + "/{device}", delete),
    )
)
