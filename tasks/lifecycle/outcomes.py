"""Record what came of an attempt: the attempt closed, the state moved, the next step due. One transaction each.

The task that is given is left as it was: when a commit fails, the same outcome is recorded from the same state again.
"""

from __future__ import annotations

import contextlib
import copy
import datetime as dt
import random
from collections.abc import Callable
from typing import Any

from django.db import transaction
from django.db.models import F

from tasks import clock
from tasks.bells import ring
from tasks.models import Task, Transition
from tasks.platform import client
from tasks.platform.errors import NotAccepted, PlatformError, Refused, TokenRejected
from tasks.platform.verdicts import bad_answer
from tasks.states import State

from . import budget
from .transitions import Overtaken, move

FIRST_POLL = dt.timedelta(seconds=5)
FIRST_EVIDENCE = dt.timedelta(seconds=30)
LONGEST_DEFERRAL_SECONDS = 600
DEFERRAL_SECONDS = {"throttled": 60, "full": 15, "call budget": 1, "token": 5}
"""Reason -> the shortest wait before the next try; others start at two seconds. It doubles each time in a row."""

TASK_ID_MAX = Task._meta.get_field("platform_task_id").max_length or 0
UNKNOWN = "outcome unknown"
EXISTS = frozenset({"105002", "105201"})
"""The name, or the tag, exists: after an attempt of unknown outcome it proves that the attempt arrived."""

DECIDED = frozenset({State.RUNNING, State.COMPLETE, State.TIMED_OUT, State.ABANDONED})
"""Evidence or a person was faster than the platform's answer, which can only teach the taskID now."""


def created(task: Task, made: client.Created) -> None:
    """The platform accepted it."""
    task = copy.copy(task)
    if len(made.task_id) > TASK_ID_MAX:
        problem = f"The platform answered with a taskID of {len(made.task_id):,} characters."
        unconfirmed(task, problem, bad_answer(made.answer, problem))
        return
    now = clock.now()
    answer = task.masked(made.answer.body[:4096].decode("utf-8", "backslashreplace").replace("\x00", "\\x00"))

    def record() -> None:
        _close_attempt(task, "created", made.answer.status, answer=answer)
        if task.state in DECIDED:
            learn_task_id(task, made.task_id, "the platform's answer came late")
            return
        move(
            task,
            State.RUNNING,
            f"the platform accepted it as task {made.task_id}",
            evidence={"taskID": made.task_id},
            platform_task_id=made.task_id,
            submitted_at=now,
            poll_at=now + FIRST_POLL,
            lease_until=None,
            deferrals=0,
            error_code="",
            error_status=None,
            error_text="",
        )
        transaction.on_commit(lambda: ring("settle", task.pk))

    _also_when_taken_back(task, record)


def failed(task: Task, error: PlatformError) -> None:
    """The attempt brought an error; what it means for the task depends on its class and on earlier attempts."""
    task = copy.copy(task)
    unknown_before = task.attempts.filter(outcome=UNKNOWN).exclude(fence=task.fence).exists()
    if error.code in EXISTS and unknown_before:
        _also_when_taken_back(task, lambda: _exists(task, error))
    elif isinstance(error, TokenRejected) and _rejected_before(task, error):
        _also_when_taken_back(task, lambda: _refuse(task, error))
    elif isinstance(error, NotAccepted):
        _also_when_taken_back(task, lambda: _defer(task, error))
    elif isinstance(error, Refused):
        _also_when_taken_back(task, lambda: _refuse(task, error))
    else:
        with contextlib.suppress(Overtaken):  # whoever was first left it in doubt too, or has better evidence
            unconfirmed(task, str(error), error)


def unconfirmed(task: Task, reason: str, error: PlatformError | None = None) -> None:
    """The platform may have it. Nothing is sent again blindly; evidence is looked for, and answers can prove it."""
    with transaction.atomic():
        _close_attempt(task, UNKNOWN, error.status if error else None, error)
        move(
            task,
            State.UNCONFIRMED,
            reason,
            evidence=_evidence(error) if error else {},
            lease_until=None,
            poll_at=clock.now() + FIRST_EVIDENCE,
            **(_error_columns(error) if error else {}),
        )
        transaction.on_commit(lambda: ring("settle", task.pk))


