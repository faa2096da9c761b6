"""The platform's calls, one module per page of its API; ROUTES is the whole wire."""

from __future__ import annotations

from ..door import Route, nowhere
from . import auth, batch, capabilities, commands, devices, groups, registration, subscriptions

ROUTES: tuple[Route, ...] = (
    *auth.ROUTES,
    *batch.ROUTES,
    *commands.ROUTES,
    *devices.ROUTES,
    *groups.ROUTES,
    *capabilities.ROUTES,
    *registration.ROUTES,
    *subscriptions.ROUTES,
)
ELSEWHERE = Route("elsewhere", "*", "/{path:.*}", nowhere, open=True)
