"""Whether the same command is already on its way to the devices of a task that is being composed."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.core.cache import cache
from django.db.models import F

from tasks.models import Application, DeviceList, Origin, Result, Task
from tasks.platform.pushes import FINAL_STATUSES
from tasks.reach import FRESH_SECONDS, Kind, Reach, ids_of
from tasks.states import State
from tasks.targets import TargetType

ON_ITS_WAY = (State.QUEUED, State.SUBMITTING, State.UNCONFIRMED, State.RUNNING)
GROUPS = (TargetType.GROUP_LIST, TargetType.GROUP_ID_LIST)

LOOKED_AT = 20
"""Tasks with the same command that are looked at, the newest first."""

COLUMNS = ("name", "state", "target_type", "target", "expected", "counts")
"""Of each other task what is compared and shown, as this is asked at every keystroke."""

COMPARED = 1_000_000
"""Device ids of other tasks that are read for one answer; whether tasks beyond it share devices is left open."""


@dataclass(frozen=True)
class Overlap:
    """``task`` sends the same command to some of the same devices: surely, or only perhaps.

    ``shared`` is how many are known to be the same and have not answered yet; None where that is not known.
    """

    task: Task
    is_sure: bool
    shared: int | None = None


def overlaps(
    application: Application,
    param: Mapping[str, Any],
    reach: Reach,
    kept: DeviceList | None = None,
    *,
    besides: Collection[int] = (),
) -> list[Overlap]:
    """Unfinished tasks with the command of ``param`` that may reach the same devices, newest first.

    ``besides`` are the ids of the tasks that a rerun comes from: what it chose has answered, or never got the command.
    Other reruns of them are left to those who compose one: ``lineage`` tells them.
    """
    command = param.get("command", {})
    others = Task.objects.filter(
        application=application,
        state__in=ON_ITS_WAY,
        service_id=command.get("serviceId", ""),
        method=command.get("method", ""),
    )
    if besides:
        reruns = Origin.objects.filter(parent__in=besides).order_by().values("task")
        others = others.exclude(pk__in=besides).exclude(pk__in=reruns)
    # By a sum, not by the column: for that order's sake SQLite would walk through all tasks of the application.
    found, left = [], COMPARED
    for other in others.only(*COLUMNS).order_by((F("pk") + 0).desc())[:LOOKED_AT]:
        overlap = _overlap(other, param, reach, kept, left)
        if other.target_type == param["type"] == TargetType.DEVICE_LIST:
            left -= other.expected or 0
        if overlap:
            found.append(overlap)
    return found


def _overlap(
    other: Task, param: Mapping[str, Any], reach: Reach, kept: DeviceList | None, left: int
) -> Overlap | None:
    mine, theirs = TargetType(param["type"]), TargetType(other.target_type)
    if mine == theirs == TargetType.DEVICE_LIST:
        if (other.expected or 0) > left:
            return Overlap(other, is_sure=False)
        shared = _shared(other, param, kept)
        return Overlap(other, is_sure=True, shared=shared) if shared else None
    if theirs == TargetType.BROADCAST:
        return Overlap(other, is_sure=True, shared=reach.count)
    if mine == TargetType.BROADCAST:
        return Overlap(other, is_sure=True, shared=other.expected)
    if mine == theirs:
        return _of_the_same_type(other, param, reach)
    if mine == TargetType.DEVICE_LIST and theirs == TargetType.DEVICE_TYPE:
        return _listed_of_a_kind(other, reach)
    return Overlap(other, is_sure=False)


def _of_the_same_type(other: Task, param: Mapping[str, Any], reach: Reach) -> Overlap | None:
    if all(param.get(name) == value for name, value in other.target.items()):
        return Overlap(other, is_sure=True, shared=reach.count)
    if other.target_type in GROUPS:
        return Overlap(other, is_sure=not set(param["groupList"]).isdisjoint(other.target["groupList"]))
    return None if other.target_type == TargetType.DEVICE_TYPE else Overlap(other, is_sure=False)


def _listed_of_a_kind(other: Task, reach: Reach) -> Overlap | None:
    """As many as the catalogue knows of that kind in the list; of those that it does not know, nobody can tell."""
    wanted = Kind(*(other.target[name] for name in ("deviceType", "manufacturerId", "model")))
    shared = sum(part.count for part in reach.parts if part.kind == wanted)
    if shared:
        return Overlap(other, is_sure=True, shared=shared)
    return None if reach.known and not reach.unknown else Overlap(other, is_sure=False)


def _shared(other: Task, param: Mapping[str, Any], kept: DeviceList | None) -> int:
    """Devices on both lists that have not answered the other task. Neither list changes, so the count is kept."""
    key = f"underway:{kept.pk if kept else ''}:{other.pk}:{other.answered}"
    shared: int | None = cache.get(key) if kept else None
    if shared is None:
        shared = len(set(ids_of(param, kept)).intersection(_waiting(other)))
        if kept:
            cache.set(key, shared, FRESH_SECONDS)
    return shared


def _waiting(task: Task) -> Iterable[str]:
    if not task.answered:
        ids: list[str] = json.loads(task.request_body)["param"]["deviceList"]
        return ids
    results = Result.objects.filter(task=task, unexpected=False).exclude(status__in=FINAL_STATUSES).order_by()
    return results.values_list("device_id", flat=True).iterator(chunk_size=10_000)
