"""Devices of a list that may be a mistake: shown by number and line, and left out at one click."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import islice

from django.contrib.auth.models import User
from django.core.cache import cache

from tasks import lists, reach, sets
from tasks.lifecycle import value_rows
from tasks.models import Application, DeviceList, Profile, ValueTable
from tasks.reach import FRESH_SECONDS, SHOWN, Command, Named
from tasks.sets import Operation
from tasks.targets import TargetType

from .operations import step

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
    command: Command,
    *,
    is_asked: bool = False,
) -> list[Doubt] | None:
    """What in the list may be a mistake; nothing as long as the catalogue was not read.

    None for a list so long that all of it is looked up only when that is asked for.
    """
    if application is None or application.catalogue_at is None or kept is None or not kept.is_usable:
        return []
    found = reach.survey_of(application, {"type": TargetType.DEVICE_LIST}, kept, is_whole=is_asked)
    if found.sampled > 1:
        return None
    fits = reach.fits([kind for kind, _ in found.kinds], profile, _whole(command))
    doubtful = {
        "unknown": found.unknown,
        "foreign": found.foreign,
        "incompatible": _together(named for kind, named in found.kinds if not fits[kind]),
    }
    return [
        Doubt(key, named.total, _with_lines(kept, named)) for key, named in doubtful.items() if named.total
    ]


def without(
    keys: Collection[str],
    application: Application,
    kept: DeviceList,
    profile: Profile | None,
    command: Command,
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


def _together(several: Iterable[Named]) -> Named:
    """In the order of the list, as many as are shown."""
    many = list(several)
    placed = list(islice(merge(*(zip(named.places, named.ids, strict=True) for named in many)), SHOWN))
    places, ids = [place for place, _ in placed], "\n".join(each for _, each in placed)
    return Named(sum(named.total for named in many), ids, places)


def _with_lines(kept: DeviceList, named: Named) -> list[tuple[int, str]]:
    """These ids with the lines on which they were given; of a table of values those of its rows."""
    if lists.has_values(kept):
        return [(line, each) for each, line in _rows(kept, named.ids).items()]
    return [(kept.line_of(place), each) for place, each in zip(named.places, named.ids, strict=True)]


def _rows(kept: DeviceList, ids: Sequence[str]) -> dict[str, int]:
    """Id -> its line. A table does not change, and reading a long one takes a while: what was found is remembered."""
    key = f"rows:{kept.pk}:{hashlib.sha256(json.dumps(ids).encode()).hexdigest()}"
    found: dict[str, int] | None = cache.get(key)
    if found is None:
        found = value_rows.lines_of(ValueTable.objects.get(pk=kept.pk).text, frozenset(ids))
        cache.set(key, found, FRESH_SECONDS)
    return found


def _whole(command: Command) -> Command | None:
    return command if all(command) else None
