"""What the catalogue says of a target's devices, whatever the command: their kinds and statuses, and who is unknown."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.cache import cache
from django.db import connection
from django.db.models import Count, Q, QuerySet

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
    """``count`` is of a list alone; all else is an estimate when only one in ``sampled`` ids was looked up."""

    count: int | None
    kinds: list[tuple[Kind, int]]
    statuses: list[tuple[str, int]]
    unknown: int
    unknown_ids: tuple[str, ...]
    sampled: int

    @property
    def known(self) -> int:
        return sum(count for _, count in self.kinds)


def survey(application: Application, param: Mapping[str, Any], kept: DeviceList | None) -> Survey:
    target = str(kept.pk) if kept else [param.get(name) for name in ("type", *MEMBERS[param["type"]])]
    asked = json.dumps([application.pk, str(application.catalogue_at), target])
    key = f"reach:{hashlib.sha256(asked.encode()).hexdigest()}"
    found: Survey | None = cache.get(key)
    if found is None:
        found = _surveyed(application, param, kept)
        cache.set(key, found, FRESH_SECONDS)
    return found


def some_of(
    application: Application, param: Mapping[str, Any], kept: DeviceList | None, kinds: Iterable[Kind]
) -> tuple[str, ...]:
    """The ids of some of the target's devices that are of these kinds."""
    wanted = Q()
    for kind in kinds:
        wanted |= Q(**kind._asdict())
    devices = _devices(application, param, _sample(param, kept)[0]).filter(wanted)
    return tuple(devices.order_by().values_list("device_id", flat=True)[:NAMED])


def ids_of(param: Mapping[str, Any], kept: DeviceList | None) -> Sequence[str]:
    """The listed ids, each once."""
    return kept.ids if kept else list(dict.fromkeys(param["deviceList"]))


def listed(param: Mapping[str, Any], kept: DeviceList | None) -> int:
    """How many ids are listed."""
    return kept.count if kept else len(set(param["deviceList"]))


def _surveyed(application: Application, param: Mapping[str, Any], kept: DeviceList | None) -> Survey:
    ids, sampled = _sample(param, kept)
    devices = _devices(application, param, ids).order_by()
    kinds: dict[Kind, int] = {}
    statuses: dict[str, int] = {}
    columns = ("device_type", "manufacturer_id", "model", "status")
    for *kind, status, count in devices.values_list(*columns).annotate(count=Count("pk")):
        kinds[Kind(*kind)] = kinds.get(Kind(*kind), 0) + count * sampled
        statuses[status] = statuses.get(status, 0) + count * sampled
    unknown = len(ids) * sampled - sum(kinds.values()) if ids is not None else 0
    return Survey(
        count=None if ids is None else listed(param, kept),
        kinds=_most_first(kinds),
        statuses=_most_first(statuses),
        unknown=unknown,
        unknown_ids=_first_unknown(devices, ids) if ids and unknown else (),
        sampled=sampled,
    )


def _devices(
    application: Application, param: Mapping[str, Any], ids: Sequence[str] | None
) -> QuerySet[Device]:
    devices = application.devices.all()
    if ids is not None:
        return among(devices, ids)
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
            return devices.filter(location=param["deviceLocation"])
    return devices


def among(devices: QuerySet[Device], ids: Sequence[str]) -> QuerySet[Device]:
    """Those with one of very many ids, which travel as one parameter."""
    those, parameter = bulk.among("device_id", ids, connection)
    return devices.extra(where=[those], params=[parameter])  # noqa: S610


def _first_unknown(devices: QuerySet[Device], ids: Sequence[str]) -> tuple[str, ...]:
    known = set(devices.values_list("device_id", flat=True))
    first = (device_id for device_id in ids if device_id not in known)
    return tuple(device_id for device_id, _ in zip(first, range(NAMED), strict=False))


def _sample(param: Mapping[str, Any], kept: DeviceList | None) -> tuple[Sequence[str] | None, int]:
    """The ids to look up, of a list, and for how many each of them stands."""
    if param["type"] != TargetType.DEVICE_LIST:
        return None, 1
    ids = ids_of(param, kept)
    each = -(-len(ids) // LOOKED_UP) or 1
    return ids[::each], each


def _most_first(counts: Mapping[Any, int]) -> list[tuple[Any, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))
