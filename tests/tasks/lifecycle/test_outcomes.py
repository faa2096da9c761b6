"""What is recorded: in spite of a database that is away, of an answer that comes too late, of a commit that fails."""

import datetime as dt
import importlib
from collections import defaultdict
from types import SimpleNamespace

import pytest
from django.db import OperationalError, connection, connections
from django.utils import timezone

from tasks import lifecycle
from tasks.lifecycle import Arrival, outcomes, transitions
from tasks.models import Attempt, Task
from tasks.platform.client import Created
from tasks.platform.errors import Full, NotAccepted, OutcomeUnknown, Refused
from tasks.platform.transport import Answer
from tasks.states import State
from tests.factories import AttemptFactory, TaskFactory
from tests.tasks.lifecycle.test_submit import again_and_again, created, sent
from tests.tasks.platform.servers import saying

pytestmark = pytest.mark.django_db

submitting = importlib.import_module("tasks.lifecycle.submit")
ACCEPTED = Created("t-1", Answer(200, {}, b'{"taskID":"t-1"}'))
PUSH = b'{"deviceId":"device-1","commandId":"c","result":{"resultCode":"SENT"}}'


def replayed(task):
    """I11: the state that the transitions lead to; each begins where the last one ended."""
    rows = list(task.transitions.order_by("id"))
    assert [row.from_state for row in rows] == ["", *(row.to_state for row in rows[:-1])]
    return rows[-1].to_state


@pytest.fixture
def in_flight():
    """A task whose request has left, as the worker that waits for its answer holds it."""
    task = TaskFactory(state=State.SUBMITTING)
    AttemptFactory(task=task)
    return task


def taken_back(task):
    """The worker was frozen longer than its lease; the sweep left its task in doubt."""
    Task.objects.filter(pk=task.pk).update(lease_until=timezone.now() - dt.timedelta(seconds=1))
    lifecycle.sweep()
    assert Task.objects.get().state == State.UNCONFIRMED
    assert Attempt.objects.get().outcome == "outcome unknown"


# Answers that come too late


def test_an_answer_after_the_sweep_ends_the_doubt(in_flight):
    """S31"""
    taken_back(in_flight)
    outcomes.created(in_flight, ACCEPTED)
    stored, attempt = Task.objects.get(), Attempt.objects.get()
    assert (stored.state, stored.platform_task_id) == (State.RUNNING, "t-1")
    assert (attempt.outcome, attempt.http_status) == ("created", 200)
    assert stored.poll_at is not None
    assert replayed(stored) == State.RUNNING


def test_a_refusal_after_the_sweep_ends_the_doubt(in_flight):
    taken_back(in_flight)
    outcomes.failed(in_flight, Refused("no", reason="refused", status=400, code="50400", sent=True))
    stored, attempt = Task.objects.get(), Attempt.objects.get()
    assert (stored.state, stored.error_code) == (State.REFUSED, "50400")
    assert (attempt.outcome, attempt.error_code) == ("refused", "50400")
    assert replayed(stored) == State.REFUSED


def test_not_accepted_after_the_sweep_is_queued_again(in_flight):
    """S31: certainly nothing was created, so it is no doubt any more."""
    taken_back(in_flight)
    outcomes.failed(in_flight, Full("full", reason="full", status=200, code="105001", sent=True))
    stored = Task.objects.get()
    assert (stored.state, stored.deferrals) == (State.QUEUED, 1)
    assert Attempt.objects.get().outcome == "not accepted, try later"
    assert replayed(stored) == State.QUEUED


def test_an_unknown_outcome_after_the_sweep_changes_nothing(in_flight):
    taken_back(in_flight)
    moves = in_flight.transitions.count()
    outcomes.failed(in_flight, OutcomeUnknown("cut", reason="cut", sent=True))
    assert Task.objects.get().state == State.UNCONFIRMED
    assert in_flight.transitions.count() == moves


