"""Ask the platform how a task stands: the safety net for pushes that never came, and the check when all is over."""

from __future__ import annotations

import datetime as dt
from functools import partial

from django.db import transaction

from tasks import clock
from tasks.bells import ring
from tasks.models import Task, Transition
from tasks.models.task import ASKED_ABOUT
from tasks.platform import client, counters
from tasks.platform.answers import OVER, TaskStatus
from tasks.platform.errors import PlatformError, Refused
from tasks.states import State
from tasks.targets import TargetType

from . import budget, commands, details, pace
from .asking import ask
from .transitions import move

GRACE = dt.timedelta(minutes=10)
"""After the deadline, or after the last news of a platform that says it is over, a task is given up."""

LATE = {"Pending": dt.timedelta(hours=1), "Running": dt.timedelta(hours=1)}
"""The platform's word past the deadline -> how long it is believed."""

A_PAGE = 3 * pace.SECOND
"""So long nothing is asked for each page of device commands that was read."""

MOST = 2**31 - 1
"""The largest number of devices that a row can hold."""

ENDS = {"Complete": State.COMPLETE, "Timeout": State.TIMED_OUT}
"""The platform's word for a task that is over -> ours."""


def reconcile(task_id: int) -> None:
    """Read the task's counters, then of its devices what they show to be missing; end it when it is over.

    A task that its own results have ended is confirmed in the same way, and mended where the platform knows better.
    """
    task = _take_turn(task_id)
    if task is None:
        return
    try:
        if task.platform_task_id:
            _by_id(task)
        else:
            _by_address(task)
    except budget.NoCall as full:
        _again(task, max(full.until, clock.now() + pace.SECOND))
        _give_up_when_late(task, full)
    except PlatformError as error:
        _explain(task, error)
        _give_up_when_late(task, error)


def _take_turn(task_id: int) -> Task | None:
    """Take the turn by setting when the next one is due; None when it is another's, or nobody is to be asked now."""
    now = clock.now()
    task = Task.objects.select_related("application").to_reconcile(now).filter(pk=task_id).first()
    if task is None:
        return None
    due = pace.due(task, now)
    ask_now = due is not None and due <= now
    taken = Task.objects.filter(pk=task_id, poll_at=task.poll_at).update(
        poll_at=now + details.LEASE if ask_now else due
    )
    return task if taken and ask_now else None


def _by_id(task: Task) -> None:
    question = partial(client.query, task_id=task.platform_task_id)
    status = ask(task.application, question, spare=task.is_final)
    if status.name and status.name != task.name:
        raise details.Unfit(
            f"The platform's task of this taskID is called “{status.name[:100]}”: it is not trusted."
        )
    now = clock.now()
    _note(task, status, now)
    over = task.platform_status in OVER
    if _may_read(task, now, over=over):
        if not details.read(task):
            _note_progress(task)
            return
        if over:
            _finish(task)
            return
    _again(task, pace.following(task, now))
    if not over:
        _give_up_when_late(task)


def _by_address(task: Task) -> None:
    """Its taskID is not known: it lives on pushes, and on device commands where these are known to show."""
    now = clock.now()
    following = pace.following(task, now)
    if task.application.query_commands and task.callback_token and not pace.pushes_come(task, now):
        pages = commands.read(task)
        if not pages:
            _go_on(task)
            return
        following = max(following, now + pages * A_PAGE)
    _again(task, following if task.state == State.RUNNING else None)
    _give_up_when_late(task)


