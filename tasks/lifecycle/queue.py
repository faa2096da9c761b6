"""Who is next, and why the others wait: order, slots, budget, breaker and token, all read from the rows.

Nothing about waiting is stored with a task but its due time, so what is shown cannot be stale.
"""

from __future__ import annotations

import datetime as dt
import heapq
from collections.abc import Iterator
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Q, QuerySet

from tasks import clock
from tasks.bells import ring
from tasks.models import Application, Task
from tasks.platform.answers import OVER
from tasks.states import State

from . import budget, health

UNTOLD = dt.timedelta(seconds=15)
"""So long after it was accepted, a task of which no status was read counts as unfinished."""

USUAL_MINUTES = 5.0
"""How long a task holds its slot, as long as no task of the application has ended."""

RECENT = 20

TOLD = (
    "name", "state", "reason", "priority", "deferrals", "timeout", "expected", "counts", "due_at", "created_at",
    "submitted_at",
)  # fmt: skip
"""All that is told of the many tasks that wait or run; the other columns are not read."""


@dataclass(frozen=True)
class Wait:
    """Why nothing more is sent for an application now, in a slug and in words, and until when if that is known."""

    reason: str
    words: str
    until: dt.datetime | None = None

    @property
    def advice(self) -> str:
        """What can be done about it."""
        return ADVICE[self.reason]


ADVICE: dict[str, str] = {
    "no worker": "Start one: manage.py up runs one, or celery -A dashboard worker.",
    "platform unreachable": "Muster asks again every half minute. Check the application's address if it lasts.",
    "token refused": "Muster logs in again by itself, at longer and longer pauses. Correct the appId and secret.",
    "no free slot": "It goes on when a task of this application ends; put a task before others if it is urgent.",
    "call budget": "It goes on by itself within a minute.",
    "due at": "It goes on by itself at that time; it can be cancelled until then.",
    "next": "Nothing to do.",
}
"""Every reason to wait -> what a person can do."""


@dataclass(frozen=True)
class Place:
    """A waiting task's place: its position from 1, why it waits, and when it will probably start."""

    task: Task
    position: int
    wait: Wait
    start: dt.datetime | None


def waiting(application: Application) -> QuerySet[Task]:
    """Queued tasks in the order in which they will be sent."""
    return Task.objects.filter(application=application, state=State.QUEUED).order_by("-priority", "id")


def holders(application: Application) -> list[Task]:
    """Tasks that hold one of the platform's slots for unfinished tasks, as far as the platform has told.

    A task just accepted holds one until its first status was to be had. One of which the platform tells nothing,
    or whose outcome is unknown, holds none here: the platform's own 105001 is the judge then.
    """
    told = ~Q(platform_status__in=["", *OVER])
    just_accepted = Q(platform_status="", submitted_at__gt=clock.now() - UNTOLD)
    holding = Q(state=State.SUBMITTING) | told | just_accepted
    underway = Task.objects.filter(application=application, state__in=[State.SUBMITTING, State.RUNNING])
    # Sorted here: for the order's sake SQLite would walk through all tasks of the application.
    return sorted(underway.filter(holding).only(*TOLD).order_by(), key=lambda task: task.pk)


def held_until(task: Task) -> dt.datetime:
    """When the platform gives a task up at the latest, and with it the slot."""
    return (task.submitted_at or task.due_at or task.created_at) + dt.timedelta(minutes=task.timeout)


def freed(task: Task) -> None:
    """A slot is free again: ring for whoever is next. Call in the transaction that frees it."""
    Application.objects.filter(pk=task.application_id).update(full_until=None)
    transaction.on_commit(lambda: ring("submit", task.pk))


def next_due(application: Application) -> int | None:
    """The task to be sent next, of those whose due time has come."""
    return waiting(application).filter(due_at__lte=clock.now()).values_list("pk", flat=True).first()


def slot_wanted(application: Application) -> bool:
    """Does a task wait for nothing but a place among the unfinished ones?"""
    return next_due(application) is not None and len(holders(application)) >= application.unfinished_limit


def call_wanted(application: Application) -> bool:
    """Is there a task that could be sent now, if there is a call for it?"""
    return next_due(application) is not None and len(holders(application)) < application.unfinished_limit


def obstacle(application: Application, held: list[Task] | None = None) -> Wait | None:
    """What keeps the next task of this application from being sent; None when nothing does.

    ``held`` is what ``holders`` gave, for who knows it already.
    """
    now = clock.now()
    if application.failures and application.open_until and application.open_until > now:
        return Wait("platform unreachable", "the platform does not answer properly", application.open_until)
    if application.login_after and application.login_after > now:
        return Wait("token refused", f"no token: {application.login_problem}", application.login_after)
    if application.full_until and application.full_until > now:
        return Wait("no free slot", "the platform says that it has no free place", application.full_until)
    if len(holders(application) if held is None else held) >= application.unfinished_limit:
        words = f"all {application.unfinished_limit} places for unfinished tasks are taken"
        return Wait("no free slot", words)
    if until := budget.exhausted_until(application, submission=True):
        return Wait("call budget", "the calls per minute are used up", until)
    return None


def nobody_sends() -> Wait | None:
    """What keeps all tasks waiting: no worker is there to send them."""
    seen = health.worker_seen()
    if not health.is_gone(seen):
        return None
    since = f"since {seen:%Y-%m-%d %H:%M:%S} UTC" if seen else "yet"
    return Wait("no worker", f"no worker has looked for work {since}: see that one is running")


def places(application: Application, held: list[Task], wait: Wait | None, most: int = 200) -> list[Place]:
    """The queue as it stands: each task with its reason and the estimate of its start.

    ``held`` is what ``holders`` gave; ``wait`` is what ``nobody_sends`` or ``obstacle`` did, as people are told it.
    """
    now = clock.now()
    starts = _starts(application, wait, now, held)
    found = []
    for position, task in enumerate(waiting(application).only(*TOLD)[:most], 1):
        if task.due_at and task.due_at > now:
            words = task.reason if task.deferrals else "scheduled"
            found.append(Place(task, position, Wait("due at", words, task.due_at), task.due_at))
            continue
        own = wait or Wait("next", "a worker takes it as soon as one is free")
        found.append(Place(task, position, own, next(starts)))
    return found


def place_of(task: Task) -> Place | None:
    """One task's place, when it is among the first in the queue."""
    held = holders(task.application)
    wait = nobody_sends() or obstacle(task.application, held)
    return next((place for place in places(task.application, held, wait) if place.task.pk == task.pk), None)


def usual_duration(application: Application) -> dt.timedelta:
    """How long the last tasks held their slot, in the middle."""
    ended = (
        Task.objects.filter(application=application, finished_at__isnull=False, submitted_at__isnull=False)
        .order_by("-id")
        .values_list("submitted_at", "finished_at")[:RECENT]
    )
    lengths = sorted(finished - submitted for submitted, finished in ended if submitted and finished)
    return lengths[len(lengths) // 2] if lengths else dt.timedelta(minutes=USUAL_MINUTES)


def _starts(
    application: Application, wait: Wait | None, now: dt.datetime, held: list[Task]
) -> Iterator[dt.datetime]:
    """Estimated starts, one after another: every slot is free again after the usual duration."""
    usual = usual_duration(application)
    earliest = max(now, wait.until) if wait and wait.until else now
    slots = [max(earliest, (task.submitted_at or now) + usual) for task in held]
    slots += [earliest] * max(application.unfinished_limit - len(slots), 0)
    heapq.heapify(slots)
    while True:
        start = heapq.heappop(slots)
        yield start
        heapq.heappush(slots, start + usual)
