"""Stop a task before anything was sent. The platform has no call that stops a task it accepted."""

from __future__ import annotations

from django.contrib.auth.models import User

from tasks.models import Task
from tasks.states import State

from .outcomes import is_probe
from .transitions import IllegalTransition, Overtaken, move


def cancel(task: Task, actor: User) -> bool:
    """True when the task is now cancelled and will never be sent; False when a worker was first.

    A task that waits as the guarded probe is past that: its first request may have arrived.
    """
    if is_probe(task):
        return False
    try:
        move(task, State.CANCELLED, "cancelled by the operator", actor=actor, due_at=None)
    except (Overtaken, IllegalTransition):
        return False
    return True
