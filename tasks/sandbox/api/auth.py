"""Login, refresh, logout (facts 1.1 to 1.3)."""

from __future__ import annotations

from urllib.parse import parse_qsl

from aiohttp import web

from .. import wire
from ..door import Route
from ..errors import Refused
from ..platform import Platform


async def login(platform: Platform, request: web.Request) -> web.Response:
    """Form body `appId=..&secret=..`; a lenient platform takes JSON too, and any Content-Type."""
    strict = platform.config.strict
    if strict and request.content_type != "application/x-www-form-urlencoded":
        raise Refused("50400")
    if request.content_type == "application/json" and not strict:
        form = await wire.body_of(request)
    else:
        try:
            form = dict(parse_qsl((await request.read()).decode("utf-8"), max_num_fields=20))
        except (ValueError, web.HTTPRequestEntityTooLarge) as wrong:
            raise Refused("50400") from wrong
    if not form.get("appId") or not form.get("secret"):
        raise Refused("102202")
    app_id, secret = wire.text_of(form, "appId"), wire.text_of(form, "secret")
    return wire.answer(platform.account.login(platform.config, app_id, secret))


async def refresh(platform: Platform, request: web.Request) -> web.Response:
    body = await wire.body_of(request)
    if not all(body.get(name) for name in ("appId", "secret", "refreshToken")):
        raise Refused("102202")
    given = (wire.text_of(body, name) for name in ("appId", "secret", "refreshToken"))
    token = platform.account.refreshed(platform.config, *given)
    order = ("accessToken", "tokenType", "expiresIn", "scope", "refreshToken")
    return wire.answer({name: token[name] for name in order})


async def logout(platform: Platform, request: web.Request) -> web.Response:
    body = await wire.body_of(request)
    platform.account.logout(wire.text_of(body, "accessToken"))
    return wire.bodiless(204)


ROUTES = (
    Route("login", "POST", "/iocm/app/sec/v1.1.0/login", login, open=True),
    Route("refresh", "POST", "/iocm/app/sec/v1.1.0/refreshToken", refresh, open=True),
    Route("logout", "POST", "/iocm/app/sec/v1.1.0/logout", logout, open=True),
)