def test_the_task_id_is_learnt_after_a_device_was_faster(in_flight):
    """S31, S36: taken back, proved by a device's answer, and then the platform's own answer comes."""
    taken_back(in_flight)
    lifecycle.receive([Arrival(in_flight.callback_token, PUSH)])
    lifecycle.settle(in_flight.pk)
    assert Task.objects.get().state == State.RUNNING
    outcomes.created(in_flight, ACCEPTED)
    stored = Task.objects.get()
    assert (stored.state, stored.platform_task_id) == (State.RUNNING, "t-1")
    assert Attempt.objects.get().outcome == "created"
    last = stored.transitions.last()
    assert (last.from_state, last.to_state) == (State.RUNNING, State.RUNNING)
    assert last.evidence == {"taskID": "t-1"}
    assert replayed(stored) == State.RUNNING


@pytest.mark.parametrize("state", [State.COMPLETE, State.TIMED_OUT, State.ABANDONED])
def test_the_task_id_is_learnt_even_when_the_task_is_over(in_flight, state):
    """S31: every device had answered, or a person had given it up, before the platform's own answer came."""
    taken_back(in_flight)
    stored = Task.objects.get()
    if state != State.ABANDONED:
        transitions.move(stored, State.RUNNING, "a device answered")
    transitions.move(stored, state, "it is over", poll_at=None)
    outcomes.created(in_flight, ACCEPTED)
    stored = Task.objects.get()
    assert (stored.state, stored.platform_task_id, stored.poll_at) == (state, "t-1", None)
    assert Attempt.objects.get().outcome == "created"
    assert stored.transitions.last().evidence == {"taskID": "t-1"}
    assert replayed(stored) == state
    moves = stored.transitions.count()
    outcomes.created(in_flight, ACCEPTED)
    assert stored.transitions.count() == moves


def test_whoever_is_faster_again_and_again_does_not_cost_the_task_id(in_flight, monkeypatch):
    """The sweep took it back while its answer came, and a device proves it while that is noticed."""
    taken_back(in_flight)
    real, noticed = Task.refresh_from_db, []

    def notice(task, **options):
        real(task, **options)
        noticed.append(task.state)
        if len(noticed) == 1:
            transitions.move(Task.objects.get(), State.RUNNING, "a device answered")

    monkeypatch.setattr(Task, "refresh_from_db", notice)
    outcomes.created(in_flight, ACCEPTED)
    stored = Task.objects.get()
    assert noticed == [State.UNCONFIRMED, State.RUNNING]
    assert (stored.state, stored.platform_task_id) == (State.RUNNING, "t-1")
    assert replayed(stored) == State.RUNNING


def test_it_exists_already_is_no_news_of_what_a_device_has_proved(in_flight):
    """S10: the probe's answer comes after the sweep and after a device."""
    Attempt.objects.update(outcome="outcome unknown", finished_at=timezone.now(), fence=0)
    AttemptFactory(task=in_flight, number=2, fence=in_flight.fence)
    Task.objects.update(lease_until=timezone.now() - dt.timedelta(seconds=1))
    lifecycle.sweep()
    lifecycle.receive([Arrival(in_flight.callback_token, PUSH)])
    lifecycle.settle(in_flight.pk)
    outcomes.failed(in_flight, Refused("it exists", reason="refused", status=200, code="105002", sent=True))
    stored = Task.objects.get()
    assert (stored.state, stored.attempts.last().outcome) == (State.RUNNING, "already there")
    assert replayed(stored) == State.RUNNING


@pytest.mark.parametrize(
    "error", [Refused("no", reason="refused", sent=True), NotAccepted("no", reason="full", sent=True)]
)
def test_no_error_undoes_what_a_device_has_proved(in_flight, error):
    """I4"""
    taken_back(in_flight)
    lifecycle.receive([Arrival(in_flight.callback_token, PUSH)])
    lifecycle.settle(in_flight.pk)
    outcomes.failed(in_flight, error)
    assert Task.objects.get().state == State.RUNNING


