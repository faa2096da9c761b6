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


def test_c02_a_body_that_comes_again_is_counted_in_its_first_row():
    """Whether it comes in the same moment or later, settled or not; what settling made of it stays."""
    task, other = (TaskFactory(state=State.RUNNING, devices=["d1"]) for _ in range(2))
    body = push("d1", "SUCCESSFUL")
    again = Arrival(task.callback_token, body)
    receive([again, Arrival(other.callback_token, body), again])
    receive([again])
    lifecycle.settle(task.pk)
    receive([again, Arrival(task.callback_token, b"another"), again])
    rows = Callback.objects.order_by("pk").values_list("task_id", "body", "seen", "state")
    assert [(pk, bytes(kept), *more) for pk, kept, *more in rows] == [
        (task.pk, body, 5, "SETTLED"),
        (other.pk, body, 1, "NEW"),
        (task.pk, b"another", 1, "NEW"),
    ]


def test_c02_a_body_that_nobody_remembers_is_kept_twice_and_counts_once():
    """By another process, or by this one after MOST_RECENT others."""
    task = TaskFactory(state=State.RUNNING, devices=["d1", "d2"])
    for _ in range(2):
        receive([Arrival(task.callback_token, push("d1", "SUCCESSFUL"))])
        verb._recent.clear()
        lifecycle.settle(task.pk)
    assert list(Callback.objects.values_list("seen", "state")) == [(1, "SETTLED")] * 2
    assert Task.objects.get().counts == {"": 1, "SUCCESSFUL": 1}


def test_a_body_whose_row_was_pruned_is_kept_anew():
    task = TaskFactory(state=State.RUNNING)
    receive([Arrival(task.callback_token, b"{}")])
    Callback.objects.all().delete()
    receive([Arrival(task.callback_token, b"{}")])
    assert Callback.objects.get().seen == 1


def test_a_body_with_the_hash_of_another_one_is_kept(monkeypatch):
    """What is remembered only says where to look: never may it stand for a row that is not there."""
    monkeypatch.setattr(verb, "hash", lambda _: 7, raising=False)
    task = TaskFactory(state=State.RUNNING)
    for body in (b"one", b"two", b"one", b"two"):
        receive([Arrival(task.callback_token, body)])
    assert {bytes(body) for body in Callback.objects.values_list("body", flat=True)} == {b"one", b"two"}
    assert sum(Callback.objects.values_list("seen", flat=True)) == 4


def test_what_could_not_be_kept_is_not_remembered(monkeypatch):
    """Nor counted: the body that came again shares the fate of those with it."""
    task = TaskFactory(state=State.RUNNING)
    old, new = (Arrival(task.callback_token, body) for body in (b"old", b"new"))
    receive([old])

    def fail(*_):
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        for insert in ("_insert_rows", "_insert_arrays"):
            patch.setattr(verb, insert, fail)
        with pytest.raises(OSError, match="disk full"):
            receive([old, new])
    assert list(Callback.objects.values_list("seen", flat=True)) == [1]
    receive([old, new])
    assert list(Callback.objects.order_by("pk").values_list("seen", flat=True)) == [2, 1]


def test_c28_the_bodies_that_are_remembered_are_bounded(monkeypatch):
    monkeypatch.setattr(verb, "MOST_RECENT", 10)
    task = TaskFactory(state=State.RUNNING)
    for number in range(50):
        receive([Arrival(task.callback_token, b"%d" % number)])
        assert len(verb._recent) <= 10


def test_a_body_that_comes_again_is_found_by_its_time():
    """By no index of its task: a million others may be of the same."""
    if connections[inbox()].vendor != "sqlite":
        pytest.skip("PostgreSQL chooses by what it has counted")
    with connections[inbox()].cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {verb.AGAIN}", [1, "2026-01-01", 1, b"{}"])
        assert [row[-1] for row in cursor] == [
            "SEARCH tasks_callback USING INDEX callback_by_time (received_at=?)"
        ]


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
