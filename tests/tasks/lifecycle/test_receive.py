"""Which tokens open, for how long, and what is kept under them."""

from __future__ import annotations

import datetime as dt
import importlib
import secrets
import statistics
import time
from types import SimpleNamespace

import pytest
from django.core.management import call_command
from django.db import connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tasks import lifecycle
from tasks.lifecycle import Arrival, receive
from tasks.lifecycle.receive import LATEST, forget, refusals
from tasks.lifecycle.trim import trim
from tasks.models import Callback, Task
from tasks.models.callback import inbox
from tasks.states import State
from tests.factories import TaskFactory

pytestmark = pytest.mark.django_db

verb = importlib.import_module("tasks.lifecycle.receive")
MINUTES = dt.timedelta(minutes=1)


def opens(task: Task) -> bool:
    """Does its token open now? Nothing is remembered of what it did before."""
    forget()
    return receive([Arrival(task.callback_token, b"{}")]) == [task.pk]


def aged(task: Task, **times: dt.datetime) -> Task:
    Task.objects.filter(pk=task.pk).update(**times)
    return task


@pytest.mark.parametrize(
    ("state", "column"),
    [
        (State.COMPLETE, "finished_at"),
        (State.TIMED_OUT, "finished_at"),
        (State.CANCELLED, "finished_at"),
        (State.RUNNING, "submitted_at"),
    ],
)
def test_c10_a_token_opens_for_three_days_after_its_task_s_own_time(state, column):
    task = TaskFactory(state=state, timeout=30)
    edge = timezone.now() - LATEST - 30 * MINUTES
    assert opens(aged(task, **{column: edge + MINUTES}))
    before = refusals["expired"]
    assert not opens(aged(task, **{column: edge - MINUTES}))
    assert refusals["expired"] == before + 1


def test_c10_the_end_counts_and_not_the_beginning():
    task = TaskFactory(state=State.COMPLETE, timeout=10)
    old = timezone.now() - LATEST - 20 * MINUTES
    assert opens(aged(task, submitted_at=old, finished_at=timezone.now()))


@pytest.mark.parametrize("state", [State.QUEUED, State.SUBMITTING, State.UNCONFIRMED])
def test_c10_a_task_whose_outcome_is_open_is_never_too_old(state):
    """An answer at its address may be the only evidence that the platform has it."""
    lease = {"lease_until": timezone.now()} if state == State.SUBMITTING else {}
    task = TaskFactory(state=state, **lease)
    assert opens(aged(task, created_at=timezone.now() - dt.timedelta(days=400)))


def test_c10_a_revoked_token_opens_nothing():
    task = TaskFactory(state=State.RUNNING)
    assert opens(task)
    before = refusals["expired"]
    for _ in range(2):
        call_command("revoke", task.pk)
    assert not opens(task)
    assert refusals["expired"] == before + 1
    assert [row.reason for row in task.transitions.filter(from_state=State.RUNNING)] == [
        "its callback address was revoked: no push is taken any more"
    ]


def test_c10_a_token_that_is_remembered_is_looked_up_again_within_a_minute(monkeypatch):
    task = TaskFactory(state=State.RUNNING)
    assert opens(task)
    aged(task, revoked_at=timezone.now())
    later = time.monotonic() + verb.REMEMBERED_SECONDS + 1
    monkeypatch.setattr(verb, "time", SimpleNamespace(monotonic=lambda: later))
    assert receive([Arrival(task.callback_token, b"{}")]) == [None]


def test_a_token_is_looked_up_once_and_an_unknown_one_every_time():
    task = TaskFactory(state=State.RUNNING)
    forget()
    arrivals = [Arrival(task.callback_token, b"%d" % number) for number in range(3)]
    with CaptureQueriesContext(connections["default"]) as queries:
        for arrival in arrivals:
            receive([arrival])
    assert len([each for each in queries if "tasks_task" in each["sql"]]) == 1
    before = refusals["unknown"]
    with CaptureQueriesContext(connections["default"]) as queries:
        for _ in range(3):
            receive([Arrival("x" * 43, b"{}")])
    assert len([each for each in queries if "tasks_task" in each["sql"]]) == 3
    assert refusals["unknown"] == before + 3


def test_c29_what_is_remembered_is_bounded(monkeypatch):
    monkeypatch.setattr(verb, "MOST_REMEMBERED", 3)
    forget()
    for _ in range(5):
        receive([Arrival(TaskFactory().callback_token, b"{}")])
        receive([Arrival(secrets.token_urlsafe(32), b"{}")])
    assert len(verb._remembered) <= 3


