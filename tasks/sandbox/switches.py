"""The page's switches: each is one click that adds a fault rule or changes an option."""

from __future__ import annotations

from typing import Any, NamedTuple

from .config import OUTCOMES, Config
from .control import reconfigure
from .errors import OF_THE_PAGE
from .platform import Platform


class Switch(NamedTuple):
    group: str
    label: str
    rule: dict[str, Any] | None = None
    options: dict[str, Any] | None = None
    title: str = ""


def _next_create(label: str, **rule: Any) -> Switch:
    return Switch("Next create", label, {"route": "create", "times": 1, **rule})


def _mix(label: str, *shares: float) -> Switch:
    return Switch("Outcomes", label, options={"mix": dict(zip(OUTCOMES, shares, strict=True))})


ERRORS = tuple(
    Switch(
        "Next create is refused",
        f"{error.status} {error.code}",
        {"route": "create", "times": 1, "action": "error", "status": error.status, "code": error.code},
        title=error.desc,
    )
    for error in OF_THE_PAGE
)
SWITCHES: tuple[Switch, ...] = (
    *ERRORS,
    _next_create("Cut before it counts", action="cut"),
    _next_create("Cut after it counts", action="cut", after=True),
    _next_create("Half an answer", action="half"),
    _next_create("Answer stalls 90 s", action="stall", seconds=90.0),
    _next_create("Answer drips", action="drip", seconds=1.0),
    _next_create("HTML 502", action="html"),
    _next_create("HTML 502, yet created", action="html", after=True),
    _next_create("Empty 200", action="empty"),
    _next_create("No JSON", action="text", body="<html>Please log in</html>"),
    _next_create("Redirect 307", action="redirect"),
    Switch("Every call", "2 s late", {"route": "any", "action": "latency", "seconds": 2.0}),
    Switch("Every call", "500 50252", {"route": "any", "action": "error", "code": "50252"}),
    Switch(
        "Every call",
        "Token invalid, once",
        {"route": "any", "action": "error", "code": "1010005", "times": 1},
    ),
    Switch("Every call", "Login refused", {"route": "login", "action": "error", "code": "100208"}),
    Switch("Every call", "Every fifth cut", {"route": "any", "action": "cut", "probability": 0.2}),
    Switch("Pushes", "Lose 1 in 5", {"route": "push", "action": "lose", "probability": 0.2}),
    Switch("Pushes", "Lose all", {"route": "push", "action": "lose"}),
    Switch("Pushes", "Double 1 in 5", {"route": "push", "action": "duplicate", "probability": 0.2}),
    Switch("Pushes", "Delay 10 s", {"route": "push", "action": "delay", "seconds": 10.0}),
    Switch("Pushes", "Out of order", {"route": "push", "action": "reorder", "seconds": 5.0}),
    _mix("As it comes", *Config().mix),
    _mix("All succeed", 1, 0, 0, 0, 0),
    _mix("All fail", 0, 1, 0, 0, 0),
    _mix("Half time out", 0.5, 0, 0.5, 0, 0),
    _mix("Half never wake", 0.5, 0, 0, 0.5, 0),
    _mix("Half fall silent", 0.5, 0, 0, 0, 0.5),
    Switch("Pace", "A tenth", options={"pace_speed": 0.1}),
    Switch("Pace", "Normal", options={"pace_speed": 1.0}),
    Switch("Pace", "× 5", options={"pace_speed": 5.0}),
    Switch("Pace", "× 50", options={"pace_speed": 50.0}),
    Switch("Pace", "Stand still", options={"pace_speed": 0.0}),
    Switch("Rules", "Lenient", options={"strict": False}),
    Switch("Rules", "Strict", options={"strict": True}),
    Switch("Rules", "Leave nulls out", options={"nulls": False}),
    Switch("Rules", "Write nulls", options={"nulls": True}),
    Switch("Rules", "10 unfinished", options={"unfinished_limit": 10}),
    Switch("Rules", "1 unfinished", options={"unfinished_limit": 1}),
    Switch("Rules", "100 calls a minute", options={"calls_per_minute": 100}),
    Switch("Rules", "5 calls a minute", options={"calls_per_minute": 5}),
)


def groups() -> dict[str, list[tuple[int, Switch]]]:
    """The switches by group, each with its number."""
    found: dict[str, list[tuple[int, Switch]]] = {}
    for number, switch in enumerate(SWITCHES):
        found.setdefault(switch.group, []).append((number, switch))
    return found


def is_on(platform: Platform, switch: Switch) -> bool:
    """Is this option as the switch would set it?"""
    config = platform.config
    now = {"mix": dict(zip(OUTCOMES, config.mix, strict=True)), "pace_speed": config.pace.speed}
    return bool(switch.options) and all(
        now.get(name, getattr(config, name, None)) == value for name, value in (switch.options or {}).items()
    )


def throw(platform: Platform, number: int) -> None:
    """Throw one switch. Raises IndexError for a number that is none."""
    switch = SWITCHES[number]
    if switch.rule:
        platform.faults.add(switch.rule)
    if switch.options:
        reconfigure(platform, switch.options)
