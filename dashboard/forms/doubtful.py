"""Devices of a list that may be a mistake: shown by number and line, and left out at one click."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.core.cache import cache

from tasks import reach
from tasks.models import Application, DeviceList, Profile

from .operations import step

SHOWN = 200
MOST_UNASKED = 100_000
"""Devices that are looked up on every page without being asked for: of these it takes half a second."""

FRESH_SECONDS = 300
"""So long what was found is used again, for the same list, catalogue and command."""

WORDS = {
    "unknown": ("not in the catalogue", "The platform may refuse the whole task because of that."),
    "foreign": (
        "of another application",
        "Another application has it in its catalogue, this one does not.",
    ),
    "incompatible": ("of a kind that does not have this command", "The command would fail there."),
}


@dataclass(frozen=True)
class Doubt:
    """``first`` are lines with their ids."""

    key: str
    count: int
    first: list[tuple[int, str]]

    @property
    def words(self) -> str:
        return WORDS[self.key][0]

    @property
    def meaning(self) -> str:
        return WORDS[self.key][1]


def doubts_of(
    application: Application | None,
    kept: DeviceList | None,
    profile: Profile | None,
    command: tuple[str, str],
    *,
    is_asked: bool = False,
) -> list[Doubt] | None:
    """What in the list may be a mistake; nothing as long as the catalogue was not read.

    None for a list so long that it is looked up only when that is asked for.
    """
    if application is None or application.catalogue_at is None or kept is None or not kept.is_usable:
        return []
    version = profile.version if profile else 0
    asked = json.dumps(
        [
            str(kept.pk),
            application.pk,
            str(application.catalogue_at),
            profile and profile.pk,
            version,
            command,
        ]
    )
    key = f"doubts:{hashlib.sha256(asked.encode()).hexdigest()}"
    found: list[Doubt] | None = cache.get(key)
    if found is None and kept.count > MOST_UNASKED and not is_asked:
        return None
    if found is None:
        found = _looked_up(application, kept, profile, command)
        cache.set(key, found, FRESH_SECONDS)
    return found


def without(
    keys: Collection[str],
    application: Application,
    kept: DeviceList,
    profile: Profile | None,
    command: tuple[str, str],
    user: User,
) -> DeviceList | None:
    """The list without those in doubt for one of these reasons; None when nothing would be left."""
    found = reach.doubts(application, kept.ids, profile, _whole(command))
    out = {device_id for key in keys if key in WORDS for device_id in getattr(found, key)}
    ids = [device_id for device_id in kept.ids if device_id not in out]
    if not ids:
        return None
    reasons = " or ".join(WORDS[key][0] for key in WORDS if key in keys)
    return step(kept, ids, user, f"without {len(out):,} {reasons}", is_part=True) if out else kept


def _looked_up(
    application: Application, kept: DeviceList, profile: Profile | None, command: tuple[str, str]
) -> list[Doubt]:
    ids = kept.ids
    found = reach.doubts(application, ids, profile, _whole(command))
    doubts = []
    for key in WORDS:
        doubtful: list[str] = getattr(found, key)
        if doubtful:
            some = set(doubtful[:SHOWN])
            first = [(kept.line_of(place), each) for place, each in enumerate(ids) if each in some]
            doubts.append(Doubt(key, len(doubtful), first))
    return doubts


def _whole(command: tuple[str, str]) -> tuple[str, str] | None:
    return command if all(command) else None
