"""What the catalogue says of a target's devices, whatever the command: their kinds and statuses, and who is unknown."""

from __future__ import annotations

import hashlib
import json
from array import array
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any, NamedTuple

from django.core.cache import cache
from django.db import connection
from django.db.models import Count, Min, QuerySet

from tasks import sets
from tasks.lifecycle import bulk
from tasks.models import Application, Device, DeviceList, Membership
from tasks.targets import MEMBERS, TargetType

from .kinds import Kind

GROUPED = {TargetType.GROUP_LIST: "name", TargetType.GROUP_ID_LIST: "group_id"}
"""Target types that name groups -> by what."""

SHOWN = 200
"""Ids that are kept of each kind of a list, and of those in doubt."""

LOOKED_UP = 100_000
"""Ids of a list that are looked up; of a longer one every second, third, ...: a page is there within a second."""

TOGETHER = 50_000
"""Ids that are looked up in one go, so that a list of any length takes little memory."""

EXAMPLES = 1000
"""Kinds in a status of which one device is named, the most frequent ones."""

FRESH_SECONDS = 600
"""So long a survey is used again: the composer asks for it whenever a field changes."""

Counted = list[Any]
"""[deviceType, manufacturerId, model, status, devices, the id of one of them]"""


class Named(NamedTuple):
    """How many devices, the ids of some of them, one a line, and of a list their places in it, counted from 0.

    As texts and arrays, since a survey of hundreds of kinds is remembered and read anew at each keystroke.
    """

    total: int
    text: str = ""
    places: Sequence[int] = ()

    @property
    def ids(self) -> list[str]:
        return self.text.split("\n") if self.text else []


NOBODY = Named(0)


class LookedUp(NamedTuple):
    """Some listed ids; of each that the application's catalogue knows its id, kind and status; which others know.

    Kinds are plain tuples in it, as equal to ``Kind`` as quick to make: a list has a million.
    """

    ids: list[str]
    known: dict[str, tuple[str, ...]]
    foreign: Collection[str]


@dataclass(frozen=True)
class Survey:
    """``kinds``, the most first, and ``statuses`` are of the devices that the catalogue of the application knows.

    ``listed``, and the rest of the list, ``unknown`` and ``foreign`` (known to another application), are of a list
    alone. When only one in ``sampled`` ids was looked up, all numbers but the first are estimates.
    """

    kinds: list[tuple[Kind, Named]]
    statuses: list[tuple[str, int]]
    listed: int | None = None
    unknown: Named = NOBODY
    foreign: Named = NOBODY
    sampled: int = 1

    @property
    def known(self) -> int:
        return sum(named.total for _, named in self.kinds)


def survey_of(
    application: Application, param: Mapping[str, Any], kept: DeviceList | None, *, is_whole: bool = False
) -> Survey:
    """Remembered for a while. The ``is_whole`` one looks every id of a list up, however long it is."""
    target = str(kept.pk) if kept else [param.get(name) for name in ("type", *MEMBERS[param["type"]])]
    asked = json.dumps([application.pk, str(application.catalogue_at), target])
    key = f"survey:{hashlib.sha256(asked.encode()).hexdigest()}"
    found: Survey | None = cache.get(key)
    if found is None or (is_whole and found.sampled > 1):
        is_list = param["type"] == TargetType.DEVICE_LIST
        found = (
            _of_list(application, param, kept, is_whole=is_whole) if is_list else _of_rule(application, param)
        )
        cache.set(key, found, FRESH_SECONDS)
    return found


def ids_of(param: Mapping[str, Any], kept: DeviceList | None) -> Sequence[str]:
    """The listed ids, each once."""
    return kept.ids if kept else list(dict.fromkeys(param["deviceList"]))


def listed(param: Mapping[str, Any], kept: DeviceList | None) -> int:
    """How many ids are listed."""
    return kept.count if kept else len(set(param["deviceList"]))


def counted(devices: QuerySet[Device]) -> list[Counted]:
    """Of each kind in each status how many they are, the most first; the index ``device_reach`` alone tells it."""
    rows = devices.order_by().values_list(*Kind._fields, "status").annotate(count=Count("pk"), one=Min("pk"))
    found = sorted(rows, key=lambda row: (-row[4], row[:4]))
    some = Device.objects.filter(pk__in=[row[5] for row in found[:EXAMPLES]])
    names = dict(some.values_list("pk", "device_id"))
    return [[*row[:5], names.get(row[5], "")] for row in found]


@dataclass
class _Tally:
    total: int = 0
    ids: list[str] = field(default_factory=list)
    places: list[int] = field(default_factory=list)

    def add(self, device_id: str, place: int) -> None:
        self.total += 1
        if self.total <= SHOWN:
            self.ids.append(device_id)
            self.places.append(place)

    def named(self, sampled: int = 1) -> Named:
        return Named(self.total * sampled, "\n".join(self.ids), array("Q", self.places))


