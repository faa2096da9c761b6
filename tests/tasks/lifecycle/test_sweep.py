import datetime as dt
import sys

import pytest
from django.db import connection, connections, router
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tasks import lifecycle
from tasks.models import Attempt, Callback, Task, Transition
from tasks.states import FINAL, State
from tests.factories import AttemptFactory, CallbackFactory, TaskFactory
from tests.tasks.threads import at_once

pytestmark = pytest.mark.django_db

SWEEP = sys.modules[lifecycle.sweep.__module__]
PAST = timezone.now() - dt.timedelta(minutes=5)
FUTURE = timezone.now() + dt.timedelta(hours=1)


def abandoned(**columns):
    return TaskFactory(state=State.SUBMITTING, lease_until=PAST, **columns)


def test_whatever_is_due_is_rung_for(bells):
    """Q02: all messages were lost."""
    due = TaskFactory(due_at=PAST)
    TaskFactory(due_at=FUTURE)
    news = CallbackFactory(task=TaskFactory(state=State.COMPLETE, listed=True)).task
    unlisted = TaskFactory(state=State.RUNNING, poll_at=FUTURE)
    to_ask = TaskFactory(state=State.RUNNING, listed=True, poll_at=PAST)
    TaskFactory(state=State.RUNNING, listed=True, poll_at=FUTURE)
    for state in FINAL:
        TaskFactory(state=state, listed=True)
    lifecycle.sweep()
    assert sorted(bells) == sorted(
        [
            ("submit", due.pk),
            ("settle", news.pk),
            ("settle", unlisted.pk),
            ("reconcile", to_ask.pk),
        ]
    )


@pytest.mark.django_db(transaction=True)
def test_a_worker_lost_before_anything_was_sent_costs_nothing(bells):
    """Table 2.8, P1: back to the queue, and rung for in the same sweep."""
    task = abandoned()
    lifecycle.sweep()
    stored = Task.objects.get()
    assert (stored.state, stored.lease_until) == (State.QUEUED, None)
    assert "before anything was sent" in stored.reason
    assert bells == [("submit", task.pk)]


@pytest.mark.django_db(transaction=True)
def test_a_worker_lost_on_the_way_leaves_the_outcome_unknown(bells):
    """Table 2.8, P2 to P5; Q07: nobody knows what left, so nothing is sent again."""
    task = abandoned()
    AttemptFactory(task=task)
    lifecycle.sweep()
    stored, attempt = Task.objects.get(), Attempt.objects.get()
    assert stored.state == State.UNCONFIRMED
    assert "while the request was on its way" in stored.reason
    assert (attempt.outcome, attempt.finished_at is not None) == ("outcome unknown", True)
    assert [job for job, _ in bells] == ["settle"]


def test_a_worker_in_time_keeps_its_task(bells):
    TaskFactory(state=State.SUBMITTING)
    lifecycle.sweep()
    assert Task.objects.get().state == State.SUBMITTING
    assert bells == []


@pytest.mark.django_db(transaction=True)
def test_many_sweeps_at_once_do_what_one_does():
    """Q12: two beats run."""
    sent, unsent = abandoned(), abandoned()
    AttemptFactory(task=sent)
    at_once(4, lifecycle.sweep)
    lifecycle.sweep()
    assert {task.pk: task.state for task in Task.objects.all()} == {
        sent.pk: State.UNCONFIRMED,
        unsent.pk: State.QUEUED,
    }
    assert Transition.objects.count() == 4


@pytest.mark.django_db(transaction=True)
def test_evidence_that_came_before_the_doubt_counts_without_a_bell(bells):
    """C08: the push was settled while the request was on its way; then the worker and the bell were lost."""
    task = abandoned(devices=["d1", "d2"])
    AttemptFactory(task=task)
    body = b'{"deviceId":"d1","commandId":"c","result":{"resultCode":"SENT"}}'
    lifecycle.receive([lifecycle.Arrival(task.callback_token, body)])
    lifecycle.settle(task.pk)
    assert Callback.objects.get().state == Callback.State.SETTLED
    lifecycle.sweep()
    bells.clear()
    lifecycle.sweep()
    assert bells == [("settle", task.pk)]
    bells.run()
    assert Task.objects.get().state == State.RUNNING


def test_a_sweep_of_many_tasks_takes_few_queries(django_assert_max_num_queries):
    for _ in range(30):
        TaskFactory(due_at=PAST)
    lifecycle.sweep()  # the first sign of life makes its row
    with django_assert_max_num_queries(10):  # PostgreSQL is asked for its time, too
        lifecycle.sweep()


@pytest.mark.skipif(connection.vendor != "sqlite", reason="how a plan is shown, and small tables are scanned")
def test_looking_for_news_walks_through_neither_callbacks_nor_tasks():
    """C6: millions of callbacks, most of them settled, cost one look into the index for each task with news."""
    looks = [
        Callback.objects.filter(state="NEW", task_id__gt=0)
        .order_by("task_id", "id")
        .values_list("task_id")[:1],
        SWEEP._to_settle().values_list("pk")[: SWEEP.MOST],
    ]
    for look in looks:
        plan = look.explain()
        assert "SCAN" not in plan
        assert "SEARCH" in plan
        assert "USE TEMP B-TREE" not in plan


def test_a_task_with_many_callbacks_is_looked_at_once(bells):
    busy, quiet = (
        TaskFactory(state=State.COMPLETE, listed=True),
        TaskFactory(state=State.COMPLETE, listed=True),
    )
    CallbackFactory.create_batch(20, task=busy)
    CallbackFactory(task=quiet)
    with CaptureQueriesContext(connections[router.db_for_read(Callback)]) as queries:
        lifecycle.sweep()
    assert sorted(bells) == [("settle", busy.pk), ("settle", quiet.pk)]
    assert len([each for each in queries if "tasks_callback" in each["sql"]]) == 3
