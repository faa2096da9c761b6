"""Which devices a command will come to, as far as the catalogue knows: how many, of what kind, in which status."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from django.core.cache import cache
from django.db import connection
from django.db.models import Count, Q, QuerySet

from tasks.lifecycle import bulk
from tasks.models import Application, Device, DeviceList, Profile
from tasks.targets import MEMBERS, TargetType

SILENT = ("OFFLINE", "ABNORMAL", "INACTIVE")
"""Statuses of devices that have not reported for long: over NB-IoT ABNORMAL after 25 hours, OFFLINE after 49."""

NAMED = 5
"""Device ids that are named of those in doubt."""

FRESH_SECONDS = 60
"""So long a survey is used again: the composer asks for it whenever a field changes."""


class Kind(NamedTuple):
    device_type: str
    manufacturer_id: str
    model: str


@dataclass(frozen=True)
class Part:
    """Devices of one kind. ``knows``: whether their profile has the command; None where nobody can tell."""

    kind: Kind
    count: int
    knows: bool | None = None


@dataclass(frozen=True)
class Reach:
    """How many devices a task will command: ``count`` is None where it is not known; ``words`` say how it is.

    ``parts`` and ``statuses`` tell of those that the catalogue knows, the most first; ``unknown`` of a list are the
    others.
    """

    count: int | None
    words: str
    as_of: dt.datetime | None = None
    parts: tuple[Part, ...] = ()
    statuses: Mapping[str, int] = field(default_factory=dict)
    unknown: int = 0
    unknown_ids: tuple[str, ...] = ()
    incompatible_ids: tuple[str, ...] = ()

    @property
    def known(self) -> int:
        return sum(self.statuses.values())

    @property
    def silent(self) -> int:
        return sum(self.statuses.get(status, 0) for status in SILENT)

    @property
    def incompatible(self) -> int:
        return sum(part.count for part in self.parts if part.knows is False)

    @property
    def untold(self) -> int:
        """Devices of a kind whose profile is not in the catalogue."""
        return sum(part.count for part in self.parts if part.knows is None)


@dataclass(frozen=True)
class Doubts:
    """Ids of a list in their order: not in the catalogue; of another application; of a kind that lacks the command."""

    unknown: list[str]
    foreign: list[str]
    incompatible: list[str]


def reach(application: Application, param: Mapping[str, Any], kept: DeviceList | None = None) -> Reach:
    """The reach of a ``param`` whose target is complete: exact for a list, an estimate from the catalogue for all else.

    ``kept`` stands for ``deviceList``, whose ids are then read only when they are needed.
    """
    target = TargetType(param["type"])
    kept = kept if target == TargetType.DEVICE_LIST else None
    if application.catalogue_at is None:
        if target == TargetType.DEVICE_LIST:
            return Reach(_listed(param, kept), "as listed")
        return Reach(None, "not known: the catalogue of this application has not been read")
    if target in (TargetType.GROUP_LIST, TargetType.GROUP_ID_LIST):
        return _reach_of_groups(application, target, param)
    survey = _survey(application, param, kept)
    verdicts = _verdicts([kind for kind, _ in survey.kinds], _command(param))
    incompatible = [kind for kind, knows in verdicts.items() if knows is False]
    return Reach(
        count=sum(count for _, count in survey.kinds) if survey.count is None else survey.count,
        words=WORDS[target].format(at=f"{application.catalogue_at:%Y-%m-%d %H:%M} UTC") + _narrowing(param),
        as_of=application.catalogue_at,
        parts=tuple(Part(kind, count, verdicts[kind]) for kind, count in survey.kinds),
        statuses=dict(survey.statuses),
        unknown=survey.unknown,
        unknown_ids=survey.unknown_ids,
        incompatible_ids=_some_of(application, param, kept, incompatible) if incompatible else (),
    )


WORDS: dict[TargetType, str] = {
    TargetType.DEVICE_LIST: "as listed",
    TargetType.DEVICE_TYPE: "by the catalogue as read {at}",
    TargetType.DEVICE_AREA: "with exactly this location, by the catalogue as read {at}; "
    "how the platform compares locations is not documented",
    TargetType.BROADCAST: "by the catalogue as read {at}",
}


def doubts(
    application: Application,
    ids: Sequence[str],
    profile: Profile | None,
    command: tuple[str, str] | None = None,
) -> Doubts:
    """What in a list of ids may be a mistake. Nothing is, as long as the catalogue was not read.

    With a ``command`` (service, method) a kind is incompatible when its own profile lacks it; without one, when it is
    not the kind of ``profile``.
    """
    if application.catalogue_at is None:
        return Doubts([], [], [])
    rows = _among(application.devices.all(), ids).order_by()
    kinds = {
        device_id: Kind(*kind)
        for device_id, *kind in rows.values_list("device_id", "device_type", "manufacturer_id", "model")
    }
    if command is not None:
        lacking = {kind for kind, knows in _verdicts(set(kinds.values()), command).items() if knows is False}
    elif profile is not None:
        lacking = set(kinds.values()) - {Kind(profile.device_type, profile.manufacturer_id, profile.model)}
    else:
        lacking = set()
    unknown = [device_id for device_id in ids if device_id not in kinds]
    elsewhere = Device.objects.filter(application__in=Application.objects.exclude(pk=application.pk))
    others = set(_among(elsewhere, unknown).values_list("device_id", flat=True)) if unknown else set()
    return Doubts(
        unknown=[device_id for device_id in unknown if device_id not in others],
        foreign=[device_id for device_id in unknown if device_id in others],
        incompatible=[device_id for device_id in ids if kinds.get(device_id) in lacking] if lacking else [],
    )


@dataclass(frozen=True)
class _Survey:
    """What the catalogue says of a target's devices, whatever the command."""

    count: int | None
    kinds: list[tuple[Kind, int]]
    statuses: list[tuple[str, int]]
    unknown: int
    unknown_ids: tuple[str, ...]