def _of_list(
    application: Application, param: Mapping[str, Any], kept: DeviceList | None, *, is_whole: bool
) -> Survey:
    """Of a list the rows are counted here: SQLite, asked to group them, walks through the fleet kind by kind."""
    many = listed(param, kept)
    sampled = 1 if is_whole else -(-many // LOOKED_UP) or 1
    every = chain.from_iterable(sets.pieces(kept.text)) if kept else iter(dict.fromkeys(param["deviceList"]))
    ids = islice(every, 0, None, sampled)
    kinds: defaultdict[tuple[str, ...], _Tally] = defaultdict(_Tally)
    statuses: Counter[str] = Counter()
    unknown, foreign = _Tally(), _Tally()
    place = 0
    for some in looked_up(application, ids):
        for device_id in some.ids:
            row = some.known.get(device_id)
            if row is None:
                (foreign if device_id in some.foreign else unknown).add(device_id, place)
            else:
                kinds[row[1:4]].add(device_id, place)
                statuses[row[4]] += sampled
            place += sampled
    return Survey(
        kinds=_kinds_first(kinds, sampled),
        statuses=_statuses_first(statuses),
        listed=many,
        unknown=unknown.named(sampled),
        foreign=foreign.named(sampled),
        sampled=sampled,
    )


def _of_rule(application: Application, param: Mapping[str, Any]) -> Survey:
    kinds: defaultdict[tuple[str, ...], _Tally] = defaultdict(_Tally)
    statuses: Counter[str] = Counter()
    for *of_kind, status, count, one in _parts(application, param):
        statuses[status] += count
        tally = kinds[tuple(of_kind)]
        tally.total += count
        tally.ids += [one] if one else []
    return Survey(_kinds_first(kinds), _statuses_first(statuses))


def _parts(application: Application, param: Mapping[str, Any]) -> Iterable[Counted]:
    """Of the whole fleet and of a kind the census of the last reading tells, without asking the devices."""
    target, census = TargetType(param["type"]), getattr(application, "census", None)
    if census is not None and target == TargetType.BROADCAST:
        return census.parts
    if census is not None and target == TargetType.DEVICE_TYPE:
        kind = [param["deviceType"], param["manufacturerId"], param["model"]]
        return [part for part in census.parts if part[:3] == kind]
    return counted(_devices(application, param))


def _devices(application: Application, param: Mapping[str, Any]) -> QuerySet[Device]:
    """Those that a target means that names no devices."""
    devices = application.devices.all()
    target = TargetType(param["type"])
    match target:
        case TargetType.GROUP_LIST | TargetType.GROUP_ID_LIST:
            named = {f"group__{GROUPED[target]}__in": param["groupList"]}
            members = Membership.objects.filter(group__application=application, **named)
            return devices.filter(pk__in=members.values("device_id"))
        case TargetType.DEVICE_TYPE:
            return devices.filter(
                device_type=param["deviceType"], manufacturer_id=param["manufacturerId"], model=param["model"]
            )
        case TargetType.DEVICE_AREA:
            there = devices.filter(location=param["deviceLocation"])
            return devices.filter(pk__in=there.values("pk"))  # or SQLite walks through the fleet kind by kind
    return devices


def looked_up(application: Application, ids: Iterable[str]) -> Iterator[LookedUp]:
    """What is known of these ids, so many at a time, in their order."""
    ids = iter(ids)
    others = Device.objects.filter(application__in=Application.objects.exclude(pk=application.pk))
    while some := list(islice(ids, TOGETHER)):
        rows = _among(application.devices.all(), some).values_list("device_id", *Kind._fields, "status")
        known = {row[0]: row for row in rows}
        unknown = [device_id for device_id in some if device_id not in known]
        foreign = set(_among(others, unknown).values_list("device_id", flat=True)) if unknown else ()
        yield LookedUp(some, known, foreign)


def _among(devices: QuerySet[Device], ids: Sequence[str]) -> QuerySet[Device]:
    """Those with one of very many ids, which travel as one parameter."""
    those, parameter = bulk.among("device_id", ids, connection)
    return devices.order_by().extra(where=[those], params=[parameter])  # noqa: S610


def _kinds_first(tallies: Mapping[tuple[str, ...], _Tally], sampled: int = 1) -> list[tuple[Kind, Named]]:
    found = {Kind(*kind): tally.named(sampled) for kind, tally in tallies.items()}
    return sorted(found.items(), key=lambda item: (-item[1].total, item[0]))


def _statuses_first(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))
