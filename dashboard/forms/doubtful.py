"""Devices of a list that may be a mistake: shown by number and line, and left out at one click."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass
from itertools import chain

from django.contrib.auth.models import User
from django.core.cache import cache

from tasks import reach, sets
from tasks.lifecycle import value_rows
from tasks.models import Application, DeviceList, Profile, ValueTable
from tasks.sets import Operation

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
    found = reach.doubts(application, kept.text, profile, _whole(command))
    out = "\n".join(filter(None, (getattr(found, key) for key in WORDS if key in keys)))
    left = sets.combine(Operation.WITHOUT, kept.text, out)
    if not left:
        return None
    reasons = " or ".join(WORDS[key][0] for key in WORDS if key in keys)
    return step(kept, left, user, f"without {sets.count(out):,} {reasons}", is_part=True) if out else kept


def _looked_up(
    application: Application, kept: DeviceList, profile: Profile | None, command: tuple[str, str]
) -> list[Doubt]:
    found = reach.doubts(application, kept.text, profile, _whole(command))
    doubts = []
    for key in WORDS:
        if doubtful := getattr(found, key):
            some = frozenset(doubtful.split("\n", SHOWN)[:SHOWN])
            doubts.append(Doubt(key, sets.count(doubtful), _with_lines(kept, some)))
    return doubts


def _with_lines(kept: DeviceList, some: Collection[str]) -> list[tuple[int, str]]:
    """These ids with the lines on which they were given; of a table of values those of its rows."""
    if table := ValueTable.of(kept):
        return [(line, each) for each, line in value_rows.lines_of(table.text, some).items()]
    every = enumerate(chain.from_iterable(sets.pieces(kept.text)))
    return [(kept.line_of(place), each) for place, each in every if each in some]


def _whole(command: tuple[str, str]) -> tuple[str, str] | None:
    return command if all(command) else None
