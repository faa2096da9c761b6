"""Settling: turns, crashes, poison, and that everything counted is a recount. What pushes mean: test_pushes."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from django.db import OperationalError, connection, connections, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks import lifecycle
from tasks.lifecycle import Arrival, settle
from tasks.lifecycle.bulk import LEAST, next_size
from tasks.lifecycle.listing import CHUNK, list_devices
from tasks.lifecycle.results import apply
from tasks.models import Callback, Result, Tally, Task
from tasks.models.tally import SECONDS
from tasks.platform import pushes
from tasks.states import State
from tasks.targets import TargetType
from tests.factories import TaskFactory
from tests.tasks.lifecycle.news import observations, retold
from tests.tasks.threads import at_once

pytestmark = pytest.mark.django_db

SETTLE = sys.modules[settle.__module__]
ROOT = Path(__file__).parents[3]


def body(device="d1", code="SUCCESSFUL", command="c1", **more):
    return json.dumps(
        {"deviceId": device, "commandId": command, "result": {"resultCode": code, **more}}
    ).encode()


def push(task, *bodies):
    lifecycle.receive([Arrival(task.callback_token, raw) for raw in bodies])


def running(*devices, **columns):
    return TaskFactory(state=State.RUNNING, devices=devices or ["d1", "d2", "d3"], **columns)


def states(task):
    return dict(Counter(Callback.objects.filter(task_id=task.pk).values_list("state", flat=True)))


def check_recount(task):
    """C3: what is counted equals what is there."""
    task.refresh_from_db()
    rows = list(task.results.filter(unexpected=False))
    assert task.counts == dict(Counter(row.status for row in rows))
    tallies = Counter(
        (
            row.finished_at.replace(second=row.finished_at.second // SECONDS * SECONDS, microsecond=0),
            row.status,
        )
        for row in rows
        if row.finished_at
    )
    assert {(tally.at, tally.status): tally.count for tally in task.tallies.all()} == dict(tallies)
    assert sum(tallies.values()) == task.answered


def outcome(task):
    task.refresh_from_db()
    columns = [field.name for field in Result._meta.fields if field.name not in ("id", "task")]
    rows = sorted(map(repr, task.results.values_list(*columns)))
    return task.counts, rows, sorted(task.tallies.values_list("at", "status", "count"))


# A function of the set of what was heard


@pytest.mark.parametrize("kind", [TargetType.DEVICE_LIST, TargetType.BROADCAST])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(heard=st.lists(observations(), min_size=1, max_size=8), data=st.data())
def test_c03_results_counts_and_tallies_are_the_same_for_any_order_any_batches_and_any_repetition(
    kind, heard, data
):
    listed = {"devices": ["d1", "d2"]} if kind == TargetType.DEVICE_LIST else {"kind": kind}
    one, other = (TaskFactory(state=State.RUNNING, **listed) for _ in range(2))
    for task, batches in ((one, [heard]), (other, retold(data, heard))):
        list_devices(task.pk)
        for batch in batches:
            with transaction.atomic():
                apply(Task.objects.select_for_update().get(pk=task.pk), batch)
            check_recount(task)
    assert outcome(one) == outcome(other)


PUSHES = st.builds(
    body,
    device=st.sampled_from(["d1", "d2", "x"]),
    code=st.sampled_from([*pushes.RANK, "odd"]),
    command=st.sampled_from(["", "c1", "c2"]),
    resultDetail=st.none() | st.fixed_dictionaries({"v": st.integers(0, 2)}),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=st.lists(PUSHES, min_size=1, max_size=8), data=st.data())
def test_c2_a_crash_between_the_two_commits_changes_nothing(monkeypatch, events, data):
    """C7: what was applied and not marked is applied once more; batches are cut anywhere."""
    plain, crashed = running("d1", "d2"), running("d1", "d2")
    push(plain, *events)
    settle(plain.pk)
    push(crashed, *data.draw(st.permutations(events)))
    at = Callback.objects.filter(task_id=plain.pk).earliest("id").received_at
    Callback.objects.filter(task_id=crashed.pk).update(received_at=at)
    real = SETTLE._mark
    for crashes in data.draw(st.lists(st.booleans(), max_size=6)):
        size = data.draw(st.integers(1, 9))
        with monkeypatch.context() as patch:
            patch.setattr(SETTLE, "BATCH", size)
            patch.setattr(SETTLE, "_mark", fail if crashes else real)
            patch.setattr(SETTLE, "TURN_SECONDS", -1)
            try:
                settle(crashed.pk)
            except OperationalError:
                assert crashes
        check_recount(crashed)
    settle(crashed.pk)
    assert states(crashed) == states(plain) == {"SETTLED": len(set(events))}
    assert times_off(crashed) == times_off(plain)


def fail(*_, **__):
    raise OperationalError("the inbox is gone")


def times_off(task):
    task.refresh_from_db()
    columns = ("device_id", "command_id", "status", "detail", "conflict", "unexpected", "anonymous")
    return task.state, task.counts, sorted(map(repr, task.results.values_list(*columns)))


def test_a_repeated_batch_writes_nothing(django_assert_num_queries):
    task = running()
    push(task, body("d1"), body("d2", "SENT"), body("stranger", "FAILED"))
    settle(task.pk)
    Callback.objects.update(state="NEW")
    with CaptureQueriesContext(connection) as queries:
        settle(task.pk)
    written = [each["sql"] for each in queries if each["sql"].startswith(("UPDATE", "INSERT", "DELETE"))]
    assert not [sql for sql in written if "tasks_result" in sql or "tasks_tally" in sql]


def test_the_newest_settled_push_is_known():
    task = running()
    now = timezone.now()
    push(task, body("d1"), body("d2"), b"nonsense")
    ages = dict(zip(Callback.objects.order_by("id"), (5, 9, 1), strict=True))
    for callback, minutes in ages.items():
        Callback.objects.filter(pk=callback.pk).update(received_at=now - dt.timedelta(minutes=minutes))
    settle(task.pk)
    task.refresh_from_db()
    assert task.last_push_at == now - dt.timedelta(minutes=5)
    push(task, body("d3"))
    Callback.objects.filter(state="NEW").update(received_at=now - dt.timedelta(hours=1))
    settle(task.pk)
    task.refresh_from_db()
    assert task.last_push_at == now - dt.timedelta(minutes=5)


# Turns


def test_a_turn_ends_and_rings_for_the_next(monkeypatch, bells):
    monkeypatch.setattr(SETTLE, "BATCH", 2)
    monkeypatch.setattr(SETTLE, "TURN_SECONDS", 0)
    task = running(*(f"d{n}" for n in range(7)))
    list_devices(task.pk)
    push(task, *(body(f"d{n}") for n in range(7)))
    settle(task.pk)
    assert states(task) == {"SETTLED": 2, "NEW": 5}
    assert bells == [("settle", task.pk)]
    bells.run()
    assert states(task) == {"SETTLED": 7}
    assert Task.objects.get().state == State.COMPLETE


def test_a_batch_of_large_callbacks_is_a_small_one(monkeypatch, bells):
    """A worker's memory does not depend on what devices answer."""
    monkeypatch.setattr(SETTLE, "PAGE", 2)
    monkeypatch.setattr(SETTLE, "MOST_BYTES", 3 * len(body("d0")))
    monkeypatch.setattr(SETTLE, "TURN_SECONDS", 0)
    task = running(*(f"d{n}" for n in range(7)))
    list_devices(task.pk)
    push(task, *(body(f"d{n}") for n in range(7)))
    for settled in (4, 7):
        settle(task.pk)
        assert states(task)["SETTLED"] == settled


