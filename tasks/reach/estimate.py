"""How many devices a task will command, of which kinds, in which status; and how that is known, in words."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any

from django.db.models import Count

from tasks.models import Application, DeviceList
from tasks.targets import TargetType

from .kinds import Kind, verdicts
from .survey import GROUPED, Survey, listed, survey_of

SILENT = ("OFFLINE", "ABNORMAL", "INACTIVE")
"""Statuses of devices that have not reported for long: over NB-IoT ABNORMAL after 25 hours, OFFLINE after 49."""

NAMED = 3
"""Device ids that are named of those in doubt."""


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
    others. All these are estimates when only one in ``sampled`` ids was looked up.
    """

    count: int | None
    words: str
    as_of: dt.datetime | None = None
    parts: tuple[Part, ...] = ()
    statuses: Mapping[str, int] = field(default_factory=dict)
    unknown: int = 0
    unknown_ids: tuple[str, ...] = ()
    incompatible_ids: tuple[str, ...] = ()
    sampled: int = 1

    @property
    def known(self) -> int:
        return sum(self.statuses.values())

    @property
    def silent(self) -> int:
        return sum(self.statuses.get(status, 0) for status in SILENT)

    @property
    def incompatible(self) -> int:
        return sum(part.count for part in self.parts if part.knows is False)


def reach(application: Application, param: Mapping[str, Any], kept: DeviceList | None = None) -> Reach:
    """The reach of a ``param`` whose target is complete: exact for a list, an estimate from the catalogue for all else.

    ``kept`` stands for ``deviceList``, whose ids are then read only when they are needed.
    """
    target = TargetType(param["type"])
    kept = kept if target == TargetType.DEVICE_LIST else None
    if application.catalogue_at is None:
        if target == TargetType.DEVICE_LIST:
            return Reach(listed(param, kept), "as listed")
        return Reach(None, "not known: the catalogue of this application has not been read")
    groups = _groups(application, param) if target in GROUPED else {}
    if missing := [name for name in param.get("groupList", ()) if target in GROUPED and name not in groups]:
        return Reach(None, _missing(missing))
    found = survey_of(application, param, kept)
    knows = verdicts([kind for kind, _ in found.kinds], _command(param))
    at_most = sum(size for size, _ in groups.values())
    is_partly_known = at_most > sum(members for _, members in groups.values())
    words = WORDS[target]
    if is_partly_known:
        words = f"at most, as a device may be in several groups, {PARTLY}" if len(groups) > 1 else PARTLY
    return Reach(
        count=at_most if is_partly_known else found.known if found.listed is None else found.listed,
        words=words + _narrowing(param),
        as_of=application.catalogue_at,
        parts=tuple(Part(kind, named.total, knows[kind]) for kind, named in found.kinds),
        statuses=dict(found.statuses),
        unknown=found.unknown.total + found.foreign.total,
        unknown_ids=tuple((found.unknown.ids + found.foreign.ids)[:NAMED]),
        incompatible_ids=_some(found, [kind for kind in knows if knows[kind] is False]),
        sampled=found.sampled,
    )


WORDS: dict[TargetType, str] = {
    TargetType.DEVICE_LIST: "as listed",
    TargetType.DEVICE_TYPE: "by the catalogue",
    TargetType.DEVICE_AREA: "with exactly this location, by the catalogue; "
    "how the platform compares locations is not documented",
    TargetType.GROUP_LIST: "in these groups, by the catalogue",
    TargetType.GROUP_ID_LIST: "in these groups, by the catalogue",
    TargetType.BROADCAST: "by the catalogue",
}

PARTLY = "by the sizes of the groups; not all of their members are in the catalogue"


def _some(found: Survey, kinds: Collection[Kind]) -> tuple[str, ...]:
    ids = (named.ids for kind, named in found.kinds if kind in kinds)
    return tuple(islice(chain.from_iterable(ids), NAMED))


def _groups(application: Application, param: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    """Name -> the size of the groups of that name as the platform told it, and how many members are known."""
    column = GROUPED[TargetType(param["type"])]
    named = application.groups.filter(**{f"{column}__in": param["groupList"]}).order_by()
    found: dict[str, tuple[int, int]] = {}
    counted = named.annotate(members=Count("memberships"))
    for name, size, members in counted.values_list(column, "size", "members"):
        before = found.get(name, (0, 0))
        found[name] = before[0] + size, before[1] + min(size, members)
    return found


def _missing(names: Sequence[str]) -> str:
    shown = ", ".join(names[:NAMED]) + (", …" if names[NAMED:] else "")
    are = "group is" if len(names) == 1 else "groups are"
    return f"not known: {len(names):,} {are} not in the catalogue: {shown}"


def _narrowing(param: Mapping[str, Any]) -> str:
    return "; the group tag may narrow it, how is not documented" if param.get("groupTag") else ""


def _command(param: Mapping[str, Any]) -> tuple[str, str] | None:
    command = param.get("command", {})
    service_id, method = command.get("serviceId"), command.get("method")
    return (service_id, method) if service_id and method else None
