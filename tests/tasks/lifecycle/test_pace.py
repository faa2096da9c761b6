"""How often the platform is asked: the table of ``pace``, and its arithmetic."""

import pytest

from tasks.lifecycle import pace
from tasks.models import Task
from tasks.states import State
from tests.factories import ApplicationFactory, CallbackFactory, TaskFactory

pytestmark = pytest.mark.django_db

S, M = pace.SECOND, pace.MINUTE
HOUR = 60 * M


@pytest.fixture
def running(times):
    """A running task, sent and last heard of so long ago."""

    def make(age, silent=None, asked=None, timeout=2880, state=State.RUNNING, **columns):
        return TaskFactory(
            state=state,
            timeout=timeout,
            platform_task_id="t1",
            submitted_at=times.now - age,
            last_push_at=None if silent is None else times.now - silent,
            platform_counts={} if asked is None else {"at": (times.now - asked).isoformat()},
            **columns,
        )

    return make


@pytest.mark.parametrize(
    ("age", "silent", "wait"),
    [
        (5 * S, None, 15 * S),
        (119 * S, None, 15 * S),
        (2 * M, None, 30 * S),
        (10 * M, None, M),
        (HOUR, None, 2 * M),
        (20 * HOUR, None, 2 * M),
        (30 * M, 5 * M, 30 * S),
        (5 * M, 31 * S, 15 * S),
    ],
    ids=str,
)
def test_the_longer_it_is_silent_the_rarer_it_is_asked_for(running, times, age, silent, wait):
    task = running(age, silent)
    assert pace.due(task, times.now) == times.now
    assert pace.following(task, times.now) - times.now == wait


def test_while_pushes_flow_it_is_asked_for_every_five_minutes(running, times):
    """Its turn comes when they may have fallen silent, and costs no call while they have not."""
    task = running(M, silent=S, asked=20 * S)
    assert pace.due(task, times.now) == times.now + 29 * S
    assert pace.following(task, times.now) == times.now + 29 * S
    task = running(20 * M, silent=S, asked=5 * M)
    assert pace.due(task, times.now) == times.now
    assert pace.due(running(M, silent=S), times.now) == times.now, "the first question is not put off"


def test_pushes_that_trickle_all_day_flow_too(running, times):
    task = running(10 * HOUR, silent=20 * M, asked=M)
    assert pace.flows(task, times.now)
    assert pace.due(task, times.now) == times.now + 4 * M
    task = running(10 * HOUR, silent=31 * M, asked=M)
    assert not pace.flows(task, times.now)


def test_when_the_platform_says_it_is_over_half_a_minute_is_silence_enough(running, times):
    task = running(10 * HOUR, silent=31 * S, asked=M, platform_status="Complete")
    assert not pace.flows(task, times.now)


def test_the_last_word_is_asked_for_at_the_deadline_and_often_after_it(running, times):
    task = running(10 * M - 7 * S, timeout=10)
    assert pace.following(task, times.now) == task.deadline + 5 * S
    task = running(50 * HOUR, timeout=2880)
    assert pace.following(task, times.now) == times.now + 30 * S


def test_a_task_whose_slot_another_waits_for_is_asked_for_more_often(running, times):
    """S20: within 30 s after a slot is free: 20 s, and a sweep."""
    application = ApplicationFactory(unfinished_limit=1)
    task = running(HOUR, application=application, platform_status="Running")
    assert pace.following(task, times.now) == times.now + 2 * M
    TaskFactory(application=application, due_at=times.now)
    assert pace.following(task, times.now) == times.now + 20 * S


@pytest.mark.parametrize(("limit", "count"), [(100, 10), (100, 50), (10, 10), (1, 1), (1, 10)])
def test_questions_never_take_more_than_two_fifths_of_the_calls(running, times, limit, count):
    """I9: whatever the limit, and however many are asked about."""
    application = ApplicationFactory(calls_per_minute=limit)
    tasks = [running(S, application=application) for _ in range(count)]
    running(S)  # another application's
    waits = [pace.following(task, times.now) - times.now for task in tasks]
    assert sum(M / wait for wait in waits) <= pace.SHARE * limit + 1e-6


@pytest.mark.parametrize(
    ("silent", "calls"), [(5 * S, 2), (31 * S, 40), (3 * M, 20), (20 * M, 10), (2 * HOUR, 5)]
)
def test_what_ten_tasks_cost_a_minute_is_as_the_docstring_says(running, times, silent, calls):
    tasks = [running(max(silent, 10 * M), silent=silent, asked=0 * S) for _ in range(10)]
    Task.objects.update(application=tasks[0].application)
    cost = 0.0
    for task in Task.objects.select_related("application"):
        wait = pace.RARELY if pace.flows(task, times.now) else pace.following(task, times.now) - times.now
        cost += M / wait
    assert round(cost) == calls


def test_a_task_that_ended_is_asked_for_later_and_later_and_after_a_day_no_more(running, times):
    asked, task = 0, running(HOUR, state=State.COMPLETE, finished_at=times.now)
    times.on(15)
    while pace.due(task, times.now) is not None:
        asked += 1
        times.now = pace.following(task, times.now)
    assert asked == 13


def test_to_confirm_what_has_ended_waits_for_what_is_to_be_sent(running, times):
    task = running(HOUR, state=State.COMPLETE, finished_at=times.now)
    assert pace.due(task, times.now) == times.now
    TaskFactory(application=task.application, due_at=times.now)
    assert pace.due(task, times.now) == times.now + M


def test_pushes_that_wait_to_be_settled_are_as_good_as_flowing(running, times):
    task = running(HOUR, silent=HOUR)
    assert not pace.pushes_come(task, times.now)
    CallbackFactory(task=task)
    assert pace.pushes_come(task, times.now)