def test_while_a_worker_has_the_turn_another_leaves_the_task_alone():
    task = running()
    push(task, body())
    Task.objects.update(settling_until=timezone.now() + dt.timedelta(seconds=30))
    settle(task.pk)
    assert states(task) == {"NEW": 1}


def test_a_worker_that_died_keeps_nobody_out_for_long():
    task = running()
    push(task, body())
    Task.objects.update(settling_until=timezone.now() - dt.timedelta(seconds=1), settle_tries=1)
    settle(task.pk)
    assert states(task) == {"SETTLED": 1}
    task.refresh_from_db()
    assert (task.settling_until, task.settle_tries) == (None, 0)


def test_what_comes_while_the_turn_is_given_back_is_not_left_lying(monkeypatch):
    """Its bell found the turn taken, and nobody rings again."""
    task = running()
    push(task, body("d1"))
    real, late = SETTLE._settle_all, [body("d2")]

    def settle_all(turn, over):
        done = real(turn, over)
        if late:
            push(task, late.pop())
            settle(task.pk)  # the bell's worker, that leaves again at once
        return done

    monkeypatch.setattr(SETTLE, "_settle_all", settle_all)
    settle(task.pk)
    assert states(task) == {"SETTLED": 2}


@pytest.mark.django_db(transaction=True)
def test_many_workers_and_tasks_at_once_count_everything_once(monkeypatch):
    monkeypatch.setattr(SETTLE, "BATCH", 7)
    tasks = [running(*(f"d{n}" for n in range(40))) for _ in range(2)]
    for task in tasks:
        push(task, *(body(f"d{n}", code) for n in range(40) for code in ("SENT", "SUCCESSFUL")))
    at_once(6, lambda: [settle(task.pk) for task in tasks])
    for task in tasks:
        settle(task.pk)
        check_recount(task)
        assert (task.state, task.counts) == (State.COMPLETE, {"SUCCESSFUL": 40})


