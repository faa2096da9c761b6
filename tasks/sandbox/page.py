"""The sandbox's own page at `/`: what the platform sees, and switches to spoil it."""

from __future__ import annotations

from pathlib import Path

from aiohttp import web

from . import drawing
from .errors import Refused
from .platform import PLATFORM
from .switches import throw

STATIC = Path(__file__).parent / "static"
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:;"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
SAFE = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
TYPES = {"style.css": "text/css", "refresh.js": "text/javascript"}


async def show(request: web.Request) -> web.Response:
    text = drawing.page(request.app[PLATFORM], request.query.get("device", "").strip()[:100])
    return web.Response(text=text, content_type="text/html", headers=SAFE | {"Cache-Control": "no-store"})


async def switch(request: web.Request) -> web.Response:
    """Throw a switch or clear all faults, then back to the page. Forms of other sites are refused."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}:
        raise web.HTTPForbidden(text="Only the sandbox's own page may throw switches.")
    form = await request.post()
    asked = str(form.get("switch", ""))
    if asked == "clear":
        request.app[PLATFORM].faults.clear()
    else:
        try:
            throw(request.app[PLATFORM], int(asked))
        except (ValueError, IndexError, Refused) as wrong:
            raise web.HTTPBadRequest(text="There is no such switch.") from wrong
    raise web.HTTPSeeOther("/")


async def static(request: web.Request) -> web.Response:
    name = request.match_info["name"]
    if name not in TYPES:
        raise web.HTTPNotFound
    text = (STATIC / name).read_text("utf-8")
    return web.Response(text=text, content_type=TYPES[name], headers=SAFE)


ROUTES = (
    web.get("/", show),
    web.post("/_sandbox/switch", switch),
    web.get("/_sandbox/{name:style.css|refresh.js}", static),
)