def _survey(application: Application, param: Mapping[str, Any], kept: DeviceList | None) -> _Survey:
    target = str(kept.pk) if kept else [param.get(name) for name in ("type", *MEMBERS[param["type"]])]
    asked = json.dumps([application.pk, str(application.catalogue_at), target])
    key = f"reach:{hashlib.sha256(asked.encode()).hexdigest()}"
    survey: _Survey | None = cache.get(key)
    if survey is None:
        survey = _surveyed(application, param, kept)
        cache.set(key, survey, FRESH_SECONDS)
    return survey


def _surveyed(application: Application, param: Mapping[str, Any], kept: DeviceList | None) -> _Survey:
    ids = _ids(param, kept)
    devices = _devices(application, param, ids).order_by()
    kinds: dict[Kind, int] = {}
    statuses: dict[str, int] = {}
    columns = ("device_type", "manufacturer_id", "model", "status")
    for *kind, status, count in devices.values_list(*columns).annotate(count=Count("pk")):
        kinds[Kind(*kind)] = kinds.get(Kind(*kind), 0) + count
        statuses[status] = statuses.get(status, 0) + count
    unknown = len(ids) - sum(kinds.values()) if ids is not None else 0
    return _Survey(
        count=None if ids is None else len(ids),
        kinds=_most_first(kinds),
        statuses=_most_first(statuses),
        unknown=unknown,
        unknown_ids=_first_unknown(devices, ids) if ids and unknown else (),
    )


def _devices(
    application: Application, param: Mapping[str, Any], ids: Sequence[str] | None
) -> QuerySet[Device]:
    devices = application.devices.all()
    if ids is not None:
        return _among(devices, ids)
    match TargetType(param["type"]):
        case TargetType.DEVICE_TYPE:
            return devices.filter(
                device_type=param["deviceType"], manufacturer_id=param["manufacturerId"], model=param["model"]
            )
        case TargetType.DEVICE_AREA:
            return devices.filter(location=param["deviceLocation"])
    return devices


