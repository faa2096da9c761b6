"""Send what is next: claim it, write the attempt, send the stored body, have its outcome recorded."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import socket
import time
from collections.abc import Callable

from django.db import OperationalError, connection, transaction

from tasks import clock, crash
from tasks.bells import ring
from tasks.models import Application, Attempt, Task
from tasks.platform import client
from tasks.platform.errors import Full, PlatformError, Throttled, TokenRejected
from tasks.states import State

from . import breaker, budget, outcomes, queue, tokens
from .transitions import Overtaken, move

LEASE = dt.timedelta(seconds=180)
FULL = dt.timedelta(seconds=15)
TURN_SECONDS = 30
"""After that a worker lets another job have its turn. With the longest attempt it stays within the job's limit."""

RECORD_SECONDS = 30
PATIENCE = dt.timedelta(seconds=6)
"""A worker waits so long for the next call of the budget; for longer waits the sweep comes by."""


def submit(task_id: int) -> None:
    """Send what is next for the task's application, as long as there are slots and calls.

    A bell names one task, but the queue decides which goes first. Never raises for what the platform does.
    """
    application = Application.objects.filter(tasks=task_id).first()
    over = time.monotonic() + TURN_SECONDS
    while application is not None:
        if task := _claim_next(application):
            _attempt(task)
        elif not _wait_for_call(application):
            return
        if time.monotonic() > over:
            ring("submit", task_id)
            return
        application.refresh_from_db()


def _wait_for_call(application: Application) -> bool:
    """Wait for the budget when that is all that is missing, and not for long; False when there is nothing to do."""
    if queue.next_due(application) is None:
        return False
    wait = queue.obstacle(application)
    now = clock.now()
    if wait is None or wait.reason != "call budget" or wait.until is None or wait.until > now + PATIENCE:
        return False
    time.sleep(max((wait.until - now).total_seconds(), 0.01))
    return True


def _attempt(task: Task) -> None:
    """One attempt of a claimed task, and what came of it."""
    application, token, error = task.application, "", None
    try:
        token = tokens.access_token(application)
        budget.take(application, submission=True)
        created = _create(task, token)
    except Overtaken:
        return  # the lease was lost before a byte was sent; whoever took the task over goes on
    except PlatformError as raised:
        error = raised
    crash.point("P7" if task.probed else "P5")
    _surely(lambda: _learn(application, token, error))
    _surely(lambda: outcomes.failed(task, error) if error else outcomes.created(task, created))
    crash.point("P6")


def _learn(application: Application, token: str, error: PlatformError | None) -> None:
    """What an answer says of the platform and of us, whatever becomes of the task; a failed login is noted there."""
    if token:
        breaker.note(application, error)
    if isinstance(error, TokenRejected):
        tokens.discard(application, token)
    if isinstance(error, Throttled) and error.sent:
        budget.drain(application)
    if isinstance(error, Full):
        Application.objects.filter(pk=application.pk).update(full_until=clock.now() + FULL)


def _surely(record: Callable[[], None]) -> None:
    """Record an outcome in spite of a database that is away for a moment: it is known here and nowhere else.

    After that the lease runs out, and the open attempt makes the task UNCONFIRMED: never queued again.
    """
    over = time.monotonic() + RECORD_SECONDS
    while True:
        try:
            return record()
        except OperationalError:
            if time.monotonic() > over:
                raise
            connection.close()
            time.sleep(0.5)


def _claim_next(application: Application) -> Task | None:
    """Compare-and-set the next due task QUEUED -> SUBMITTING with a new fence; None when nothing may be sent now.

    The application's row is locked meanwhile, so that two workers cannot both take the last slot.
    """
    with transaction.atomic():
        locked = Application.objects.select_for_update().get(pk=application.pk)
        task_id = queue.next_due(locked)
        if task_id is None or queue.obstacle(locked) or not breaker.admits(locked):
            return None
        task = Task.objects.select_related("application").filter(pk=task_id, state=State.QUEUED).first()
        if task is None:
            return None  # cancelled since it was read
        try:
            move(
                task,
                State.SUBMITTING,
                "a worker is sending it",
                evidence={"worker": _worker()},
                fence=task.fence + 1,
                lease_until=clock.now() + LEASE,
            )
        except Overtaken:
            return None
        crash.point("P0")
    crash.point("P1")
    return task


def _create(task: Task, token: str) -> client.Created:
    """Send the stored body. What the platform repeats of the callback address is kept without its secret."""
    body = task.request_body.encode()
    try:
        return client.create(
            task.application.connection(), token, body, before_sending=lambda: _open_attempt(task)
        )
    except PlatformError as error:
        error.args = (task.masked(str(error)),)
        error.description, error.answer = task.masked(error.description), task.masked(error.answer)
        raise


def _open_attempt(task: Task) -> None:
    """Commit the intent; not a byte leaves before this returns. Raises Overtaken when the lease is gone."""
    now = clock.now()
    with transaction.atomic():
        held = Task.objects.filter(
            pk=task.pk, state=State.SUBMITTING, fence=task.fence, lease_until__gt=now
        ).update(reason="the request is on its way")
        if not held:
            raise Overtaken(f"task {task.pk} was taken over")
        Attempt.objects.create(
            task=task,
            number=task.attempts.count() + 1,
            fence=task.fence,
            worker=_worker(),
            request_sha256=hashlib.sha256(task.request_body.encode()).hexdigest(),
        )
    crash.point("P2")


def _worker() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"