def _note(task: Task, status: TaskStatus, now: dt.datetime) -> None:
    """Keep what the platform says. The number of devices only grows: a smaller one would end the task too early.

    Pages of the whole list that were read before it was over say how their devices stood then: they are read anew.
    """
    if status.status in OVER and task.platform_status not in OVER:
        task.heard_at = now
        if task.poll_lists[:1] == [details.WHOLE]:
            task.poll_lists, task.poll_page = [], 0
    task.platform_status = status.status[:32]
    task.platform_counts = counters.counts_of(status) | {"at": now.isoformat()}
    known = status.status in LATE or status.status in OVER
    if known and status.total and (task.expected is None or task.target_type != TargetType.DEVICE_LIST):
        task.expected = max(task.expected or 0, min(status.total, MOST))
    rows = Task.objects.filter(pk=task.pk)
    noted = ("heard_at", "platform_status", "platform_counts", "expected", "poll_lists", "poll_page")
    rows.update(**{name: getattr(task, name) for name in noted})
    reason = (
        "" if known else f"The platform calls its status “{task.platform_status}”, which nobody knows here."
    )
    rows.filter(state=State.RUNNING).update(reason=reason)


def _may_read(task: Task, now: dt.datetime, *, over: bool) -> bool:
    """Not while pushes tell the same for nothing; and of a task that is not over, not before they had their time."""
    if pace.pushes_come(task, now):
        return False
    return over or not task.callback_token or pace.silence(task, now) >= pace.FLOWING


def _note_progress(task: Task) -> None:
    Task.objects.filter(pk=task.pk, state=State.RUNNING).update(reason=details.progress(task))
    _go_on(task)


def _go_on(task: Task) -> None:
    """Let another job have its turn, and come back at once."""
    _again(task, clock.now())
    ring("reconcile", task.pk)


def _again(task: Task, at: dt.datetime | None) -> None:
    Task.objects.filter(pk=task.pk, state__in=ASKED_ABOUT).update(poll_at=at)


def _explain(task: Task, error: PlatformError) -> None:
    """Show why nothing is learnt, and when it is tried again."""
    unfit = isinstance(error, details.Unfit)
    reason = f"{error}" if unfit else f"The platform cannot be asked how it stands: {error}"
    Task.objects.filter(pk=task.pk, state=State.RUNNING).update(reason=reason[:500])
    forgotten = task.is_final and isinstance(error, Refused)  # there is nothing left to be learnt
    _again(task, None if forgotten else pace.following(task, clock.now()))


def _finish(task: Task) -> None:
    """The platform says that it is over and all was read: its word stands, and what does not fit is written down."""
    with transaction.atomic():
        locked = Task.objects.select_for_update().get(pk=task.pk)
        theirs = {name: count for name, count in locked.platform_counts.items() if name != "at"}
        differing = counters.difference(theirs, locked.counts, locked.expected)
        evidence = theirs | ({"results": locked.counts} if differing else {})
        if locked.state == State.RUNNING:
            silent = sum(locked.counts.values()) - locked.answered
            words = [f"the platform says {locked.platform_status}"]
            words += (
                [f"{silent:,} {'devices' if silent > 1 else 'device'} gave no final answer"] if silent else []
            )
            reason = "; ".join(words) + (f". {differing}" if differing else "")
            move(locked, ENDS[locked.platform_status], reason, evidence=evidence, poll_at=None)
            return
        Task.objects.filter(pk=task.pk).update(poll_at=None)
        if differing:
            Transition.objects.create(
                task=locked,
                from_state=locked.state,
                to_state=locked.state,
                reason=differing,
                evidence=evidence,
            )


def _give_up_when_late(task: Task, error: PlatformError | None = None) -> None:
    """Without a last word, or with one that cannot be read up on, a task is over some minutes after its time is.

    It is asked about for a day more: its results are mended then, its state stays.
    """
    with transaction.atomic():
        locked = Task.objects.select_for_update().get(pk=task.pk)
        now = clock.now()
        if locked.state != State.RUNNING or not locked.deadline:
            return
        if end := ENDS.get(locked.platform_status):
            stuck = locked.heard_at is not None and now > locked.heard_at + GRACE
            late = stuck and not isinstance(error, budget.NoCall)
            reason = f"the platform says {locked.platform_status}, but not which devices answered: {error}"
        else:
            end = State.TIMED_OUT
            late = now > locked.deadline + (GRACE if error else LATE.get(locked.platform_status, GRACE))
            reason = "its time is over and the platform gave no final word"
        if late:
            move(locked, end, reason, poll_at=pace.confirmation() if locked.platform_task_id else None)
