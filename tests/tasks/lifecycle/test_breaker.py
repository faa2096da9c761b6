"""A platform that fails is left alone, and asked by one from time to time; one proper answer ends that."""

import datetime as dt
import itertools

import pytest

from tasks import lifecycle
from tasks.lifecycle import breaker, budget, tokens
from tasks.lifecycle.asking import ask
from tasks.models import Application, Task
from tasks.platform import client
from tasks.platform.errors import Full, NotAccepted, OutcomeUnknown, Refused, Throttled, TokenRejected
from tasks.states import State
from tests.factories import ApplicationFactory, TaskFactory
from tests.tasks.lifecycle.test_submit import closed_port, created, sent
from tests.tasks.threads import at_once

pytestmark = pytest.mark.django_db

PAUSE = dt.timedelta(seconds=30)
SERVER_ERROR = OutcomeUnknown("50252", reason="server error", status=500, sent=True)
UNREACHABLE = NotAccepted("nobody is there", reason="unreachable")
CUT = OutcomeUnknown("cut off", reason="cut", sent=True)
NO_ANSWER = [SERVER_ERROR, UNREACHABLE, CUT]
PROPER = [
    None,
    Refused("no", reason="refused", status=400),
    Refused("no", reason="refused", status=500, code="100203"),
    Full("full", reason="full", status=200),
    Throttled("slower", reason="throttled", status=403, sent=True),
    TokenRejected("token", reason="token rejected", status=403, sent=True),
]


def after(*errors):
    application = ApplicationFactory()
    for error in errors:
        breaker.note(application, error)
    application.refresh_from_db()
    return application


@pytest.mark.parametrize("error", NO_ANSWER, ids=str)
def test_it_opens_after_five_failures_in_a_row(times, error):
    """S17"""
    application = after(*[error] * 4)
    assert (application.failures, application.open_until) == (4, None)
    assert breaker.admits(application)
    application = after(*[error] * 5)
    assert (application.failures, application.open_until) == (5, times.now + PAUSE)
    assert not breaker.admits(application)


@pytest.mark.parametrize("proper", PROPER, ids=repr)
def test_any_proper_answer_closes_it(times, proper):
    """A platform that refuses is there."""
    application = after(*[SERVER_ERROR] * 7, proper)
    assert (application.failures, application.open_until) == (0, None)
    assert breaker.admits(application)
    assert after(*[SERVER_ERROR] * 4, proper, *[SERVER_ERROR] * 4).open_until is None


@pytest.mark.parametrize(
    "ours",
    [budget.NoCall(dt.datetime(2030, 1, 1, tzinfo=dt.UTC)), NotAccepted("still logging in", reason="token")],
    ids=str,
)
def test_what_lies_with_us_says_nothing_of_the_platform(times, ours):
    assert after(*[ours] * 9).failures == 0
    application = after(*[SERVER_ERROR] * 5, ours)
    assert (application.failures, application.open_until) == (5, times.now + PAUSE)


@pytest.mark.django_db(transaction=True)
def test_one_of_many_tries_it_in_every_pause(times):
    """S17"""
    application = after(*[SERVER_ERROR] * 5)
    for _ in range(3):
        assert at_once(8, lambda: breaker.admits(Application.objects.get())) == [False] * 8
        times.on(30)
        assert sorted(at_once(16, lambda: breaker.admits(Application.objects.get()))) == [False] * 15 + [True]
    breaker.note(application, None)
    assert at_once(8, lambda: breaker.admits(Application.objects.get())) == [True] * 8


@pytest.mark.django_db(transaction=True)
def test_many_workers_send_one_task_to_a_platform_that_failed(sandbox, application, times, bells):
    """S17: over real sockets."""
    tokens.access_token(application)
    Application.objects.update(failures=5, open_until=times.now, unfinished_limit=50)
    queue = [TaskFactory(application=application, devices=sandbox.devices(1)).pk for _ in range(12)]
    sandbox.faults({"route": "create", "action": "html", "status": 502})
    at_once(8, lambda: lifecycle.submit(queue[-1]))
    assert sent(sandbox) == 1
    assert Task.objects.filter(state=State.QUEUED).count() == 11


def test_a_storm_of_errors_costs_each_task_one_request_at_most(sandbox, application, times, bells):
    """S17: five minutes of it over fifty tasks."""
    Application.objects.update(unfinished_limit=100)
    sandbox.configure(unfinished_limit=100)
    for _ in range(50):
        TaskFactory(application=application, devices=sandbox.devices(1))
    sandbox.faults({"route": "create", "action": "error", "code": "50252"})
    arrivals = []
    for _ in range(60):
        lifecycle.sweep()
        before = sent(sandbox)
        for job, pk in bells:
            if job == "submit":
                lifecycle.submit(pk)
        bells.clear()
        arrivals += [times.now] * (sent(sandbox) - before)
        times.on(5)
    assert len(arrivals) <= 5 + 300 / 30
    gaps = [later - earlier for earlier, later in itertools.pairwise(arrivals[4:])]
    assert min(gaps) >= PAUSE
    sandbox.faults()
    over = times.now + dt.timedelta(minutes=10)
    while Task.objects.filter(state=State.QUEUED).exists():
        assert times.now < over
        times.on(5)
        lifecycle.submit(Task.objects.filter(state=State.QUEUED).last().pk)
    names = [create["taskName"] for create in sandbox.ledger()["creates"]]
    assert len(names) == len(set(names)) == 50
    states = [task.state for task in Task.objects.all()]
    assert states.count(State.RUNNING) == len(created(sandbox)) == 50 - len(arrivals)
    assert states.count(State.UNCONFIRMED) == len(arrivals)


def test_a_login_that_nobody_answers_is_one_failure_and_not_two(times):
    application = ApplicationFactory(url=f"http://127.0.0.1:{closed_port()}")
    lifecycle.submit(TaskFactory(application=application).pk)
    application.refresh_from_db()
    assert application.failures == 1


def test_questions_wait_while_the_platform_is_left_alone(sandbox, application, times):
    Application.objects.update(failures=5, open_until=times.now + PAUSE)
    with pytest.raises(NotAccepted, match="left alone") as resting:
        ask(application, lambda line, token: client.devices(line, token, page=0))
    assert not resting.value.sent
    assert sandbox.ledger()["calls"] == {}
    times.on(30)
    assert ask(application, lambda line, token: client.devices(line, token, page=0))
    application.refresh_from_db()
    assert (application.failures, application.open_until) == (0, None)


def test_a_question_that_is_answered_ends_the_failures_before_it(sandbox, application):
    ask(application, lambda line, token: client.devices(line, token, page=0))  # logs in
    Application.objects.update(failures=4, open_until=dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
    ask(application, lambda line, token: client.devices(line, token, page=0))
    application.refresh_from_db()
    assert (application.failures, application.open_until) == (0, None)
