"""Send a queued task once: claim it, write the attempt, send the stored body, record what came of it."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import random
import socket
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from tasks.bells import ring
from tasks.models import Attempt, Task
from tasks.platform import client
from tasks.platform.errors import NotAccepted, OutcomeUnknown, PlatformError, Refused, TokenRejected
from tasks.platform.verdicts import bad_answer
from tasks.states import State

from . import tokens
from .transitions import Overtaken, move

LEASE = dt.timedelta(seconds=180)
FIRST_POLL = dt.timedelta(seconds=5)
LONGEST_DEFERRAL_SECONDS = 600
TASK_ID_MAX = Task._meta.get_field("platform_task_id").max_length or 0
DEFERRAL_SECONDS = {"throttled": 60, "full": 15}
"""Reason -> the shortest wait before the next try; others start at two seconds. It doubles each time in a row."""


def submit(task_id: int) -> None:
    """Run one attempt, if the task is due and nobody else holds it. Never raises for what the platform does."""
    task = _claim(task_id)
    if task is None:
        return
    token = ""
    try:
        token = tokens.access_token(task.application)
        created = _create(task, token)
    except Overtaken:
        return  # the lease was lost before a byte was sent; whoever took the task over goes on
    except TokenRejected as error:
        tokens.discard(task.application, token)
        _rejected_token(task, error)
    except NotAccepted as error:
        defer(task, error)
    except OutcomeUnknown as error:
        unconfirmed(task, str(error), error)
    except Refused as error:
        _refuse(task, error)
    else:
        _created(task, created)


def _claim(task_id: int) -> Task | None:
    """Compare-and-set QUEUED -> SUBMITTING with a new fence; None when it is not due or another has it."""
    now = timezone.now()
    task = Task.objects.select_related("application").due(now).filter(pk=task_id).first()
    if task is None:
        return None
    try:
        move(
            task,
            State.SUBMITTING,
            "a worker is sending it",
            evidence={"worker": _worker()},
            fence=task.fence + 1,
            lease_until=now + LEASE,
        )
    except Overtaken:
        return None
    return task


def _create(task: Task, token: str) -> client.Created:
    """Send the stored body. What the platform repeats of the callback address is kept without its secret."""
    body = task.request_body.encode()
    try:
        return client.create(
            task.application.connection(), token, body, before_sending=lambda: _open_attempt(task)
        )
    except PlatformError as error:
        error.args = (_masked(task, str(error)),)
        error.description, error.answer = _masked(task, error.description), _masked(task, error.answer)
        raise


def _masked(task: Task, text: str) -> str:
    return text.replace(task.callback_token, task.callback_token[:6] + "…") if task.callback_token else text


def _open_attempt(task: Task) -> None:
    """Commit the intent; not a byte leaves before this returns. Raises Overtaken when the lease is gone."""
    now = timezone.now()
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


def _created(task: Task, created: client.Created) -> None:
    now = timezone.now()
    if problem := _task_id_problem(task, created.task_id):
        unconfirmed(task, problem, bad_answer(created.answer, problem))
        return
    with transaction.atomic():
        _close_attempt(
            task, "created", created.answer.status, answer=_masked(task, _excerpt(created.answer.body))
        )
        move(
            task,
            State.RUNNING,
            f"the platform accepted it as task {created.task_id}",
            evidence={"taskID": created.task_id},
            platform_task_id=created.task_id,
            submitted_at=now,
            poll_at=now + FIRST_POLL,
            lease_until=None,
            deferrals=0,
            error_code="",
            error_status=None,
            error_text="",
        )
        transaction.on_commit(lambda: ring("settle", task.pk))


def _task_id_problem(task: Task, task_id: str) -> str:
    if len(task_id) > TASK_ID_MAX:
        return f"The platform answered with a taskID of {len(task_id):,} characters."
    if Task.objects.filter(application=task.application, platform_task_id=task_id).exists():
        return f"The platform answered with taskID {task_id}, which it had given to another task."
    return ""


def _rejected_token(task: Task, error: TokenRejected) -> None:
    """A token may have been replaced meanwhile: one more try with a new one, then the platform's word stands."""
    earlier = task.attempts.order_by("-number").values_list("explanation", flat=True)[1:2]
    if list(earlier) == [_explanation(error)]:
        _refuse(task, error)
    else:
        defer(task, error, seconds=0)


def defer(task: Task, error: PlatformError, *, seconds: float | None = None) -> None:
    """Back to the queue: certainly nothing was created. Due again after a backoff that is written in the row."""
    if seconds is None:
        seconds = backoff(error.reason, task.deferrals)
    with transaction.atomic():
        _close_attempt(task, str(error.consequence), error.status, error)
        move(
            task,
            State.QUEUED,
            str(error),
            evidence=_evidence(error),
            due_at=timezone.now() + dt.timedelta(seconds=seconds),
            deferrals=F("deferrals") + 1,
            lease_until=None,
            **_error_columns(error),
        )
        if not seconds:
            transaction.on_commit(lambda: ring("submit", task.pk))


def backoff(reason: str, deferrals: int) -> float:
    """Seconds until the next try: doubling from the reason's first wait, at most ten minutes, with jitter."""
    seconds = DEFERRAL_SECONDS.get(reason, 2) * 2 ** min(deferrals, 10)
    return min(seconds, LONGEST_DEFERRAL_SECONDS) * random.uniform(0.8, 1.2)  # noqa: S311


def unconfirmed(task: Task, reason: str, error: PlatformError | None = None) -> None:
    """The platform may have it. Nothing is sent again; answers at the task's own address can still prove it."""
    with transaction.atomic():
        _close_attempt(task, "outcome unknown", error.status if error else None, error)
        move(
            task,
            State.UNCONFIRMED,
            reason,
            evidence=_evidence(error) if error else {},
            lease_until=None,
            **(_error_columns(error) if error else {}),
        )
        transaction.on_commit(lambda: ring("settle", task.pk))


def _refuse(task: Task, error: PlatformError) -> None:
    with transaction.atomic():
        _close_attempt(task, "refused", error.status, error)
        move(
            task,
            State.REFUSED,
            str(error),
            evidence=_evidence(error),
            lease_until=None,
            **_error_columns(error),
        )


def _close_attempt(
    task: Task, outcome: str, status: int | None, error: PlatformError | None = None, answer: str = ""
) -> None:
    task.attempts.filter(fence=task.fence, finished_at__isnull=True).update(
        finished_at=timezone.now(),
        outcome=outcome,
        http_status=status,
        error_code=error.code[:32] if error else "",
        explanation=_explanation(error) if error else "",
        answer=error.answer if error else answer,
    )


def _explanation(error: PlatformError) -> str:
    return str(error)[:1000]


def _error_columns(error: PlatformError) -> dict[str, Any]:
    return {
        "error_code": error.code[:32],
        "error_status": error.status,
        "error_text": (error.description or str(error))[:1000],
    }


def _evidence(error: PlatformError) -> dict[str, object]:
    return {"reason": error.reason, "status": error.status, "error_code": error.code, "sent": error.sent}


def _excerpt(body: bytes) -> str:
    return body[:4096].decode("utf-8", "backslashreplace").replace("\x00", "\\x00")


def _worker() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"
