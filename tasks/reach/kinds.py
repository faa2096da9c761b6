"""Kinds of devices, and whether they know a command."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple

from django.db.models import Count, Max

from tasks.models import Profile

Command = tuple[str, str]
"""Service and method."""


class Kind(NamedTuple):
    device_type: str
    manufacturer_id: str
    model: str


def verdicts(kinds: Iterable[Kind], command: Command | None) -> dict[Kind, bool | None]:
    """Kind -> whether its profile has the command; None without a profile, or as long as no command is chosen."""
    if command is None:
        return dict.fromkeys(kinds)
    stamp = Profile.objects.aggregate(count=Count("pk"), newest=Max("imported_at"))
    known = _known(stamp["count"], stamp["newest"])
    return {kind: command in known[kind] if kind in known else None for kind in kinds}


def fits(kinds: Collection[Kind], profile: Profile | None, command: Command | None) -> dict[Kind, bool]:
    """Kind -> whether the command is for it. Without one, whether it is the kind of ``profile``."""
    if command is not None:
        return {kind: knows is not False for kind, knows in verdicts(kinds, command).items()}
    own = profile and Kind(profile.device_type, profile.manufacturer_id, profile.model)
    return {kind: own in (None, kind) for kind in kinds}


@lru_cache(maxsize=2)
def _known(_count: int, _newest: dt.datetime | None) -> Mapping[Kind, frozenset[Command]]:
    """Kind of every profile, as they stand in the database -> its commands."""
    rows = Profile.objects.values_list("pk", "imported_at", *Kind._fields)
    return {Kind(*kind): _commands(pk, imported_at) for pk, imported_at, *kind in rows}


@lru_cache(maxsize=4096)
def _commands(profile: int, _imported_at: dt.datetime) -> frozenset[Command]:
    """All that a profile has, read once: a definition may be large, and there may be hundreds."""
    definition = Profile.objects.filter(pk=profile).values_list("definition", flat=True).first()
    services = definition["services"] if definition else ()
    return frozenset((service["id"], each["name"]) for service in services for each in service["commands"])