def learn_task_id(task: Task, task_id: str, how: str, **evidence: Any) -> bool:
    """The taskID of a decided task; kept like a change of state, and never changed again. False if it had one."""
    with transaction.atomic():
        unknown = Task.objects.filter(pk=task.pk, state__in=DECIDED, platform_task_id="")
        state = unknown.select_for_update().values_list("state", flat=True).first()
        if state is None:
            return False
        again = {"poll_at": clock.now()} if state == State.RUNNING else {}
        unknown.update(platform_task_id=task_id, **again)
        Transition.objects.create(
            task=task,
            from_state=state,
            to_state=state,
            reason=f"its taskID is {task_id}: {how}"[:500],
            evidence={"taskID": task_id} | evidence,
        )
        return True


def is_probe(task: Task) -> bool:
    """Is what is queued or sent now the guarded probe, and not what a person was sure of?"""
    if not task.probed:
        return False
    back = (
        task.transitions.filter(from_state=State.UNCONFIRMED, to_state=State.QUEUED).order_by("-id").first()
    )
    return back is not None and back.actor_id is None


def backoff(reason: str, deferrals: int) -> dt.timedelta:
    """The time until the next try: doubling from the reason's first wait, at most ten minutes, with jitter."""
    seconds = DEFERRAL_SECONDS.get(reason, 2) * 2 ** min(deferrals, 10)
    return dt.timedelta(seconds=min(seconds, LONGEST_DEFERRAL_SECONDS) * random.uniform(0.8, 1.2))  # noqa: S311


def _also_when_taken_back(task: Task, record: Callable[[], None]) -> None:
    """Record from SUBMITTING; or, when others were faster, from the doubt they left or what they decided."""
    fence = task.fence
    while True:
        try:
            with transaction.atomic():
                return record()
        except Overtaken:
            task.refresh_from_db(fields=["state", "fence", "platform_task_id"])
            if task.fence != fence or task.state not in {State.UNCONFIRMED, *DECIDED}:
                return None


def _exists(task: Task, error: PlatformError) -> None:
    now = clock.now()
    _close_attempt(task, "already there", error.status, error)
    if task.state in DECIDED:
        return
    move(
        task,
        State.RUNNING,
        "the platform refused to create it a second time, so the first request had arrived; its taskID is not known",
        evidence=_evidence(error),
        submitted_at=now,
        poll_at=now,
        lease_until=None,
        error_code="",
        error_status=None,
        error_text="",
    )
    transaction.on_commit(lambda: ring("settle", task.pk))


def _rejected_before(task: Task, error: PlatformError) -> bool:
    """A token may have been replaced meanwhile: one more try with a new one, then the platform's word stands."""
    earlier = task.attempts.order_by("-number").values_list("explanation", flat=True)[1:2]
    return list(earlier) == [_explanation(error)]


def _defer(task: Task, error: PlatformError) -> None:
    """Back to the queue: certainly nothing was created. Due again after a backoff that is written in the row."""
    if task.state in DECIDED:
        return
    now = clock.now()
    due_at = now if isinstance(error, TokenRejected) else now + backoff(error.reason, task.deferrals)
    if isinstance(error, budget.NoCall):
        due_at = error.until
    _close_attempt(task, str(error.consequence), error.status, error)
    move(
        task,
        State.QUEUED,
        str(error),
        evidence=_evidence(error),
        due_at=due_at,
        deferrals=F("deferrals") + 1,
        lease_until=None,
        **_error_columns(error),
    )
    if due_at == now:
        transaction.on_commit(lambda: ring("submit", task.pk))


def _refuse(task: Task, error: PlatformError) -> None:
    if task.state in DECIDED:
        return
    _close_attempt(task, "refused", error.status, error)
    if is_probe(task):
        _proves_nothing(task, error)
        return
    move(
        task,
        State.REFUSED,
        str(error),
        evidence=_evidence(error),
        lease_until=None,
        **_error_columns(error),
    )


def _proves_nothing(task: Task, error: PlatformError) -> None:
    """Not a word of the first request, which may have arrived while the platform still took it."""
    if task.state != State.UNCONFIRMED:
        move(
            task,
            State.UNCONFIRMED,
            f"the guarded probe was refused, which tells nothing of the first request: {error}",
            evidence=_evidence(error),
            lease_until=None,
            poll_at=None,
            **_error_columns(error),
        )


def _close_attempt(
    task: Task, outcome: str, status: int | None, error: PlatformError | None = None, answer: str = ""
) -> None:
    """Close the attempt of this fence; an outcome that was unknown gives way to a known one."""
    unsettled = task.attempts.filter(fence=task.fence, outcome__in=("", UNKNOWN))
    unsettled.update(
        finished_at=clock.now(),
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
