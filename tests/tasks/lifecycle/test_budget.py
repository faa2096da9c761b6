"""Calls per minute: never more than allowed, in no window, from no process; and as many as allowed."""

import datetime as dt
from collections import deque

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from tasks import lifecycle
from tasks.lifecycle import budget, tokens
from tasks.lifecycle.asking import ask
from tasks.models import Application, Attempt, Call, Task
from tasks.platform import client
from tasks.platform.errors import Throttled
from tasks.states import State
from tests.factories import ApplicationFactory, TaskFactory
from tests.tasks.lifecycle.test_submit import created, sent
from tests.tasks.threads import at_once

pytestmark = pytest.mark.django_db

MINUTE = dt.timedelta(seconds=60)
MOMENT = dt.timedelta(microseconds=1)


def took(application, *, submission=True):
    """None when a call may be made, else when the next one may."""
    try:
        budget.take(application, submission=submission)
    except budget.NoCall as full:
        return full.until


def limited(calls):
    return ApplicationFactory(calls_per_minute=calls)


def most_in_a_minute(moments):
    window, most = deque(), 0
    for moment in sorted(moments):
        window.append(moment)
        while window[0] <= moment - MINUTE:
            window.popleft()
        most = max(most, len(window))
    return most


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    limit=some.integers(1, 12),
    steps=some.lists(
        some.tuples(some.one_of(some.just(0.0), some.floats(0, 3), some.floats(0, 70)), some.booleans()),
        max_size=60,
    ),
)
def test_no_sliding_minute_ever_has_more_calls_than_allowed(times, limit, steps):
    """I9: submissions and queries at any moments; and none is turned away without need."""
    application, made = limited(limit), []
    for gap, submission in steps:
        times.on(gap)
        until = took(application, submission=submission)
        if until is None:
            made.append(times.now)
            continue
        assert times.now < until <= times.now + budget.WINDOW
        recent = [moment for moment in made if moment > times.now - budget.WINDOW]
        assert len(recent) >= (limit if submission else max(limit - max(limit // 5, 1), 1))
    assert most_in_a_minute(made) <= limit
    assert Call.objects.filter(application=application).count() <= limit


@pytest.mark.django_db(transaction=True)
def test_sixteen_workers_share_one_budget(times):
    """I9: whatever they do at the same moment, the limit is used to the full and not crossed."""
    application = limited(10)
    told = at_once(16, lambda: took(Application.objects.get()))
    assert told.count(None) == 10
    assert {until for until in told if until} == {times.now + budget.WINDOW}
    assert Call.objects.count() == budget.used(application) == 10
    times.on(62)
    assert at_once(16, lambda: took(Application.objects.get())).count(None) == 10


@pytest.mark.parametrize(("limit", "queries"), [(100, 80), (10, 8), (5, 4), (3, 2), (2, 1), (1, 1)])
def test_queries_leave_a_fifth_for_submissions(times, limit, queries):
    application = limited(limit)
    told = [took(application, submission=False) for _ in range(limit + 5)]
    assert told.count(None) == queries
    told = [took(application) for _ in range(limit + 5)]
    assert told.count(None) == limit - queries
    assert took(application, submission=False) is not None


def test_submissions_may_take_all_and_queries_then_wait(times):
    application = limited(5)
    assert [took(application) for _ in range(5)] == [None] * 5
    assert took(application, submission=False)


def test_the_next_call_is_due_at_the_very_moment_that_is_named(times):
    application = limited(5)
    first = times.now
    for _ in range(5):
        assert took(application) is None
        times.on(1)
    until = took(application)
    assert until == first + budget.WINDOW
    times.now = until - MOMENT
    assert took(application) == until
    times.now = until
    assert took(application) is None
    assert took(application) == first + budget.WINDOW + dt.timedelta(seconds=1)
    for_queries = took(application, submission=False)
    times.now = for_queries - MOMENT
    assert took(application, submission=False) == for_queries
    times.now = for_queries
    assert took(application, submission=False) is None


def test_an_application_does_not_eat_anothers_calls(times):
    first, second = limited(1), limited(1)
    assert took(first) is None
    assert took(first)
    assert took(second) is None
    budget.drain(first)
    assert (budget.used(first), budget.used(second)) == (1, 1)
    second.refresh_from_db()
    assert second.drained_until is None


def test_a_call_takes_the_row_of_one_that_no_longer_counts(times):
    application, other = limited(2), limited(2)
    for _ in range(2):
        took(application)
        took(other)
    times.on(62)
    assert budget.used(application) == 0
    assert budget.exhausted_until(application, submission=False) is None
    assert Call.objects.filter(application=application).count() == 2
    assert took(application) is None
    assert budget.used(application) == 1
    times.on(1)
    assert took(application) is None
    assert took(application) == times.now + budget.WINDOW - dt.timedelta(seconds=1)
    assert Call.objects.filter(application=application).count() == budget.used(application) == 2
    assert Call.objects.filter(application=other).count() == 2


def test_a_call_that_is_not_allowed_is_not_counted(times):
    application = limited(1)
    took(application)
    for _ in range(5):
        assert took(application)
    assert Call.objects.count() == 1


def test_a_login_is_a_call(sandbox, application):
    lifecycle.submit(TaskFactory(application=application, devices=sandbox.devices(1)).pk)
    assert budget.used(application) == 2
    calls = sandbox.ledger()["calls"]
    assert (calls["login"], calls["create"]) == (1, 1)


def test_every_question_is_a_call(sandbox, application):
    for _ in range(3):
        ask(application, lambda line, token: client.devices(line, token, page=0))
    assert budget.used(application) == 4
    assert sum(sandbox.ledger()["calls"].values()) == 4


def test_without_a_call_left_there_is_no_login(sandbox, application, times):
    """The task waits with its reason until exactly then; the breaker holds it against nobody."""
    Application.objects.update(calls_per_minute=1)
    application.refresh_from_db()
    took(application)
    task = TaskFactory(application=application, devices=sandbox.devices(1))
    with pytest.raises(budget.NoCall):
        tokens.access_token(application)
    assert sandbox.ledger()["logins"] == 0
    application.refresh_from_db()
    assert (application.failures, application.login_lease_until, application.login_after) == (0, None, None)
    Application.objects.update(calls_per_minute=2)
    lifecycle.submit(task.pk)  # the login takes the last call, the create has none
    stored = Task.objects.get()
    assert (stored.state, stored.due_at) == (State.QUEUED, times.now + budget.WINDOW)
    assert "calls per minute" in stored.reason
    assert not Attempt.objects.exists()
    assert sent(sandbox) == 0
    times.on(62)
    lifecycle.submit(task.pk)
    assert Task.objects.get().state == State.RUNNING


def test_a_platform_that_is_called_too_often_has_its_peace_for_a_minute(sandbox, application, times):
    """S18: 1010009 drains the budget, whatever was counted; nothing is lost, nothing repeated at once."""
    first, second = (TaskFactory(application=application, devices=sandbox.devices(1)) for _ in range(2))
    sandbox.faults({"route": "create", "times": 1, "action": "error", "code": "1010009"})
    lifecycle.submit(first.pk)
    application.refresh_from_db()
    assert application.drained_until == times.now + MINUTE
    calls = sandbox.ledger()["calls"]
    for seconds in (0, 30, 23.999):
        times.on(seconds)
        lifecycle.submit(first.pk)
        lifecycle.submit(second.pk)
        assert took(application) == took(application, submission=False) == application.drained_until
        with pytest.raises(budget.NoCall):
            ask(application, lambda line, token: client.devices(line, token, page=0))
    assert sandbox.ledger()["calls"] == calls
    assert {task.state for task in Task.objects.all()} == {State.QUEUED}
    times.on(30)
    lifecycle.submit(second.pk)
    assert Task.objects.get(pk=second.pk).state == State.RUNNING
    times.on(60)
    lifecycle.submit(first.pk)
    assert {task.state for task in Task.objects.all()} == {State.RUNNING}
    assert len(created(sandbox)) == 2


def test_a_question_that_is_one_too_many_drains_the_budget_too(sandbox, application, times):
    """S18"""
    sandbox.faults({"route": "devices", "times": 1, "action": "error", "code": "1010009"})
    with pytest.raises(Throttled):
        ask(application, lambda line, token: client.devices(line, token, page=0))
    application.refresh_from_db()
    assert application.drained_until == times.now + MINUTE


def test_our_own_budget_does_not_drain_itself(application, times):
    """Else one call too many would cost a whole minute."""
    Application.objects.update(calls_per_minute=1)
    application.refresh_from_db()
    took(application)
    lifecycle.submit(TaskFactory(application=application).pk)
    with pytest.raises(budget.NoCall):
        ask(application, lambda line, token: client.devices(line, token, page=0))
    application.refresh_from_db()
    assert application.drained_until is None