def test_a_bell_without_news_writes_nothing(django_assert_max_num_queries):
    task = running()
    push(task, body())
    settle(task.pk)
    with django_assert_max_num_queries(2):
        settle(task.pk)


# Others


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "sqlite", reason="only SQLite has one lock for all who write")
def test_other_writers_get_in_between_the_transactions_of_one_batch(monkeypatch):
    """And so do they while a list is listed."""
    monkeypatch.setattr(SETTLE, "TURN_SECONDS", 60)
    monkeypatch.setattr("tasks.lifecycle.bulk.LOCK_SECONDS", 0)
    monkeypatch.setattr("tasks.lifecycle.bulk.LEAST", 20)
    monkeypatch.setattr("tasks.lifecycle.listing.CHUNK", 20)
    devices = [f"d{n}" for n in range(1300)]
    task, other = running(*devices), running()
    push(task, *(body(device) for device in devices))
    seen = []

    def write():
        over = time.monotonic() + 60
        while (not seen or seen[-1] != State.COMPLETE) and time.monotonic() < over:
            Task.objects.filter(pk=other.pk).update(name=f"written {len(seen)} times")
            seen.append(Task.objects.get(pk=task.pk).state)

    first = iter([lambda: settle(task.pk), write])
    at_once(2, lambda: next(first)())
    assert len(seen) > 20
    check_recount(task)


def test_nobody_holds_the_lock_for_long_however_large_a_batch_is():
    assert next_size(2000, 0.1, 20_000) == 1000
    assert next_size(2000, 0.025, 20_000) == 4000
    assert next_size(2000, 3, 20_000) == LEAST
    assert next_size(15_000, 0, 20_000) == 20_000


# Listing


def test_a_list_is_listed_in_short_transactions_and_goes_on_where_it_stopped():
    devices = [f"d{n}" for n in range(2 * CHUNK + 1)]
    task = running(*devices)
    assert not list_devices(task.pk, until=0)
    task.refresh_from_db()
    assert (task.listed, task.counts) == (False, {"": CHUNK})
    push(task, body("d0"))
    settle(task.pk)
    check_recount(task)
    assert task.listed
    assert task.counts == {"": 2 * CHUNK, "SUCCESSFUL": 1}
    assert list(task.results.order_by("id").values_list("device_id", flat=True)) == devices


