"""The sandbox's own page."""

from __future__ import annotations

from aiohttp import web

ROUTES: tuple[web.RouteDef, ...] = ()
