"""What happens to every call before and after its handler: counting, faults, limits, tokens, errors."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import NamedTuple

from aiohttp import web

from . import wire
from .errors import BY_CODE, Refused
from .ledger import Create
from .platform import PLATFORM, Platform
from .spoil import Reply, spoilt

log = logging.getLogger(__name__)

Handler = Callable[[Platform, web.Request], Awaitable[web.Response]]
ENTRY: web.RequestKey[Create] = web.RequestKey("entry", Create)


class Route(NamedTuple):
    """One call of the API; `name` is what fault rules and the ledger call it."""

    name: str
    method: str
    path: str
    handler: Handler
    open: bool = False  # needs no token


def guarded(route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """The handler that aiohttp calls for a route."""

    async def call(request: web.Request) -> web.StreamResponse:
        platform = request.app[PLATFORM]
        ledger = platform.ledger  # whoever starts a new one meanwhile is not told of this call's end
        ledger.called(route.name)
        try:
            if route.name == "create":
                return await _recorded(platform, route, request)
            return await _spoilt(platform, route, request)
        finally:
            ledger.left(route.name)

    return call


async def nowhere(platform: Platform, request: web.Request) -> web.Response:
    """No such path: an error body all the same, because clients read one."""
    raise Refused("100007", 404)


async def _recorded(platform: Platform, route: Route, request: web.Request) -> web.StreamResponse:
    try:
        raw = await request.read()
    except web.HTTPRequestEntityTooLarge:
        return wire.refusal(BY_CODE["50400"])
    ledger = platform.ledger
    entry = ledger.received(raw)
    request[ENTRY] = entry
    try:
        return await _spoilt(platform, route, request)
    finally:
        ledger.closed(entry)


async def _spoilt(platform: Platform, route: Route, request: web.Request) -> web.StreamResponse:
    rules = platform.faults.drawn(route.name)
    if rules and ENTRY in request:
        request[ENTRY].fault = "+".join(rule.action for rule in rules)
    if rules:
        await _arrived(request)
    reply: Reply = partial(_honest, platform, route, request)
    for rule in reversed(rules):
        reply = partial(spoilt, rule, request, reply)
    return await reply()


async def _honest(platform: Platform, route: Route, request: web.Request) -> web.Response:
    try:
        _let_in(platform, route, request)
        return await route.handler(platform, request)
    except Refused as refused:
        platform.ledger.errors[refused.error.code] += 1
        if ENTRY in request:
            request[ENTRY].error = refused.error.code
        return wire.refusal(refused.error)
    except (ConnectionError, web.HTTPException):
        raise
    except Exception:
        log.exception("the sandbox failed at %s %s", request.method, request.path)
        platform.ledger.bugs += 1
        return wire.refusal(BY_CODE["50252"])


def _let_in(platform: Platform, route: Route, request: web.Request) -> None:
    if request.path.endswith("/") and platform.config.strict:
        raise Refused("100007", 404)
    platform.account.count(platform.config)
    if not route.open:
        given = request.headers
        platform.account.check(platform.config, given.get("app_key", ""), given.get("Authorization", ""))


async def _arrived(request: web.Request) -> None:
    """Take the whole body first, so that a spoilt call is spoilt after it was sent."""
    try:
        await request.read()
    except web.HTTPRequestEntityTooLarge:
        return