@pytest.mark.parametrize("error", [None, Refused("no", sent=True), NotAccepted("no", sent=True)])
def test_an_answer_to_an_older_attempt_leaves_the_present_one_alone(in_flight, error):
    """S31: a worker woke up after a person had it sent again under a new fence."""
    taken_back(in_flight)
    Task.objects.filter(pk=in_flight.pk).update(
        state=State.SUBMITTING, fence=2, lease_until=timezone.now() + dt.timedelta(minutes=3)
    )
    AttemptFactory(task=in_flight, number=2, fence=2)
    outcomes.failed(in_flight, error) if error else outcomes.created(in_flight, ACCEPTED)
    stored = Task.objects.get()
    assert (stored.state, stored.fence, stored.platform_task_id) == (State.SUBMITTING, 2, "")
    assert stored.attempts.get(number=2).finished_at is None


@pytest.mark.django_db(transaction=True)
def test_a_worker_frozen_while_the_platform_answers_sends_nothing_twice(serve, served_by, bells):
    """S31, S36: its lease ran out in the middle of the call, and the sweep was there before the answer."""

    def sleep(sock, over):
        Task.objects.update(lease_until=timezone.now() - dt.timedelta(seconds=1))
        lifecycle.sweep()
        connections.close_all()
        saying(200, {"taskID": "t-1"})(sock, over)

    server = serve(sleep)
    task = TaskFactory(application=served_by(server))
    lifecycle.submit(task.pk)
    again_and_again(task)
    stored = Task.objects.get()
    assert (stored.state, stored.platform_task_id) == (State.RUNNING, "t-1")
    assert [row.to_state for row in stored.transitions.all()] == [
        "QUEUED",
        "SUBMITTING",
        "UNCONFIRMED",
        "RUNNING",
    ]
    assert len(server.requests) == 1


# Earlier attempts


@pytest.mark.parametrize("code", ["105002", "105201"])
@pytest.mark.parametrize(
    ("before", "state"),
    [("outcome unknown", State.RUNNING), ("refused", State.REFUSED), (None, State.REFUSED)],
)
def test_it_exists_already_is_a_proof_only_after_an_attempt_of_unknown_outcome(
    application, sandbox, code, before, state
):
    """S09, S10"""
    task = TaskFactory(application=application, devices=sandbox.devices(1))
    if before:
        AttemptFactory(task=task, fence=0, outcome=before, finished_at=timezone.now())
    status = 200 if code == "105002" else 400
    sandbox.faults({"route": "create", "action": "error", "code": code, "status": status})
    lifecycle.submit(task.pk)
    stored = Task.objects.get()
    assert (stored.state, stored.platform_task_id) == (state, "")
    assert (stored.error_code == "") == (state == State.RUNNING)
    assert stored.attempts.last().outcome == ("already there" if state == State.RUNNING else "refused")
    assert replayed(stored) == state


# A database that is away


class Away:
    """Commits that fail for a while, as those of a full disk or of a server that restarts."""

    def __init__(self, monkeypatch, when, times):
        self.left, self.failed = times, 0
        real = connection.commit

        def fail():
            if self.left and when():
                self.left -= 1
                self.failed += 1
                raise OperationalError("disk I/O error")
            real()

        monkeypatch.setattr(connections["default"], "commit", fail)


