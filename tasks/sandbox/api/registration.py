"""Registering a device and deleting it again (facts 6.1)."""

from __future__ import annotations

import secrets

from aiohttp import web

from .. import checks, wire
from ..door import Route
from ..errors import Refused
from ..platform import Platform
from .devices import delete

MEMBERS = ("deviceType", "manufacturerId", "manufacturerName", "model", "protocolType", "location", "name")
MOST_ADDED = 100_000


async def register(platform: Platform, request: web.Request) -> web.Response:
    """The new device is INACTIVE; given the three names of a sandbox profile, it understands its commands."""
    body = await wire.body_of(request, "100022")
    checks.check_app(request.query.get("appId") or None, platform.config)
    node = body.get("nodeId") or body.get("verifyCode")
    if not isinstance(node, str) or not 0 < len(node) <= 256:
        raise Refused("100022")
    if any(device["nodeId"] == node for device in platform.fleet.added):
        raise Refused("100426")
    if len(platform.fleet.added) >= MOST_ADDED:
        raise Refused("50252")
    info = body.get("deviceInfo") if isinstance(body.get("deviceInfo"), dict) else {}
    given = {name: value for name, value in {**(info or {}), **body}.items() if name in MEMBERS}
    if "deviceName" in body:
        given["name"] = body["deviceName"]
    if any(
        value is not None and (not isinstance(value, str) or len(value) > 256) for value in given.values()
    ):
        raise Refused("100022")
    kept = {name: value for name, value in given.items() if value is not None}
    index = platform.fleet.register({**kept, "nodeId": node})
    timeout = body.get("timeout") if isinstance(body.get("timeout"), int) else 180
    answer = {
        "deviceId": platform.fleet.id_of(index),
        "verifyCode": node,
        "timeout": timeout,
        "psk": secrets.token_hex(16),
    }
    return wire.answer(answer)


async def activation(platform: Platform, request: web.Request) -> web.Response:
    index = platform.fleet.find(request.match_info["device"])
    if index is None:
        raise Refused("100403")
    awake = platform.fleet.status(index) != "INACTIVE"
    name = platform.fleet.name(index)
    return wire.answer({"deviceId": platform.fleet.id_of(index), "activated": awake, "name": name})


ROUTES = (
    Route("activation", "GET", "/iocm/app/reg/v1.1.0/devices/{device}", activation),
    Route("register", "POST", "/iocm/app/reg/v1.1.0/deviceCredentials", register),
    Route("unregister", "DELETE", "/iocm/app/reg/v1.1.0/deviceCredentials/{device}", delete),
)
