"""What the safety net costs: calls and time until a task is mended whose pushes were lost, and calls while tasks run.

Hours pass by a clock that skips all waiting; what is computed takes its real time. The baseline is what the platform
allows at the most: every device read once, 250 to a call, 100 calls a minute.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import time
from collections.abc import Callable
from unittest import mock

from django.core.management import call_command
from django.utils import timezone

from tasks import clock, lifecycle
from tasks.lifecycle import Arrival, budget, details, pace
from tasks.models import Application, Call, Callback, Task
from tasks.sandbox.dispatch import STATUSES
from tests.bench.report import line
from tests.factories import ApplicationFactory, TaskFactory
from tests.sandbox import Sandbox, running_sandbox

SWEEP = 5
"""Seconds between two looks for what is due."""

DEVICES = 30_000
MINUTES = 30

Lost = Callable[[int, str], bool]

LOSSES: tuple[tuple[str, tuple[float, ...], Lost], ...] = (
    ("every push lost", (0.93, 0.04, 0.03, 0, 0), lambda position, status: True),
    ("one push in a thousand lost", (0.93, 0.04, 0.03, 0, 0), lambda position, status: position % 1000 == 7),
    ("5 % asleep, never pushed", (0.91, 0.04, 0, 0.05, 0), lambda position, status: status == "EXPIRED"),
    ("none lost", (0.93, 0.04, 0.03, 0, 0), lambda position, status: False),
)


class Clock:
    """Real time, and what was skipped of it."""

    def __init__(self) -> None:
        self.skipped = dt.timedelta(0)

    def now(self) -> dt.datetime:
        return timezone.now() + self.skipped

    def skip_to(self, moment: dt.datetime) -> None:
        """Wait for the first sweep after the moment, if it is not past."""
        wait = (moment - self.now()).total_seconds()
        if wait > 0:
            self.skipped += dt.timedelta(seconds=math.ceil(wait / SWEEP) * SWEEP)


def run() -> None:
    call_command("migrate", verbosity=0)
    hours = Clock()
    with mock.patch.object(clock, "now", hours.now), mock.patch("celery.current_app.send_task"):
        for what, mix, lost in LOSSES:
            with running_sandbox(devices=DEVICES, mix=mix, strict=True, pace_minute=0.3) as sandbox:
                _mend(hours, sandbox, what, lost)
        for what, pushed in (("pushes flow", True), ("no push comes", False)):
            with running_sandbox(strict=True, pace_start=100_000.0) as sandbox:
                _watch(hours, sandbox, what, pushed=pushed)


def _application(sandbox: Sandbox) -> Application:
    for model in (Callback, Task, Call, Application):
        model.objects.all().delete()
    return ApplicationFactory(url=sandbox.url, app_id=sandbox.app_id, secret=sandbox.secret)


def _mend(hours: Clock, sandbox: Sandbox, what: str, lost: Lost) -> None:
    """The platform says its last word right after it was asked: the worst moment."""
    sandbox.faults({"route": "push", "action": "lose"})
    task = TaskFactory(application=_application(sandbox), devices=sandbox.devices(DEVICES), timeout=10)
    lifecycle.submit(task.pk)
    task.refresh_from_db()
    dispatch = sandbox.platform.tasks[task.platform_task_id].dispatch
    while not dispatch.finished:
        time.sleep(0.1)
    _push(sandbox, task, lost)
    task.refresh_from_db()
    now, missing = hours.now(), DEVICES - task.answered
    if missing:
        task.submitted_at = task.last_push_at = now - dt.timedelta(minutes=8)
        task.poll_at = pace.following(task, now)
    period = (task.poll_at - now).total_seconds()
    task.save()
    Call.objects.all().delete()
    share, first = 0, time.monotonic()
    while task.poll_at:
        hours.skip_to(task.poll_at)
        lifecycle.reconcile(task.pk)
        share = max(share, budget.used(task.application))
        task.refresh_from_db()
    took = (hours.now() - now).total_seconds()
    calls = sandbox.ledger()["calls"]
    made = calls["query"] + calls.get("details", 0)
    all_of_it = math.ceil(DEVICES / details.PAGE)
    if task.answered != DEVICES or task.disagreement or not task.is_final:
        raise AssertionError(f"not mended: {task.state} {task.counts} {task.disagreement}")
    line(
        f"{DEVICES:,} devices, {what} ({missing:,} missing)",
        f"{made} calls, {took:.0f} s, at most {share} a minute",
        f"all: {all_of_it} calls; {period:.0f} s until asked; worker busy {time.monotonic() - first:.0f} s",
        met=made <= all_of_it + 8,
    )


def _push(sandbox: Sandbox, task: Task, lost: Lost) -> None:
    """The last pushes of the devices, as far as they were not lost."""
    dispatch, arrivals = sandbox.platform.tasks[task.platform_task_id].dispatch, []
    for position, number in enumerate(dispatch.statuses):
        status = STATUSES[number]
        if not lost(position, status):
            ids = {
                "deviceId": sandbox.platform.device_id(dispatch, position),
                "commandId": sandbox.platform.command_id(dispatch, position),
            }
            body = json.dumps(ids | {"result": {"resultCode": status}}).encode()
            arrivals.append(Arrival(task.callback_token or "", body))
    lifecycle.receive(arrivals)
    lifecycle.settle(task.pk)


def _watch(hours: Clock, sandbox: Sandbox, what: str, *, pushed: bool) -> None:
    """Ten running tasks for half an hour; as it was before, each was asked every 15 s to 2 min by its age alone."""
    application = _application(sandbox)
    for _ in range(10):
        lifecycle.submit(TaskFactory(application=application, devices=sandbox.devices(3), timeout=2880).pk)
    begun, made, before = hours.now(), [0] * MINUTES, 0
    while (minute := int((hours.now() - begun).total_seconds() // 60)) < MINUTES:
        if pushed:
            Task.objects.update(last_push_at=hours.now())
        for pk in Task.objects.to_reconcile(hours.now()).values_list("pk", flat=True):
            lifecycle.reconcile(pk)
        asked = sandbox.ledger()["calls"].get("query", 0)
        made[minute] += asked - before
        before = asked
        hours.skipped += dt.timedelta(seconds=SWEEP)
    line(
        f"ten running tasks, {what}",
        f"{max(made)} calls in the busiest minute, {sum(made) / MINUTES:.1f} a minute",
        f"first five minutes {made[:5]}, by age alone {_by_age() / MINUTES:.1f} a minute",
        met=max(made) <= pace.SHARE * application.calls_per_minute + 10,
    )


def _by_age() -> float:
    at, questions = 5.0, 0
    while at < 60 * MINUTES:
        questions += 10
        at += min(max(at / 4, 15), 120)
    return questions
