"""Settle what is UNCONFIRMED by evidence: device commands, a guarded probe, a person. Each leaves a transition.

The cheapest evidence, an answer at the task's own address, is taken by ``settle``.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
from functools import partial
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from tasks import clock
from tasks.bells import ring
from tasks.models import Task
from tasks.platform import client
from tasks.platform.errors import PlatformError
from tasks.states import State
from tasks.targets import TargetType

from .asking import ask
from .compose import callback_url
from .outcomes import learn_task_id
from .transitions import Overtaken, move

LOOKS = (dt.timedelta(seconds=30), dt.timedelta(minutes=2), dt.timedelta(minutes=10))
"""After the attempt: when the device commands are looked through."""

QUIET = dt.timedelta(seconds=120)
"""After the lease ended: before the guarded probe, and before a person may have it sent again."""

LOOKED_AT = 3
BEFORE = dt.timedelta(minutes=5)


SETTLED = "It is no longer unconfirmed. Reload to see where it stands."


class NotSettled(Exception):
    """The evidence does not fit; the text says why, for the person who gave it."""


def seek(task_id: int) -> None:
    """Look for evidence of one unconfirmed task, as far as its application's switches allow."""
    task = Task.objects.select_related("application").in_doubt(clock.now()).filter(pk=task_id).first()
    if task is None or not _claim(task):
        return
    application = task.application
    if application.query_commands and _shows_in_commands(task):
        return
    if application.lasting_names and not task.probed and quiet_since(task) <= clock.now():
        _probe(task)


def quiet_since(task: Task) -> dt.datetime:
    """From when on no worker can still be sending it."""
    last = max(task.attempts.all(), key=lambda attempt: attempt.number, default=None)
    return (last.finished_at or last.started_at) + QUIET if last else task.created_at


def not_before(task: Task) -> dt.datetime | None:
    """From when on a person may have it sent again; None when that is now."""
    quiet = quiet_since(task)
    return quiet if quiet > clock.now() else None


def confirm(task: Task, task_id: str, actor: User) -> None:
    """A person names the taskID. Taken only when the platform has a task of that id and of this name."""
    if task.state != State.UNCONFIRMED and (task.state != State.RUNNING or task.platform_task_id):
        raise NotSettled(SETTLED)
    task_id = task_id.strip()
    if not task_id:
        raise NotSettled("Enter the taskID that the platform's portal shows.")
    if Task.objects.filter(application=task.application, platform_task_id=task_id).exists():
        raise NotSettled("Another task has this taskID already.")
    try:
        found = ask(task.application, partial(client.query, task_id=task_id))
    except PlatformError as error:
        raise NotSettled(f"The platform did not confirm this taskID: {error}") from error
    if found.name != task.name:
        raise NotSettled(f"The platform's task of this id is called “{found.name}”, not “{task.name}”.")
    how = "named by a person, confirmed by the platform"
    with transaction.atomic():
        _exists(task, "a person named its taskID, and the platform confirmed the name", actor=actor)
        given_up = task.state == State.ABANDONED  # by somebody else, at this moment
        if given_up or not learn_task_id(task, task_id, how, actor=actor.get_username()):
            raise NotSettled(SETTLED)


def resubmit(task: Task, actor: User) -> None:
    """A person is sure that the platform does not have it: the same request may go out again."""
    if (quiet := quiet_since(task)) > clock.now():
        raise NotSettled(f"A worker could still be sending it. Try again after {quiet:%H:%M:%S} UTC.")
    _leave(
        task, State.QUEUED, "a person confirmed that the platform does not have it", actor, due_at=clock.now()
    )
    ring("submit", task.pk)


def abandon(task: Task, actor: User) -> None:
    """A person gives the task up without knowing."""
    _leave(task, State.ABANDONED, "given up by a person; its outcome stays unknown", actor)


def _leave(task: Task, to: State, reason: str, actor: User, **changes: Any) -> None:
    if task.state != State.UNCONFIRMED:  # SUBMITTING may be queued too, but not by a person
        raise NotSettled(SETTLED)
    try:
        move(task, to, reason, actor=actor, poll_at=None, **changes)
    except Overtaken as error:
        raise NotSettled(SETTLED) from error


def _claim(task: Task) -> bool:
    """Take the turn, and set when the next one is due; none after the last look."""
    sent = quiet_since(task) - QUIET
    due = sorted({*(sent + look for look in LOOKS), quiet_since(task)})
    following = next((moment for moment in due if moment > clock.now()), None)
    return bool(
        Task.objects.filter(pk=task.pk, state=State.UNCONFIRMED, poll_at=task.poll_at).update(
            poll_at=following
        )
    )


def _shows_in_commands(task: Task) -> bool:
    """Is there a device command with this task's own callback address? None found proves nothing."""
    if not task.callback_token:
        return False
    param = json.loads(task.request_body)["param"]
    devices = param["deviceList"][:LOOKED_AT] if task.target_type == TargetType.DEVICE_LIST else [""]
    since = quiet_since(task) - QUIET - BEFORE
    for device_id in devices:
        try:
            found = ask(
                task.application,
                partial(client.device_commands, device_id=device_id, since=since),
            )
        except PlatformError:
            return False
        if any(command.callback_url == callback_url(task.callback_token) for command in found.commands):
            _exists(task, "a device command with this task's own callback address is on the platform")
            return True
    return False


def _probe(task: Task) -> None:
    """Send the same request once more: refused as a known name, it proves the first; accepted, it is the first."""
    with contextlib.suppress(Overtaken), transaction.atomic():  # evidence came meanwhile
        Task.objects.filter(pk=task.pk).update(probed=True)
        move(
            task,
            State.QUEUED,
            "the guarded probe: the same request once more, which a platform that keeps names for ever can only "
            "accept when the first one never arrived",
            due_at=clock.now(),
            poll_at=None,
        )
        transaction.on_commit(lambda: ring("submit", task.pk))


def _exists(task: Task, reason: str, *, actor: User | None = None) -> None:
    if task.state != State.UNCONFIRMED:
        return
    now = clock.now()
    try:
        move(task, State.RUNNING, reason, actor=actor, submitted_at=now, poll_at=now)
    except Overtaken:
        task.refresh_from_db(fields=["state"])