def test_more_bodies_than_one_statement_takes_are_one_transaction():
    task = TaskFactory(state=State.RUNNING)
    bodies = [b"%d" % (number % 2500) for number in range(5000)]
    assert receive([Arrival(task.callback_token, body) for body in bodies]) == [task.pk] * 5000
    assert Callback.objects.count() == 2500
    assert set(Callback.objects.values_list("seen", flat=True)) == {2}


def test_c37_a_wrong_token_takes_as_long_whatever_its_beginning():
    """The look-up goes through an index of whole tokens: a right beginning must not show in the time."""
    task = TaskFactory(state=State.RUNNING)
    token = task.callback_token
    near, far = token[:-1] + ("A" if token[-1] != "A" else "B"), secrets.token_urlsafe(32)

    def one(wrong: str) -> float:
        start = time.perf_counter()
        receive([Arrival(wrong, b"{}")])
        return time.perf_counter() - start

    times: dict[str, list[float]] = {near: [], far: []}
    for _ in range(1000):
        for wrong, taken in times.items():
            taken.append(one(wrong))
    middle = [statistics.median(each) for each in times.values()]
    spread = statistics.quantiles(times[far], n=4)
    assert abs(middle[0] - middle[1]) < max(spread[2] - spread[0], 5e-6)


def test_callbacks_have_a_database_of_their_own_where_there_is_one():
    task = TaskFactory()
    receive([Arrival(task.callback_token, b"{}")])
    callback = task.callbacks.get()
    assert callback._state.db == inbox()
    assert callback.task == task
    tables = connections["default"].introspection.table_names()
    assert ("tasks_callback" in tables) == (inbox() == "default")
    if inbox() != "default":
        assert connections["inbox"].introspection.table_names() == ["django_migrations", "tasks_callback"]


def test_a_crash_between_the_effect_and_its_mark_changes_nothing(monkeypatch):
    """C7: the results are committed, the inbox does not know: the same pushes are settled once more."""
    task = TaskFactory(state=State.RUNNING, devices=["d1", "d2"])
    body = b'{"deviceId":"d1","commandId":"c","result":{"resultCode":"SUCCESSFUL"}}'
    receive([Arrival(task.callback_token, body), Arrival(task.callback_token, b"no push")])
    with monkeypatch.context() as patch:
        patch.setattr(importlib.import_module("tasks.lifecycle.settle"), "_mark", lambda *_: None)
        lifecycle.settle(task.pk)
    assert set(Callback.objects.values_list("state", flat=True)) == {"NEW"}
    before = [*Task.objects.values(), *task.results.order_by("pk").values()]
    assert Task.objects.get().counts == {"": 1, "SUCCESSFUL": 1}
    lifecycle.settle(task.pk)
    assert [*Task.objects.values(), *task.results.order_by("pk").values()] == before
    assert set(Callback.objects.values_list("state", flat=True)) == {"SETTLED", "QUARANTINED"}


def test_a_push_for_a_task_that_is_gone_does_not_stay():
    task = TaskFactory(state=State.RUNNING)
    receive([Arrival(task.callback_token, b"{}")])
    pk = task.pk
    task.transitions.all().delete()
    Task.objects.filter(pk=pk).delete()
    lifecycle.settle(pk)
    assert not Callback.objects.exists()


def push(device: str, code: str, number: int = 0) -> bytes:
    detail = f'"resultCode":"{code}","resultDetail":{{"n":{number}}}'
    return f'{{"deviceId":"{device}","commandId":"c","result":{{{detail}}}}}'.encode()


def test_c30_of_very_many_events_for_a_device_the_oldest_go_and_its_last_word_stays():
    task = TaskFactory(state=State.RUNNING, devices=["d1"])
    final = push("d1", "SUCCESSFUL")
    bodies = [final, *(push("d1", "SENT", number) for number in range(300)), b"no push"]
    Task.objects.filter(pk=task.pk).update(state=State.RUNNING, expected=1)
    receive([Arrival(task.callback_token, body) for body in bodies])
    lifecycle.settle(task.pk)
    task.refresh_from_db()
    kept = [bytes(body) for body in task.callbacks.order_by("pk").values_list("body", flat=True)]
    assert kept == [final, *bodies[103:]]
    assert task.pushes_dropped == 102
    assert task.counts == {"SUCCESSFUL": 1}


def test_c30_what_is_not_settled_yet_is_never_dropped():
    task = TaskFactory(state=State.RUNNING, devices=["d1"])
    receive([Arrival(task.callback_token, push("d1", "SENT", number)) for number in range(300)])
    trim(task.pk)
    assert task.callbacks.count() == 300