def _among(devices: QuerySet[Device], ids: Sequence[str]) -> QuerySet[Device]:
    """Those with one of very many ids, which travel as one parameter."""
    those, parameter = bulk.among("device_id", ids, connection)
    return devices.extra(where=[those], params=[parameter])  # noqa: S610


def _first_unknown(devices: QuerySet[Device], ids: Sequence[str]) -> tuple[str, ...]:
    known = set(devices.values_list("device_id", flat=True))
    first = (device_id for device_id in ids if device_id not in known)
    return tuple(device_id for device_id, _ in zip(first, range(NAMED), strict=False))


def _some_of(
    application: Application, param: Mapping[str, Any], kept: DeviceList | None, kinds: Iterable[Kind]
) -> tuple[str, ...]:
    wanted = Q()
    for kind in kinds:
        wanted |= Q(**kind._asdict())
    devices = _devices(application, param, _ids(param, kept)).filter(wanted)
    return tuple(devices.order_by().values_list("device_id", flat=True)[:NAMED])


def _reach_of_groups(application: Application, target: TargetType, param: Mapping[str, Any]) -> Reach:
    """The sum of the sizes that the platform told: which devices these are is not in the catalogue."""
    named = "name" if target == TargetType.GROUP_LIST else "group_id"
    wanted = list(dict.fromkeys(param["groupList"]))
    known = list(application.groups.filter(**{f"{named}__in": wanted}).values_list(named, "size"))
    if missing := [name for name in wanted if name not in dict(known)]:
        shown = ", ".join(missing[:NAMED]) + (", …" if missing[NAMED:] else "")
        are = "group is" if len(missing) == 1 else "groups are"
        return Reach(None, f"not known: {len(missing):,} {are} not in the catalogue: {shown}")
    most = "at most, as a device may be in several of these groups; " if len(known) > 1 else ""
    words = f"{most}by the sizes of the groups as read {application.catalogue_at:%Y-%m-%d %H:%M} UTC"
    return Reach(sum(size for _, size in known), words + _narrowing(param), application.catalogue_at)


def _narrowing(param: Mapping[str, Any]) -> str:
    return "; the group tag may narrow it, how is not documented" if param.get("groupTag") else ""


def _verdicts(kinds: Iterable[Kind], command: tuple[str, str] | None) -> dict[Kind, bool | None]:
    """Kind -> whether its profile has the command; None without a profile, or as long as no command is chosen."""
    found: dict[Kind, bool | None] = dict.fromkeys(kinds)
    if command is None or not found:
        return found
    columns = {f"{name}__in": {getattr(kind, name) for kind in found} for name in Kind._fields}
    for *kind, definition in Profile.objects.filter(**columns).values_list(*Kind._fields, "definition"):
        if Kind(*kind) in found:
            found[Kind(*kind)] = _has(definition, *command)
    return found


def _has(definition: Mapping[str, Any], service_id: str, method: str) -> bool:
    return any(
        service["id"] == service_id and any(command["name"] == method for command in service["commands"])
        for service in definition["services"]
    )


def _command(param: Mapping[str, Any]) -> tuple[str, str] | None:
    command = param.get("command", {})
    service_id, method = command.get("serviceId"), command.get("method")
    return (service_id, method) if service_id and method else None


def _ids(param: Mapping[str, Any], kept: DeviceList | None) -> Sequence[str] | None:
    if param["type"] != TargetType.DEVICE_LIST:
        return None
    return kept.ids if kept else list(dict.fromkeys(param["deviceList"]))


def _listed(param: Mapping[str, Any], kept: DeviceList | None) -> int:
    return kept.count if kept else len(set(param["deviceList"]))


def _most_first(counts: Mapping[Any, int]) -> list[tuple[Any, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))
