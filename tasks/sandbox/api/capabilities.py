"""What a device can do: its profile, as the platform shows it (facts 5, end)."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from .. import checks, wire
from ..door import Route
from ..errors import Refused
from ..fleet import Fleet
from ..platform import Platform

MOST_SHOWN = 25  # devices, when the caller names none


async def query(platform: Platform, request: web.Request) -> web.Response:
    asked, fleet = request.query, platform.fleet
    checks.check_app(asked.get("appId") or None, platform.config)
    device_id = asked.get("deviceId") or asked.get("gatewayId")
    if device_id:
        index = fleet.find(device_id)
        if index is None:
            raise Refused("100403")
        indexes = [index]
    else:
        indexes = [index for index, _ in zip(fleet, range(MOST_SHOWN), strict=False)]
    body = {"deviceCapabilities": [_capabilities(fleet, index) for index in indexes]}
    return wire.answer(body, nulls=platform.config.nulls)


def _capabilities(fleet: Fleet, index: int) -> dict[str, Any]:
    profile = fleet.profile(index)
    order = ("serviceId", "serviceType", "option", "description", "commands", "properties")
    services = profile.services if profile else ()
    return {
        "deviceId": fleet.id_of(index),
        "serviceCapabilities": [{name: service.get(name) for name in order} for service in services],
    }


ROUTES = (Route("capabilities", "GET", "/iocm/app/data/v1.1.0/deviceCapabilities", query),)
