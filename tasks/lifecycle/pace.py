"""How often the platform is asked about a task: rarely while its pushes tell, more when they fall silent.

The arithmetic, for the usual 100 calls a minute and ten unfinished tasks. While pushes flow, ten tasks cost 2
questions a minute. When all of them have just fallen silent they cost 40, after two minutes 20, after ten minutes
10, and after an hour 5; past their deadline 20 again. ``SHARE`` keeps it at 40 whatever the limits and however many
tasks run: of n tasks each is asked every n / 40 minutes at most. Reading devices comes on top, but all of it together
leaves 20 calls to submissions, and 50 while one is waiting for a call (``budget``).
"""

from __future__ import annotations

import datetime as dt

from tasks import clock
from tasks.models import Callback, Task
from tasks.platform.answers import OVER
from tasks.states import State

from . import queue

SECOND, MINUTE = dt.timedelta(seconds=1), dt.timedelta(minutes=1)

FLOWING = 30 * SECOND
"""Pushes flow as long as the newest is not older than this; or than a twentieth of the age of a task that goes on."""

RARELY = 5 * MINUTE
"""While they flow."""

PACE = (
    (2 * MINUTE, 15 * SECOND),
    (10 * MINUTE, 30 * SECOND),
    (60 * MINUTE, MINUTE),
    (dt.timedelta.max, 2 * MINUTE),
)
"""Silent for less than this -> asked every so often."""

OVERDUE = 30 * SECOND
"""At the least this often when its time is over: the platform's last word must come any moment."""

FOR_A_SLOT = 20 * SECOND
"""At the least this often while another task waits for its slot and nothing else."""

SHARE = 0.4
"""Of the calls per minute, for the questions of all tasks together."""

CONFIRMED_AFTER = 15 * SECOND
"""A task that its results have ended is confirmed so long after, and later and later when it cannot be."""

CONFIRMED_FOR = dt.timedelta(days=1)
"""Nobody asks about a task that ended so long ago."""


def due(task: Task, now: dt.datetime) -> dt.datetime | None:
    """When the platform is to be asked about a task whose turn it is; None for never again."""
    if task.state != State.RUNNING:
        if now > (task.finished_at or now) + CONFIRMED_FOR:
            return None
        return now + MINUTE if queue.call_wanted(task.application) else now
    if task.counted_at and flows(task, now):
        return max(now, min(task.counted_at + RARELY, _quiet_at(task, now)))
    return now


def following(task: Task, now: dt.datetime) -> dt.datetime:
    """When it is the task's turn again, after one at ``now``."""
    if task.state != State.RUNNING:
        return now + max(CONFIRMED_AFTER, now - (task.finished_at or now))
    wait = _wait(task, now)
    if queue.slot_wanted(task.application):
        wait = min(wait, FOR_A_SLOT)
    running = Task.objects.filter(application=task.application_id, state=State.RUNNING).count()
    wait = max(wait, MINUTE * running / (SHARE * task.application.calls_per_minute))
    if task.deadline and now < task.deadline < now + wait:
        return task.deadline + 5 * SECOND
    return now + wait


def flows(task: Task, now: dt.datetime) -> bool:
    """Do its pushes come in, so that nobody needs to be asked?"""
    return task.last_push_at is not None and now < _quiet_at(task, now)


def pushes_come(task: Task, now: dt.datetime) -> bool:
    """Pushes flow, or some wait to be settled: what they say need not be read."""
    return flows(task, now) or Callback.objects.filter(task_id=task.pk, state=Callback.State.NEW).exists()


def silence(task: Task, now: dt.datetime) -> dt.timedelta:
    """Since the newest push, or since it was sent."""
    return now - (task.last_push_at or task.submitted_at or task.created_at)


def confirmation() -> dt.datetime:
    """When the platform is asked to confirm a task that its results have ended."""
    return clock.now() + CONFIRMED_AFTER


def _quiet_at(task: Task, now: dt.datetime) -> dt.datetime:
    over = task.platform_status in OVER
    trickling = dt.timedelta(0) if over else (now - (task.submitted_at or task.created_at)) / 20
    return now - silence(task, now) + max(FLOWING, trickling)


def _wait(task: Task, now: dt.datetime) -> dt.timedelta:
    if flows(task, now):
        return min(RARELY, _quiet_at(task, now) - now)
    silent = silence(task, now)
    wait = next(every for below, every in PACE if silent < below)
    return min(wait, OVERDUE) if task.deadline and now >= task.deadline else wait
