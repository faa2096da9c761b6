"""Subscriptions: kept and listed because clients make them, but nothing is pushed to them (facts 3.2)."""

from __future__ import annotations

import uuid

from aiohttp import web

from .. import checks, wire
from ..door import Route
from ..errors import Refused
from ..platform import Platform

MOST = 1000


async def create(platform: Platform, request: web.Request) -> web.Response:
    return wire.answer(await _subscribed(platform, request, "callbackUrl"), status=201)


async def subscribe(platform: Platform, request: web.Request) -> web.Response:
    """The older call: `callbackurl` with a small u, and no body in the answer."""
    await _subscribed(platform, request, "callbackurl")
    return wire.bodiless(201)


async def query(platform: Platform, request: web.Request) -> web.Response:
    asked = request.query
    checks.check_app(asked.get("appId") or None, platform.config)
    page = wire.number_of(asked, "pageNo", 0, 0, 10**9)
    size = wire.number_of(asked, "pageSize", 10, 1, 1000)
    wanted = asked.get("notifyType", "")
    found = [one for one in platform.subscriptions.values() if wanted in ("", one["notifyType"])]
    shown = found[page * size : (page + 1) * size]
    return wire.answer({"totalCount": len(found), "pageNo": page, "pageSize": size, "subscriptions": shown})


async def read(platform: Platform, request: web.Request) -> web.Response:
    found = platform.subscriptions.get(request.match_info["subscription"])
    if found is None:
        raise Refused("101001")
    return wire.answer(found)


async def delete(platform: Platform, request: web.Request) -> web.Response:
    if platform.subscriptions.pop(request.match_info["subscription"], None) is None:
        raise Refused("101001")
    return wire.bodiless(204)


async def delete_all(platform: Platform, request: web.Request) -> web.Response:
    wanted = request.query.get("notifyType", "")
    left = {key: one for key, one in platform.subscriptions.items() if wanted not in ("", one["notifyType"])}
    platform.subscriptions = left
    return wire.bodiless(204)


async def _subscribed(platform: Platform, request: web.Request, member: str) -> dict[str, str]:
    body = await wire.body_of(request, "100022")
    checks.check_app(body.get("appId") or request.query.get("appId") or None, platform.config)
    kind = wire.text_of(body, "notifyType", "100022")
    if not isinstance(body.get(member), str):
        member = "callbackUrl" if member == "callbackurl" else "callbackurl"
    url = wire.text_of(body, member, "100222", longest=1024)
    if not url.startswith(("http://", "https://")):
        raise Refused("100222")
    if len(platform.subscriptions) >= MOST:
        raise Refused("50252")
    found = {"subscriptionId": str(uuid.uuid4()), "notifyType": kind, "callbackUrl": url}
    platform.subscriptions[found["subscriptionId"]] = found
    return found


SUBSCRIPTIONS = "/iocm/app/sub/v1.2.0/subscriptions"
ROUTES = (
    Route("subscribe", "POST", SUBSCRIPTIONS, create),
    Route("subscriptions", "GET", SUBSCRIPTIONS, query),
    Route("subscription", "GET", SUBSCRIPTIONS + "/{subscription}", read),
    Route("unsubscribe", "DELETE", SUBSCRIPTIONS + "/{subscription}", delete),
    Route("unsubscribe_all", "DELETE", SUBSCRIPTIONS, delete_all),
    Route("subscribe_v1_1", "POST", "/iocm/app/sub/v1.1.0/subscribe", subscribe),
    Route("subscribe_v1_2", "POST", "/iocm/app/sub/v1.2.0/subscribe", subscribe),
    Route("subscribe_management", "POST", "/iodm/app/sub/v1.1.0/subscribe", subscribe),
)
