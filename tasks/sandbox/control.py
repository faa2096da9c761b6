"""The sandbox's own endpoints under /_sandbox/: ledger, state, faults, run-time options, profiles."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from aiohttp import web

from . import catalogue, wire
from .api.batch import summary
from .options import AT_START_ONLY, changed
from .platform import PLATFORM, Platform

MOST_TASKS = 200  # shown in the state


async def ledger(request: web.Request) -> web.Response:
    return wire.answer(request.app[PLATFORM].ledger.shown())


async def state(request: web.Request) -> web.Response:
    return wire.answer(state_of(request.app[PLATFORM]))


async def read_faults(request: web.Request) -> web.Response:
    return wire.answer({"rules": request.app[PLATFORM].faults.shown()})


async def add_faults(request: web.Request) -> web.Response:
    """Add a rule, a list of rules, or {"rules": [...]}; 400 with a sentence if one is no rule."""
    faults = request.app[PLATFORM].faults
    try:
        faults.add(wire.parsed(await request.read()))
    except ValueError as wrong:
        return wire.answer({"error": str(wrong)}, status=400)
    return wire.answer({"rules": faults.shown()})


async def clear_faults(request: web.Request) -> web.Response:
    request.app[PLATFORM].faults.clear()
    return wire.answer({"rules": []})


async def configure(request: web.Request) -> web.Response:
    """Change options at run time: {"mix": {"failed": 0.5}, "pace": {"speed": 10}, "unfinished_limit": 1}."""
    try:
        given = wire.parsed(await request.read())
        if not isinstance(given, dict):
            raise ValueError("options are a JSON object")  # noqa: TRY004, TRY301 - one kind of refusal
        reconfigure(request.app[PLATFORM], given)
    except ValueError as wrong:
        return wire.answer({"error": str(wrong)}, status=400)
    return wire.answer(config_shown(request.app[PLATFORM]))


async def profiles(request: web.Request) -> web.Response:
    name = {"Content-Disposition": 'attachment; filename="profiles.zip"'}
    return web.Response(body=catalogue.package(), content_type="application/zip", headers=name)


async def profile(request: web.Request) -> web.Response:
    """One profile's package, as a platform's portal exports it."""
    found = catalogue.packages().get(request.match_info["profile"])
    if found is None:
        return wire.answer({"error": "there is no such profile"}, status=404)
    return web.Response(body=found, content_type="application/zip")


def reconfigure(platform: Platform, given: dict[str, Any]) -> None:
    """Raises ValueError. A new pace holds for tasks created from now on, a new speed for all."""
    if fixed := sorted(AT_START_ONLY & given.keys()):
        raise ValueError(f"{fixed[0]} is set at the start only")
    platform.config = changed(platform.config, given)


def config_shown(platform: Platform) -> dict[str, Any]:
    shown = dataclasses.asdict(platform.config)
    shown.pop("secret")
    return shown


def state_of(platform: Platform) -> dict[str, Any]:
    tasks = [summary(platform, task) for task in list(platform.tasks.values())[-MOST_TASKS:]]
    return {
        "config": config_shown(platform),
        "devices": len(platform.fleet),
        "groups": {group.name: group.id for group in platform.groups.by_id.values()},
        "tasks": tasks[::-1],
        "tasks_total": len(platform.tasks),
        "unfinished": platform.unfinished(),
        "pushes": dict(platform.pushes.counts) | {"waiting": platform.pushes.waiting},
        "counters": platform.ledger.counters(),
        "faults": platform.faults.shown(),
    }


def sample(platform: Platform, count: int) -> list[str]:
    """Ids of the first devices of the fleet."""
    return [platform.fleet.id_of(index) for index, _ in zip(platform.fleet, range(count), strict=False)]


async def sample_of_devices(request: web.Request) -> web.Response:
    asked = request.query.get("count", "100")
    count = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 8 else 100
    body = json.dumps({"deviceIds": sample(request.app[PLATFORM], count)})
    return web.Response(text=body, content_type="application/json")


ROUTES = (
    web.get("/_sandbox/ledger", ledger),
    web.get("/_sandbox/state", state),
    web.get("/_sandbox/faults", read_faults),
    web.post("/_sandbox/faults", add_faults),
    web.delete("/_sandbox/faults", clear_faults),
    web.post("/_sandbox/config", configure),
    web.get("/_sandbox/profiles", profiles),
    web.get("/_sandbox/profiles/{profile}.zip", profile),
    web.get("/_sandbox/devices", sample_of_devices),
)
