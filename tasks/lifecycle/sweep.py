"""Find whatever is due and ring for it again: what makes a lost message, a dead worker or a crash harmless."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from django.db import transaction
from django.db.models import Min, Q, QuerySet

from tasks import clock
from tasks.bells import ring
from tasks.models import Callback, Heartbeat, Sync, Task
from tasks.states import State

from . import health
from .outcomes import unconfirmed
from .transitions import Overtaken, move

MOST = 200
"""Bells rung in one sweep for one kind of work; the rest is found by the next one."""


def sweep() -> None:
    """Take back what dead workers hold, then ring for all that is due. Any number of sweeps do no harm."""
    health.beat(Heartbeat.WORKER)
    now = clock.now()
    for task in Task.objects.abandoned(now)[:MOST]:
        _take_back(task, now)
    due = Task.objects.due(now).order_by().values("application").annotate(task=Min("pk"))
    for task_id in due.values_list("task", flat=True):
        ring("submit", task_id)  # one for each application: its queue decides
    for task_id in Task.objects.in_doubt(now).values_list("pk", flat=True)[:MOST]:
        ring("seek_evidence", task_id)
    for task_id in {*_with_news(), *_to_settle().values_list("pk", flat=True)[:MOST]}:
        ring("settle", task_id)
    for task_id in Task.objects.to_reconcile(now).order_by("poll_at").values_list("pk", flat=True)[:MOST]:
        ring("reconcile", task_id)
    readings = Sync.objects.filter(finished_at__isnull=True, due_at__lte=now)
    for sync_id in readings.order_by("due_at").values_list("pk", flat=True)[:MOST]:
        ring("read_catalogue", sync_id)


def _with_news() -> Iterator[int]:
    """The tasks for which callbacks wait. One look into the index for each: there may be millions of callbacks."""
    new = Callback.objects.filter(state=Callback.State.NEW).order_by("task_id", "id")
    task_id: int | None = 0
    for _ in range(MOST):
        task_id = new.filter(task_id__gt=task_id).values_list("task_id", flat=True).first()
        if task_id is None:
            return
        yield task_id


def _to_settle() -> QuerySet[Task]:
    """Tasks without news that settling takes further: their devices are not listed, or an answer proves them."""
    unsettled = Q(state=State.RUNNING, listed=False) | Q(state=State.UNCONFIRMED, last_push_at__isnull=False)
    return Task.objects.filter(unsettled, state__in=[State.RUNNING, State.UNCONFIRMED]).order_by()


def _take_back(task: Task, now: dt.datetime) -> None:
    """Its worker is gone. With an open attempt the request may have been sent; without one it was not."""
    try:
        with transaction.atomic():
            if task.attempts.filter(finished_at__isnull=True).exists():
                unconfirmed(task, "The worker was lost while the request was on its way.")
            else:
                move(
                    task,
                    State.QUEUED,
                    "The worker was lost before anything was sent.",
                    due_at=now,
                    lease_until=None,
                )
    except Overtaken:
        pass  # the worker came back in time, or another sweep was first