@pytest.mark.django_db(transaction=True)
def test_two_workers_list_each_device_once():
    task = running(*(f"d{n}" for n in range(2 * CHUNK + 1)))
    at_once(4, lambda: list_devices(task.pk))
    assert task.results.count() == 2 * CHUNK + 1
    check_recount(task)


# Poison


def test_q11_a_callback_that_always_fails_is_put_aside_and_the_others_go_on(monkeypatch):
    real, tries = pushes.parse, []

    def parse(raw):
        if b"poison" in raw:
            tries.append(raw)
            raise ZeroDivisionError("a mistake of ours")
        return real(raw)

    monkeypatch.setattr(pushes, "parse", parse)
    task = running()
    push(task, body("d1"), body("poison"), body("d2"), body("poison", command="c2"), body("d3"))
    settle(task.pk)
    assert states(task) == {"SETTLED": 3, "QUARANTINED": 2}
    assert [tries.count(raw) for raw in set(tries)] == [5, 5]
    problems = set(Callback.objects.filter(state="QUARANTINED").values_list("problem", flat=True))
    assert problems == {"Settling it fails: ZeroDivisionError('a mistake of ours')"}
    task.refresh_from_db()
    assert (task.state, task.settle_tries) == (State.COMPLETE, 0)


def test_q11_what_only_the_database_refuses_is_put_aside_too(monkeypatch):
    real = SETTLE.merge

    def refuse(task, news):
        if "poison" in news:
            raise ValueError("no such thing")
        real(task, news)

    monkeypatch.setattr(SETTLE, "merge", refuse)
    task = running()
    push(task, body("d1"), body("poison"), body("d2"))
    settle(task.pk)
    assert states(task) == {"SETTLED": 2, "QUARANTINED": 1}


def test_trouble_of_the_database_is_no_callbacks_fault(monkeypatch):
    task = running()
    push(task, body("d1"))
    with monkeypatch.context() as patch:
        patch.setattr(SETTLE, "merge", fail)
        for _ in range(10):
            with pytest.raises(OperationalError):
                settle(task.pk)
    settle(task.pk)
    assert states(task) == {"SETTLED": 1}


KILLED = """
import json, os, signal, sys
import django
from django.conf import settings
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
for alias, name in json.loads(sys.argv[2]).items():
    settings.DATABASES[alias]["NAME"] = name
django.setup()
from tasks import lifecycle
from tasks.platform import pushes
real = pushes.parse
def parse(raw):
    if b"poison" in raw:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(raw)
pushes.parse = parse
lifecycle.settle(int(sys.argv[1]))
"""


@pytest.mark.processes
@pytest.mark.django_db(transaction=True)
def test_q11_a_callback_that_kills_every_worker_is_put_aside():
    """A real kill -9: nothing is left to catch an exception."""
    task = running()
    push(task, body("d1"), body("poison"), body("d2"))
    databases = {alias: str(connections[alias].settings_dict["NAME"]) for alias in connections}
    deaths = 0
    for _ in range(8):
        command = [sys.executable, "-c", KILLED, str(task.pk), json.dumps(databases)]
        died = subprocess.run(command, cwd=ROOT, env=os.environ, timeout=60, check=False).returncode
        if not died:
            break
        assert died == -9
        deaths += 1
        Task.objects.update(settling_until=timezone.now() - dt.timedelta(seconds=1))  # its lease runs out
    assert deaths == 5
    assert states(task) == {"SETTLED": 2, "QUARANTINED": 1}
    assert (
        Callback.objects.get(state="QUARANTINED").problem == "The worker died each time that it was settled."
    )
    check_recount(task)
    assert task.settle_tries == 0


def test_tallies_follow_a_result_that_changes():
    task = running("d1")
    push(task, body("d1", "TIMEOUT"))
    settle(task.pk)
    assert [(tally.status, tally.count) for tally in Tally.objects.all()] == [("TIMEOUT", 1)]
    push(task, body("d1", "SUCCESSFUL"))
    settle(task.pk)
    assert [(tally.status, tally.count) for tally in Tally.objects.all()] == [("SUCCESSFUL", 1)]
    check_recount(task)
