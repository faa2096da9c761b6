"""The sandbox's options: on the command line, in the environment (MUSTER_SANDBOX_...), and at run time."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
from collections.abc import Mapping
from typing import Any

from .config import OUTCOMES, PUSH_BODIES, TAG_RULES, UNIQUE_NAMES, UNKNOWN_DEVICES, Config, Delivery, Pace

PREFIX = "MUSTER_SANDBOX_"
AT_START_ONLY = {
    "host",
    "port",
    "devices",
    "seed",
    "app_id",
    "secret",
    "tls_cert",
    "tls_key",
    "client_ca",
    "largest_create",
    "push_workers",
}
CHOICES: dict[str, tuple[str, ...]] = {
    "unique_names": UNIQUE_NAMES,
    "unknown_devices": UNKNOWN_DEVICES,
    "tags": TAG_RULES,
    "push_body": PUSH_BODIES,
}
HELP = {
    "host": "address to listen on",
    "port": "port to listen on; 0 takes a free one",
    "app_id": "the application's id",
    "secret": "the application's secret",
    "name": "the application's name",
    "other_app": "id of an application that has not authorised ours",
    "devices": "size of the fleet, up to 1,000,000",
    "seed": "same seed, same fleet and same outcomes",
    "strict": "the API page to the letter (default: what real clients get away with)",
    "nulls": "write absent members as null, as the platform did in 2017",
    "calls_per_minute": "calls per application in any 60 seconds",
    "unfinished_limit": "unfinished tasks at which 105001 is answered",
    "token_seconds": "life of an access token",
    "refresh_seconds": "life of a refresh token",
    "unique_names": "how long a task's name stays taken",
    "unknown_devices": "a device id nobody knows fails alone, or refuses the whole task",
    "unknown_app_status": "HTTP status of 100203: 200, 403 or 500",
    "tags": "rule for task tags: each pair once, only known names, or any",
    "batch_in_commands": "show a task's commands in the device command query",
    "largest_create": "bytes a create may have",
    "mix": f"shares of {', '.join(OUTCOMES)}, as numbers with commas or name=number",
    "tls_cert": "certificate file; with it the sandbox speaks HTTPS",
    "tls_key": "key file of the certificate",
    "client_ca": "CA file; with it a client certificate is required",
    "pace_speed": "fleet seconds per real second; 0 stands still",
    "pace_start": "fleet seconds from a create to the first command sent",
    "pace_spread": "fleet seconds over which a task's commands are sent",
    "pace_rate": "commands sent per fleet second at most",
    "pace_deliver": "fleet seconds from SENT to DELIVERED",
    "pace_answer": "fleet seconds from DELIVERED to the result",
    "pace_timeout": "fleet seconds from SENT to TIMEOUT",
    "pace_wake": "fleet seconds an offline device sleeps on before it takes its command",
    "pace_minute": "fleet seconds in a minute of a task's timeout",
    "push_body": "shape of the pushes: as documented, members left out, empty string, or the older words",
    "push_workers": "pushes in flight",
    "push_answer": "seconds a receiver has to answer",
    "push_retry": "seconds from a failed push to its next try",
    "push_keep": "seconds a failed push is kept",
    "push_failures": "failures in a row that make an address invalid",
    "push_retest": "seconds between two tests of an invalid address",
    "push_backlog": "pushes waiting for one address; beyond, the oldest is dropped",
}


def option_types() -> dict[str, type]:
    """Name of every option to the type of its value; pace and delivery members are `pace_x` and `push_x`."""
    types: dict[str, type] = {}
    for prefix, default in (("", Config()), ("pace_", Pace()), ("push_", Delivery())):
        for member in dataclasses.fields(default):
            if member.name not in {"pace", "delivery"}:
                types[prefix + member.name] = type(getattr(default, member.name))
    return types


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add every option to a parser; an option not given stays None, so that the environment can speak."""
    for name, kind in option_types().items():
        flag = "--" + name.replace("_", "-")
        text = HELP[name]
        if kind is bool:
            parser.add_argument(flag, action=argparse.BooleanOptionalAction, default=None, help=text)
        else:
            choices = CHOICES.get(name)
            parser.add_argument(flag, default=None, help=text, choices=choices, type=_argument(kind))


def config_from(options: Mapping[str, Any]) -> Config:
    """A Config from parsed options, then the environment, then the defaults. Raises ValueError."""
    environment = {name: os.environ.get(PREFIX + name.upper()) for name in option_types()}
    given = {name: value for name, value in environment.items() if value not in (None, "")}
    given |= {n: v for n, v in options.items() if n in environment and v is not None}
    return changed(Config(), given)


def changed(config: Config, options: Mapping[str, Any]) -> Config:
    """The config with these options changed; {"pace": {...}} works as `pace_...`. Raises ValueError."""
    flat: dict[str, Any] = {}
    for name, value in options.items():
        if name in {"pace", "push"} and isinstance(value, Mapping):
            flat |= {f"{name}_{member}": inner for member, inner in value.items()}
        else:
            flat[name] = value
    types = option_types()
    top: dict[str, Any] = {}
    pace: dict[str, Any] = {}
    push: dict[str, Any] = {}
    for name, value in flat.items():
        if name not in types:
            raise ValueError(f"there is no option {name!r}")
        converted = shares(value, config.mix) if name == "mix" else _converted(name, value, types[name])
        for prefix, part in (("pace_", pace), ("push_", push), ("", top)):
            if name.startswith(prefix):
                part[name.removeprefix(prefix)] = converted
                break
    return dataclasses.replace(
        config,
        **top,
        pace=dataclasses.replace(config.pace, **pace),
        delivery=dataclasses.replace(config.delivery, **push),
    )


def shares(value: Any, current: tuple[float, ...]) -> tuple[float, ...]:
    """The mix from `0.9,0.1,0,0,0`, `failed=0.2`, a list, or {"failed": 0.2} (others as they are)."""
    try:
        if isinstance(value, str) and "=" in value:
            value = dict(part.split("=", 1) for part in value.split(","))
        elif isinstance(value, str):
            value = value.split(",")
        if not isinstance(value, Mapping):
            return tuple(float(share) for share in value)
        if unknown := [name for name in value if name.strip() not in OUTCOMES]:
            raise ValueError(f"{unknown[0]!r} is not one of {', '.join(OUTCOMES)}")
        named = {name.strip(): float(share) for name, share in value.items()}
    except TypeError as wrong:
        raise ValueError(f"{value!r} is no mix") from wrong
    return tuple(named.get(name, share) for name, share in zip(OUTCOMES, current, strict=True))


def _argument(kind: type) -> type:
    return str if kind in (tuple, str) else kind


def _converted(name: str, value: Any, kind: type) -> Any:
    if kind is bool and isinstance(value, str):
        if value.lower() not in {"1", "0", "true", "false", "yes", "no", "on", "off"}:
            raise ValueError(f"{name} is yes or no, not {value!r}")
        return value.lower() in {"1", "true", "yes", "on"}
    try:
        if isinstance(value, (str, int, float)):
            return kind(value)
    except (ValueError, OverflowError):
        pass
    raise ValueError(f"{name} is {kind.__name__}, not {json.dumps(value, default=str)[:80]}")
