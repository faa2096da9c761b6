"""Ask the platform how a running task stands: the safety net for pushes that never came."""

from __future__ import annotations

import datetime as dt
from functools import partial

from django.db import transaction

from tasks import clock
from tasks.models import Task
from tasks.platform import client
from tasks.platform.answers import Detail, TaskStatus
from tasks.platform.errors import PlatformError
from tasks.platform.pushes import LONGEST as LONGEST_WORD
from tasks.platform.pushes import normal
from tasks.states import State

from . import budget
from .asking import ask
from .results import Observation, apply
from .settle import conclude, list_devices
from .transitions import move

SHORTEST = dt.timedelta(seconds=15)
LONGEST = dt.timedelta(minutes=2)
GRACE = dt.timedelta(minutes=10)
PAGE = 250
PAGES_AT_ONCE = 20
MOST = 2**31 - 1
"""The largest number of devices that a row can hold."""
OVER = {"Complete": State.COMPLETE, "Timeout": State.TIMED_OUT}
"""The platform's word for a task that is over -> ours."""


def reconcile(task_id: int) -> None:
    """Read the task's status, and the details of its devices once the platform says that it is over."""
    task = _claim(task_id)
    if task is None:
        return
    if not task.platform_task_id:
        _give_up_after_deadline(task)
        return
    try:
        status = ask(
            task.application,
            partial(client.query, task_id=task.platform_task_id),
        )
        if status.name and status.name != task.name:
            _explain(
                task,
                f"The platform's task of this taskID is called “{status.name[:100]}”: it is not trusted.",
            )
            _give_up_after_deadline(task)
            return
        _note(task, status)
        if status.status in OVER or not task.callback_token:
            _read_details(task, status)
    except PlatformError as error:
        if not isinstance(error, budget.NoCall):
            _explain(task, f"The platform cannot be asked how it stands: {error}")
        _give_up_after_deadline(task)


def _claim(task_id: int) -> Task | None:
    """Take the turn to ask by setting when the next one is due; None when it is another's or not due."""
    now = clock.now()
    task = Task.objects.light().select_related("application").to_reconcile(now).filter(pk=task_id).first()
    if task is None:
        return None
    age = now - (task.submitted_at or task.created_at)
    following = now + min(max(age / 4, SHORTEST), LONGEST)
    taken = Task.objects.filter(pk=task_id, poll_at=task.poll_at).update(poll_at=following)
    return task if taken else None


def _note(task: Task, status: TaskStatus) -> None:
    changes: dict[str, object] = {"platform_status": status.status[:32], "reason": ""}
    if task.expected is None and status.total:
        changes["expected"] = min(status.total, MOST)
    Task.objects.filter(pk=task.pk, state=State.RUNNING).update(**changes)


def _explain(task: Task, reason: str) -> None:
    Task.objects.filter(pk=task.pk, state=State.RUNNING).update(reason=reason[:500])


def _read_details(task: Task, status: TaskStatus) -> None:
    """Merge the platform's own list of devices; a long one goes on where it stopped at the next turn."""
    list_devices(task.pk)
    first = task.poll_page
    for page in range(first, first + PAGES_AT_ONCE):
        read = ask(
            task.application,
            partial(client.details, task_id=task.platform_task_id, page=page, size=PAGE),
        )
        at = clock.now()
        last = (page + 1) * PAGE >= read.total or not read.details
        with transaction.atomic():
            locked = Task.objects.light().select_for_update().get(pk=task.pk)
            apply(locked, [_observed(detail, at) for detail in read.details if _is_somebody(detail)])
            conclude(locked)
            Task.objects.filter(pk=task.pk).update(poll_page=0 if last else page + 1)
        if last:
            _finish(task, status)
            return
    done = (first + PAGES_AT_ONCE) * PAGE
    _explain(task, f"Reading what the platform knows of its devices: {done:,} of {read.total:,} so far.")
    Task.objects.filter(pk=task.pk, state=State.RUNNING).update(poll_at=clock.now() + SHORTEST)


def _is_somebody(detail: Detail) -> bool:
    """The rule for pushes: words that are too long to be stored are nobody's."""
    words = (detail.device_id, detail.command_id, detail.status)
    return bool(detail.device_id) and max(map(len, words)) <= LONGEST_WORD


def _observed(detail: Detail, at: dt.datetime) -> Observation:
    return Observation(
        device_id=detail.device_id,
        command_id=detail.command_id,
        status=normal(detail.status),
        at=at,
        source="poll",
        detail=detail.output,
        error_code=detail.error_code[:32],
        error_text=detail.error_text[:500],
    )


def _finish(task: Task, status: TaskStatus) -> None:
    over = OVER.get(status.status)
    with transaction.atomic():
        locked = Task.objects.light().select_for_update().get(pk=task.pk)
        if over and locked.state == State.RUNNING:
            move(
                locked,
                over,
                f"the platform says {status.status}",
                evidence={
                    "total": status.total,
                    "success": status.succeeded,
                    "fail": status.failed,
                    "timeout": status.timed_out,
                    "expired": status.expired,
                },
                poll_at=None,
            )


def _give_up_after_deadline(task: Task) -> None:
    """Without the platform's word, a task is over some minutes after its own time is."""
    if task.deadline and clock.now() > task.deadline + GRACE:
        with transaction.atomic():
            locked = Task.objects.light().select_for_update().get(pk=task.pk)
            if locked.state == State.RUNNING:
                move(
                    locked,
                    State.TIMED_OUT,
                    "its time is over and the platform gave no final word",
                    poll_at=None,
                )
