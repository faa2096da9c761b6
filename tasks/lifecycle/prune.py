"""Forget what is past its age: raw bodies, results, whole tasks with their audit, and drafts that nobody sent.

Rows go by the chunk, each in a short transaction of its own, with a pause in which others get the write lock. What is
due is read from the rows, so a prune that was stopped is resumed by the next one. A task that is not final is never
touched, nor a callback that is not settled.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.conf import settings
from django.db import models, router, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from tasks import clock
from tasks.models import Callback, DeviceList, Draft, Family, Result, Tally, Task, ValueTable
from tasks.states import FINAL

CHUNK = 100
"""Rows of one transaction: few, because whoever wants the write lock meanwhile waits for its end."""

READ_AT_ONCE = 1000
TASKS_AT_ONCE = 20
HEAVY = 100_000
"""Devices after which no further task joins a transaction: their requests are long."""

LEAST_PAUSE = 0.005


@dataclass(frozen=True)
class Chunk:
    """Rows that go together: how many they are at most, and what deletes them and says how many they were."""

    size: int
    delete: Callable[[], int]


@dataclass(frozen=True)
class Kind:
    """What is kept for one age: its words, the setting with that age, and the chunks older than a moment."""

    name: str
    words: str
    setting: str
    due: Callable[[dt.datetime], Iterator[Chunk]]

    @property
    def age(self) -> dt.timedelta | None:
        """None keeps it for ever."""
        return getattr(settings, self.setting)


def prune(kinds: Collection[Kind], *, seconds: float = float("inf")) -> dict[str, int]:
    """Delete what is past its age; the rows deleted of each kind. Ends after so many seconds, done or not."""
    over = time.monotonic() + seconds
    deleted = {}
    for kind, chunks in _due(kinds):
        deleted[kind.name] = 0
        for chunk in chunks:
            started = time.monotonic()
            deleted[kind.name] += chunk.delete()
            if time.monotonic() > over:
                return deleted
            time.sleep(max(time.monotonic() - started, LEAST_PAUSE))
    return deleted


def count(kinds: Collection[Kind], *, seconds: float) -> dict[str, tuple[int, bool]]:
    """How much a prune would delete of each kind, and whether that is all: a kind is counted for so many seconds."""
    found = {}
    for kind, chunks in _due(kinds):
        over, number, is_all = time.monotonic() + seconds, 0, True
        for chunk in chunks:
            number += chunk.size
            if time.monotonic() > over:
                is_all = False
                break
        found[kind.name] = number, is_all
    return found


def _due(kinds: Collection[Kind]) -> Iterator[tuple[Kind, Iterator[Chunk]]]:
    now = clock.now()
    for kind in kinds:
        if kind.age is not None:
            yield kind, kind.due(now - kind.age)


def _bodies(before: dt.datetime) -> Iterator[Chunk]:
    settled = Callback.objects.exclude(state=Callback.State.NEW)
    for page in _pages(settled, "received_at", before, "task_id"):
        tasks = Task.objects.filter(pk__in={task_id for _, _, task_id in page})
        unfinished = set(tasks.exclude(state__in=FINAL).values_list("pk", flat=True))
        for ids in _split([pk for _, pk, task_id in page if task_id not in unfinished]):
            yield Chunk(len(ids), partial(_delete, settled.filter(pk__in=ids)))


def _results(before: dt.datetime) -> Iterator[Chunk]:
    """Results of the tasks that ended first; those of many small tasks share a chunk."""
    ids: list[int] = []
    tasks: set[int] = set()
    for page in _pages(Task.objects.filter(state__in=FINAL), "finished_at", before):
        for task_id in _with_results([pk for _, pk in page]):
            last = 0
            while found := _ids(Result.objects.filter(task=task_id, pk__gt=last), CHUNK - len(ids)):
                ids, last = ids + found, found[-1]
                tasks.add(task_id)
                if len(ids) == CHUNK:
                    yield Chunk(len(ids), partial(_delete_results, tasks, ids))
                    tasks, ids = set(), []
    if ids:
        yield Chunk(len(ids), partial(_delete_results, tasks, ids))


def _delete_results(tasks: set[int], ids: list[int]) -> int:
    """The tasks are marked with the first of their results: from then on no answer comes back to life."""
    with transaction.atomic():
        final = _lock_final(tasks)
        unsettled = Callback.objects.filter(task_id__in=final, state=Callback.State.NEW)
        final = sorted({*final} - {*unsettled.values_list("task_id", flat=True)})
        Task.objects.filter(pk__in=final, results_pruned_at=None).update(results_pruned_at=clock.now())
        return _delete(Result.objects.filter(pk__in=ids, task__in=final))


def _tasks(before: dt.datetime) -> Iterator[Chunk]:
    for page in _pages(Task.objects.filter(state__in=FINAL), "finished_at", before, "expected"):
        ids: list[int] = []
        devices = 0
        for _, pk, expected in page:
            ids.append(pk)
            devices += expected or 0
            if devices > HEAVY or len(ids) == TASKS_AT_ONCE:
                yield Chunk(len(ids), partial(_delete_tasks, ids))
                ids, devices = [], 0
        if ids:
            yield Chunk(len(ids), partial(_delete_tasks, ids))


def _delete_tasks(ids: list[int]) -> int:
    """Those of which neither results nor bodies are left, each with its transitions and attempts at once."""
    heard = Callback.objects.filter(task_id__in=ids).values_list("task_id", flat=True)
    bare = {*ids} - {*heard} - {*_with_results(ids)}
    while tallies := _ids(Tally.objects.filter(task__in=bare), CHUNK):
        _delete(Tally.objects.filter(pk__in=tallies))
    with transaction.atomic():
        final = _lock_final(bare)
        for relation in Task._meta.related_objects:
            name = relation.field.name
            rows = relation.related_model._default_manager.filter(**{f"{name}__in": final})
            if relation.on_delete is models.SET_NULL:
                rows.update(**{name: None})
            elif relation.on_delete is models.CASCADE:
                _delete(rows)
        families = Family.objects.filter(tasks__in=final).order_by().values_list("pk", flat=True).distinct()
        of_them = list(families)
        deleted = _delete(Task.objects.filter(pk__in=final))
        others = Task.objects.filter(family=OuterRef("pk"))
        _delete(Family.objects.filter(~Exists(others), pk__in=of_them))
        return deleted


def _drafts(before: dt.datetime) -> Iterator[Chunk]:
    """Drafts that were not saved since, and device lists that no younger draft, no template and no name holds."""
    for page in _pages(Draft.objects.all(), "saved_at", before):
        for ids in _split([pk for _, pk in page]):
            yield Chunk(len(ids), partial(_delete, Draft.objects.filter(pk__in=ids, saved_at__lt=before)))
    younger = Draft.objects.filter(saved_at__gte=before).values_list("values", flat=True)
    named = {key for values in younger for key in values.get("device_list", ())}
    for page in _pages(DeviceList.objects.filter(templates=None, list_version=None), "created_at", before):
        for _, pk in page:
            if str(pk) not in named:
                yield Chunk(1, partial(_delete_list, pk))


def _delete_list(pk: Any) -> int:
    """A list of devices, with the values that were given for them."""
    with transaction.atomic():
        _delete(ValueTable.objects.filter(pk=pk))
        return _delete(DeviceList.objects.filter(pk=pk))


BODIES = Kind("bodies", "raw callback bodies", "KEEP_BODIES", _bodies)
RESULTS = Kind("results", "results of devices", "KEEP_RESULTS", _results)
AUDIT = Kind("audit", "tasks with their transitions and attempts", "KEEP_AUDIT", _tasks)
DRAFTS = Kind("drafts", "drafts and device lists", "KEEP_DRAFTS", _drafts)

KINDS = (BODIES, RESULTS, AUDIT, DRAFTS)
"""In this order: a task goes when nothing else of it is left."""


def _pages(
    rows: QuerySet[Any], moment: str, before: dt.datetime, *more: str
) -> Iterator[list[tuple[Any, ...]]]:
    """(moment, id, more) of the rows from before, oldest first; rows that were deleted meanwhile do not matter."""
    rows = rows.filter(**{f"{moment}__lt": before}).order_by(moment, "pk")
    page = list(rows.values_list(moment, "pk", *more)[:READ_AT_ONCE])
    while page:
        yield page
        at, pk = page[-1][:2]
        onward = Q(**{f"{moment}__gt": at}) | Q(**{moment: at, "pk__gt": pk})
        page = list(
            rows.filter(onward, **{f"{moment}__gte": at}).values_list(moment, "pk", *more)[:READ_AT_ONCE]
        )


def _split(ids: list[Any]) -> Iterator[list[Any]]:
    for start in range(0, len(ids), CHUNK):
        yield ids[start : start + CHUNK]


def _with_results(tasks: Collection[int]) -> QuerySet[Any]:
    of_task = Result.objects.filter(task=OuterRef("pk"))
    return Task.objects.filter(Exists(of_task), pk__in=tasks).order_by("pk").values_list("pk", flat=True)


def _ids(rows: QuerySet[Any], most: int) -> list[int]:
    return list(rows.order_by("pk").values_list("pk", flat=True)[:most])


def _lock_final(tasks: Collection[int]) -> list[int]:
    """Those of the tasks that are final, locked until the transaction ends."""
    locked = Task.objects.select_for_update().filter(pk__in=tasks, state__in=FINAL).order_by("pk")
    return list(locked.values_list("pk", flat=True))


def _delete(rows: QuerySet[Any]) -> int:
    """By one statement; ``QuerySet.delete`` would read all rows first, and those that point to them."""
    return rows.order_by()._raw_delete(router.db_for_write(rows.model)) or 0
