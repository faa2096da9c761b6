"""What the catalogue says of a target's devices, whatever the command: their kinds and statuses, and who is unknown."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

from django.core.cache import cache
from django.db import connection
from django.db.models import Count, Q, QuerySet

from tasks import sets
from tasks.lifecycle import bulk
from tasks.models import Application, Device, DeviceList, Membership
from tasks.targets import MEMBERS, TargetType

from .kinds import Kind

GROUPED = {TargetType.GROUP_LIST: "name", TargetType.GROUP_ID_LIST: "group_id"}
"""Target types that name groups -> by what."""

NAMED = 3
"""Device ids that are named of those in doubt."""

LOOKED_UP = 100_000
"""Ids of a list that are looked up; of a longer one every second, third, ...: a page is there within a second."""

FRESH_SECONDS = 600
"""So long a survey is used again: the composer asks for it whenever a field changes."""


@dataclass(frozen=True)
class Survey:
    """``listed``, ``unknown`` and ``ids``, some of each kind, are of a list alone. Of one that is longer than what is
    looked up, all numbers but the first are estimates.
    """

    kinds: list[tuple[Kind, int]]
    statuses: list[tuple[str, int]]
    listed: int | None = None
    unknown: int = 0
    unknown_ids: tuple[str, ...] = ()
    ids: Mapping[Kind, list[str]] | None = None
    sampled: int = 1

    @property
    def known(self) -> int:
        return sum(count for _, count in self.kinds)


def survey(application: Application, param: Mapping[str, Any], kept: DeviceList | None) -> Survey:
    target = str(kept.pk) if kept else [param.get(name) for name in ("type", *MEMBERS[param["type"]])]
    asked = json.dumps([application.pk, str(application.catalogue_at), target])
    key = f"survey:{hashlib.sha256(asked.encode()).hexdigest()}"
    found: Survey | None = cache.get(key)
    if found is None:
        is_list = param["type"] == TargetType.DEVICE_LIST
        found = _of_list(application, param, kept) if is_list else _of_rule(_devices(application, param))
        cache.set(key, found, FRESH_SECONDS)
    return found


def some_of(
    found: Survey, application: Application, param: Mapping[str, Any], kinds: Collection[Kind]
) -> tuple[str, ...]:
    """The ids of some of the target's devices that are of these kinds."""
    if found.ids is not None:
        return tuple(chain.from_iterable(ids for kind, ids in found.ids.items() if kind in kinds))[:NAMED]
    wanted = Q(*(Q(**kind._asdict()) for kind in kinds), _connector=Q.OR)
    devices = _devices(application, param).filter(wanted).order_by()
    return tuple(devices.values_list("device_id", flat=True)[:NAMED]) if kinds else ()


def ids_of(param: Mapping[str, Any], kept: DeviceList | None) -> Sequence[str]:
    """The listed ids, each once."""
    return kept.ids if kept else list(dict.fromkeys(param["deviceList"]))


def listed(param: Mapping[str, Any], kept: DeviceList | None) -> int:
    """How many ids are listed."""
    return kept.count if kept else len(set(param["deviceList"]))


def _of_list(application: Application, param: Mapping[str, Any], kept: DeviceList | None) -> Survey:
    """Of a list the rows are counted here: SQLite, asked to group them, walks through the fleet kind by kind."""
    many = listed(param, kept)
    sampled = -(-many // LOOKED_UP) or 1
    every = chain.from_iterable(sets.pieces(kept.text)) if kept else iter(dict.fromkeys(param["deviceList"]))
    ids = list(islice(every, 0, None, sampled))
    rows = among(application.devices.all(), ids).order_by().values_list("device_id", *Kind._fields, "status")
    known: dict[str, Kind] = {}
    kinds: Counter[Kind] = Counter()
    statuses: Counter[str] = Counter()
    some: dict[Kind, list[str]] = {}
    for device_id, *kind, status in rows.iterator():
        known[device_id] = of_kind = Kind(*kind)
        kinds[of_kind] += sampled
        statuses[status] += sampled
        if len(named := some.setdefault(of_kind, [])) < NAMED:
            named.append(device_id)
    return Survey(
        kinds=_most_first(kinds),
        statuses=_most_first(statuses),
        listed=many,
        unknown=(len(ids) - len(known)) * sampled,
        unknown_ids=tuple(islice((device_id for device_id in ids if device_id not in known), NAMED)),
        ids=some,
        sampled=sampled,
    )


def _of_rule(devices: QuerySet[Device]) -> Survey:
    kinds: Counter[Kind] = Counter()
    statuses: Counter[str] = Counter()
    counted = devices.order_by().values_list(*Kind._fields, "status").annotate(count=Count("pk"))
    for *kind, status, count in counted:
        kinds[Kind(*kind)] += count
        statuses[status] += count
    return Survey(kinds=_most_first(kinds), statuses=_most_first(statuses))


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


def among(devices: QuerySet[Device], ids: Sequence[str]) -> QuerySet[Device]:
    """Those with one of very many ids, which travel as one parameter."""
    those, parameter = bulk.among("device_id", ids, connection)
    return devices.extra(where=[those], params=[parameter])  # noqa: S610


def _most_first(counts: Mapping[Any, int]) -> list[tuple[Any, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))
