"""The one place that moves a state: checks the table, compares and sets, and writes the transition."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from tasks import clock
from tasks.models import Request, Task, Transition
from tasks.platform.outline import kept
from tasks.states import FINAL, TRANSITIONS, State

from . import queue


class IllegalTransition(Exception):
    """The table does not allow this move: a mistake in our code."""


class Overtaken(Exception):
    """Another process moved the task first; nothing was changed."""


def begin(task: Task, reason: str, *, actor: User | None, body: str) -> None:
    """Save a new task with what will be sent for it and its first transition."""
    with transaction.atomic():
        task.save(force_insert=True)
        Request.objects.create(task=task, body=body, outline=kept(body))
        Transition.objects.create(task=task, to_state=task.state, reason=reason, actor=actor)


def move(
    task: Task,
    to: State,
    reason: str,
    *,
    actor: User | None = None,
    evidence: dict[str, Any] | None = None,
    **changes: Any,
) -> None:
    """Move ``task`` from the state and fence it was read with, and set ``changes`` with it.

    Raises ``Overtaken`` when the row has moved on since it was read, ``IllegalTransition`` off the table.
    """
    origin = State(task.state)
    if to not in TRANSITIONS[origin]:
        raise IllegalTransition(f"{origin} → {to}")
    changes |= {"state": to, "reason": reason[:500]}
    if to in FINAL:
        changes["finished_at"] = clock.now()
    with transaction.atomic():
        moved = Task.objects.filter(pk=task.pk, state=origin, fence=task.fence).update(**changes)
        if not moved:
            raise Overtaken(f"task {task.pk} is no longer {origin} with fence {task.fence}")
        Transition.objects.create(
            task=task,
            from_state=origin,
            to_state=to,
            reason=reason[:500],
            actor=actor,
            evidence=evidence or {},
        )
        if to in FINAL and origin != State.QUEUED:
            queue.freed(task)
    for name, value in changes.items():
        setattr(task, name, value)
