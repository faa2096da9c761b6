"""The safety net as a whole: whatever is lost of the pushes, and whatever befalls questions, the truth is found."""

import datetime as dt
import json
import time
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from tasks import lifecycle
from tasks.lifecycle import Arrival, details, pace
from tasks.models import Application, Call, Callback, Task
from tasks.sandbox.dispatch import DELIVERED, FAILED, SENT, STATUSES, SUCCESSFUL, TIMEOUT
from tasks.sandbox.platform import Platform
from tasks.states import State
from tasks.targets import TargetType
from tests.factories import TaskFactory
from tests.sandbox import until

pytestmark = pytest.mark.django_db

FAULTS = (
    {"action": "error", "code": "50252"},
    {"action": "error", "code": "1010009"},
    {"action": "error", "code": "1010005"},
    {"action": "html", "status": 502},
    {"action": "empty"},
    {"action": "cut"},
    {"action": "half"},
    {"action": "text", "body": "[]"},
    {"action": "text", "body": '{"status":"Paused","totalCnt":1}'},
    {"action": "text", "body": '{"totalCount":100,"taskDetails":[]}'},
    {"action": "text", "body": '{"totalCount":3,"taskDetails":[7,{},{"param":{"deviceId":9}}]}'},
    {"action": "text", "body": '{"totalCount":0,"taskDetails":[]}'},
)
"""What may befall a question: errors, broken answers, and answers that are whole and wrong."""

FINAL = {"EXPIRED": "TIMEOUT", "CANCELED": "FAILED"}
"""Words that the platform's details do not have, and those they have instead."""


def truth(platform: Platform, task: Task) -> dict[str, str]:
    dispatch = platform.tasks[task.platform_task_id].dispatch
    words = [FINAL.get(STATUSES[status], STATUSES[status]) for status in dispatch.statuses]
    return {platform.device_id(dispatch, position): word for position, word in enumerate(words)}


def pushes(platform: Platform, task: Task) -> list[Arrival]:
    """All that the sandbox has pushed by now."""
    dispatch, arrivals = platform.tasks[task.platform_task_id].dispatch, []
    for position, status in enumerate(dispatch.statuses):
        steps = [step for step in (SENT, DELIVERED) if step <= status <= TIMEOUT] + [status] * bool(status)
        for step in steps:
            ids = {
                "deviceId": platform.device_id(dispatch, position),
                "commandId": platform.command_id(dispatch, position),
            }
            said = platform.detail(dispatch, position) if step in (SUCCESSFUL, FAILED) else None
            body = ids | {"result": {"resultCode": STATUSES[step], "resultDetail": said}}
            arrivals.append(Arrival(task.callback_token or "", json.dumps(body).encode()))
    return arrivals


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    kind=some.sampled_from([TargetType.DEVICE_LIST, TargetType.BROADCAST]),
    seed=some.integers(1, 10**6),
    lost=some.sampled_from([0.0, 0.02, 0.3, 0.9, 1.0]),
    chance=some.sampled_from([0.0, 0.2, 0.5]),
    faults=some.lists(some.sampled_from(FAULTS), min_size=1, max_size=3),
    turns=some.integers(1, 25),
    early=some.integers(0, 3),
    size=some.sampled_from([7, 30, 250]),
    few=some.sampled_from([0, 50]),
)
def test_the_results_are_the_platforms_truth_in_the_end(
    sandbox, application, times, kind, seed, lost, chance, faults, turns, early, size, few
):
    """C35, S38: any push is lost with any probability, questions fail at random, and nothing false is left."""
    for model in (Callback, Task, Call):
        model.objects.all().delete()
    Application.objects.update(
        access_token="", drained_until=None, failures=0, open_until=None, login_failures=0, login_after=None
    )
    sandbox.faults()
    platform = sandbox.platform
    dice = platform.faults.dice
    dice.seed(seed)
    sandbox.configure(mix=(0.5, 0.2, 0.1, 0.1, 0.1), pace={"minute": 0.04}, batch_in_commands=False)
    listed = {"devices": sandbox.devices(100)} if kind == TargetType.DEVICE_LIST else {}
    task = TaskFactory(application=application, kind=kind, name=f"{seed} {time.monotonic_ns()}", **listed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(details, "PAGE", size)
        patch.setattr(details, "SINGLY", few)
        lifecycle.submit(task.pk)
        task.refresh_from_db()
        assert task.platform_task_id
        sandbox.faults(
            *(
                fault | {"route": route, "probability": chance}
                for fault in faults
                for route in ("query", "details")
            )
        )

        def turn() -> None:
            task.refresh_from_db()
            times.now = max(times.now, task.poll_at or times.now)
            lifecycle.reconcile(task.pk)

        def arrive() -> None:
            arrivals = [one for one in pushes(platform, task) if dice.random() >= lost]
            dice.shuffle(arrivals)
            lifecycle.receive(arrivals)
            lifecycle.settle(task.pk)

        for _ in range(early):
            arrive()
            turn()
        until(lambda: platform.tasks[task.platform_task_id].dispatch.finished)
        arrive()
        for _ in range(turns):
            turn()
        sandbox.faults()
        for _ in range(100):
            task.refresh_from_db()
            if task.poll_at is None:
                break
            turn()
    assert task.is_final
    assert task.poll_at is None
    rows = task.results.filter(unexpected=False).values_list("device_id", "status")
    assert {device: FINAL.get(status, status) for device, status in rows} == truth(platform, task)
    assert task.counts == dict(Counter(status for _, status in rows)), "C3"
    assert task.disagreement == ""
    assert not task.results.filter(conflict=True).exclude(status__in=["EXPIRED", "TIMEOUT"]).exists()


@pytest.mark.parametrize("minutes", [0.5, 5, 30, 300])
def test_c35_when_pushes_stop_the_task_is_complete_two_periods_after_the_platforms_end(
    sandbox, application, times, minutes
):
    """C35: the platform's last word falls just after a question; the next one finds it, and all devices."""
    task = TaskFactory(application=application, devices=sandbox.devices(100), timeout=2880)
    lifecycle.submit(task.pk)
    task = Task.objects.select_related("application").get(pk=task.pk)
    until(lambda: sandbox.platform.tasks[task.platform_task_id].dispatch.finished)
    task.submitted_at = times.now - dt.timedelta(minutes=minutes)
    task.poll_at = pace.following(task, times.now)
    task.save()
    ended, period = times.now, task.poll_at - times.now
    while task.state == State.RUNNING:
        times.now = max(times.now, task.poll_at)
        lifecycle.reconcile(task.pk)
        task.refresh_from_db()
    assert dict(task.results.values_list("device_id", "status")) == truth(sandbox.platform, task)
    assert times.now - ended <= 2 * period
    assert period <= dt.timedelta(minutes=2)
