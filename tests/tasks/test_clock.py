"""One clock for all processes: what a worker's own clock says does not matter."""

import datetime as dt
from types import SimpleNamespace

import pytest
from django.utils import timezone

from tasks import clock, lifecycle
from tasks.lifecycle import queue, tokens
from tasks.models import Application, Attempt, Task
from tasks.states import State
from tests.factories import TaskFactory

pytestmark = pytest.mark.django_db

REAL = timezone.now


@pytest.fixture(params=[5, -5], ids=["five minutes ahead", "five minutes behind"])
def apart(request, monkeypatch):
    """This worker's clock is wrong; the database's, which ``tasks.clock`` gives, is right."""
    monkeypatch.setattr(clock, "now", REAL)
    wrong = dt.timedelta(minutes=request.param)
    monkeypatch.setattr(timezone, "now", lambda: REAL() + wrong)


def submitting(application, **left):
    return TaskFactory(
        application=application, state=State.SUBMITTING, lease_until=REAL() + dt.timedelta(**left)
    )


def test_a_lease_ends_by_the_common_clock(apart, application):
    """S37, I6: neither too early nor too late."""
    kept, lost = submitting(application, seconds=60), submitting(application, seconds=-60)
    lifecycle.sweep()
    assert Task.objects.get(pk=kept.pk).state == State.SUBMITTING
    assert Task.objects.get(pk=lost.pk).state == State.QUEUED


def test_a_task_is_due_by_the_common_clock(apart, application):
    """S37"""
    TaskFactory(application=application, due_at=REAL() + dt.timedelta(minutes=1))
    assert queue.next_due(application) is None
    due = TaskFactory(application=application, due_at=REAL() - dt.timedelta(minutes=1))
    assert queue.next_due(application) == due.pk


def test_a_worker_whose_clock_is_wrong_sends_a_task_once(apart, application, sandbox):
    """S37, I1"""
    task = TaskFactory(application=application, devices=sandbox.devices(1), due_at=REAL())
    lifecycle.submit(task.pk)
    task.refresh_from_db()
    application.refresh_from_db()
    now = REAL()
    assert task.state == State.RUNNING
    for written in (task.submitted_at, Attempt.objects.get().finished_at, application.calls.last().at):
        assert abs(written - now) < dt.timedelta(seconds=30)
    lifecycle.submit(task.pk)
    lifecycle.sweep()
    assert len(sandbox.ledger()["creates"]) == 1


def test_a_token_runs_out_by_the_common_clock(apart, application, sandbox):
    """S37, S36"""
    for seconds, logins in ((120, 0), (-1, 1)):
        Application.objects.update(token_expires_at=REAL() + dt.timedelta(seconds=seconds))
        application.refresh_from_db()
        application.access_token = "t"
        application.save()
        tokens.access_token(application)
        assert sandbox.ledger()["logins"] == logins


def test_a_quiet_time_is_not_shortened_by_a_worker_whose_clock_is_behind(
    apart, application, sandbox, operator
):
    """S37: the guard before anything is sent again."""
    sandbox.faults({"route": "create", "times": 1, "action": "cut"})
    task = TaskFactory(application=application, devices=sandbox.devices(1), due_at=REAL())
    lifecycle.submit(task.pk)
    task.refresh_from_db()
    with pytest.raises(lifecycle.NotSettled, match="could still be sending"):
        lifecycle.resubmit(task, operator)


def test_where_there_is_a_database_server_its_clock_is_asked(monkeypatch):
    """S37"""
    moment = dt.datetime(2031, 5, 6, 7, 8, 9, tzinfo=dt.UTC)
    asked = []

    class Cursor:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def execute(self, sql):
            asked.append(sql)

        def fetchone(self):
            return (moment,)

    monkeypatch.setattr(clock, "connection", SimpleNamespace(vendor="postgresql", cursor=Cursor))
    assert clock.now() == moment
    assert asked == ["SELECT clock_timestamp()"]
    with clock.standing():
        assert [clock.now() for _ in range(3)] == [moment] * 3
    assert len(asked) == 2


def test_time_goes_on_after_it_stood_also_when_that_failed():
    @clock.standing()
    def broken():
        stood.append(clock.now())
        stood.append(clock.now())
        raise ValueError("broken")

    stood = []
    with pytest.raises(ValueError, match="broken"):
        broken()
    assert stood[0] == stood[1] < clock.now()


def test_where_there_is_none_this_machine_has_one_clock_for_all(monkeypatch):
    monkeypatch.setattr(clock, "connection", SimpleNamespace(vendor="sqlite"))
    assert abs(clock.now() - REAL()) < dt.timedelta(seconds=5)