@pytest.fixture
def quick(monkeypatch):
    """Half a second of patience goes by in no time; nobody waits for a database in a test."""
    waited = []
    ticks = iter(range(10_000))
    monkeypatch.setattr(
        submitting, "time", SimpleNamespace(sleep=waited.append, monotonic=lambda: next(ticks))
    )
    return waited


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("fault", "state", "outcome"),
    [
        (None, State.RUNNING, "created"),
        ({"action": "error", "code": "50400"}, State.REFUSED, "refused"),
        ({"action": "error", "code": "105001"}, State.QUEUED, "not accepted, try later"),
        ({"action": "cut", "after": True}, State.UNCONFIRMED, "outcome unknown"),
    ],
    ids=["created", "refused", "not accepted", "unknown"],
)
def test_an_outcome_outlives_a_database_that_is_away_for_a_moment(
    task, sandbox, monkeypatch, quick, bells, fault, state, outcome
):
    """S41: three commits fail, the fourth is kept."""
    if fault:
        sandbox.faults({"route": "create", "times": 1} | fault)
    away = Away(monkeypatch, lambda: sent(sandbox) == 1, 3)
    lifecycle.submit(task.pk)
    assert away.failed == 3
    stored = Task.objects.get()
    assert (stored.state, stored.attempts.get().outcome) == (state, outcome)
    assert len(stored.platform_task_id) == (len(created(sandbox)[0]["taskID"]) if not fault else 0)
    assert replayed(stored) == state
    assert len(quick) == 3


@pytest.mark.django_db(transaction=True)
def test_a_database_that_stays_away_leaves_the_task_in_doubt_and_never_queued(
    task, sandbox, monkeypatch, quick, bells
):
    """S41: the outcome is lost with the worker; nothing is sent a second time."""
    away = Away(monkeypatch, lambda: sent(sandbox) == 1, 10**6)
    with pytest.raises(OperationalError):
        lifecycle.submit(task.pk)
    assert away.failed > 10
    away.left = 0
    assert Task.objects.get().state == State.SUBMITTING
    Task.objects.update(lease_until=timezone.now() - dt.timedelta(seconds=1))
    lifecycle.sweep()
    assert Task.objects.get().state == State.UNCONFIRMED
    again_and_again(task)
    assert sent(sandbox) == 1


@pytest.mark.django_db(transaction=True)
def test_a_commit_that_worked_but_said_otherwise_is_not_recorded_twice(
    task, sandbox, monkeypatch, quick, bells
):
    """S41: the connection was lost in the answer to COMMIT."""
    real, seen = connection.commit, defaultdict(int)

    def commit():
        real()
        if sent(sandbox) and seen["failed"] < 2:
            seen["failed"] += 1
            raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(connections["default"], "commit", commit)
    lifecycle.submit(task.pk)
    stored = Task.objects.get()
    assert seen["failed"] == 2
    assert stored.state == State.RUNNING
    assert [row.to_state for row in stored.transitions.all()] == ["QUEUED", "SUBMITTING", "RUNNING"]


@pytest.mark.django_db(transaction=True)
def test_without_a_kept_intent_not_a_byte_is_sent(task, sandbox, monkeypatch, bells):
    """S40: the disk is full when the attempt is to be written."""
    away = Away(monkeypatch, lambda: Attempt.objects.exists(), 10**6)
    with pytest.raises(OperationalError):
        lifecycle.submit(task.pk)
    assert away.failed
    away.left = 0
    assert sent(sandbox) == 0
    assert not Attempt.objects.exists()
    Task.objects.update(lease_until=timezone.now() - dt.timedelta(seconds=1))
    lifecycle.sweep()
    stored = Task.objects.get()
    assert (stored.state, stored.lease_until) == (State.QUEUED, None)
    lifecycle.submit(task.pk)
    assert (Task.objects.get().state, sent(sandbox)) == (State.RUNNING, 1)
    assert replayed(stored) == State.RUNNING


@pytest.mark.django_db(transaction=True)
def test_an_outcome_outlives_a_database_that_answers_nothing_at_all(task, sandbox, quick, bells):
    """S41: not only commits fail; whatever is written after the answer is tried again."""
    left = [4]

    def away(execute, sql, params, many, context):
        if left[0] and sent(sandbox):
            left[0] -= 1
            raise OperationalError("the database system is shutting down")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(away):
        lifecycle.submit(task.pk)
    assert left == [0]
    assert Task.objects.get().state == State.RUNNING
    assert Attempt.objects.get().outcome == "created"
