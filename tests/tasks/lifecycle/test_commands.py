"""A task whose taskID is not known lives on pushes, and on device commands where the switch allows."""

import datetime as dt

import pytest

from tasks import lifecycle
from tasks.lifecycle import commands, details
from tasks.lifecycle.reconcile import GRACE
from tasks.models import Application, Task
from tasks.states import State
from tasks.targets import TargetType
from tests.factories import TaskFactory
from tests.sandbox import until

pytestmark = pytest.mark.django_db


@pytest.fixture
def nameless(sandbox, application, times, monkeypatch):
    """A task that the sandbox has carried out, and whose taskID its answer did not tell."""

    def make(mix=(1, 0, 0, 0, 0), **columns):
        Application.objects.update(query_commands=True)
        sandbox.configure(mix=mix, pace={"minute": 0.05})
        if columns.get("kind", TargetType.DEVICE_LIST) == TargetType.DEVICE_LIST:
            columns.setdefault("devices", sandbox.devices(30))
        task = TaskFactory(application=application, **columns)
        lifecycle.submit(task.pk)
        until(lambda: sandbox.platform.tasks[Task.objects.get(pk=task.pk).platform_task_id].dispatch.finished)
        Task.objects.filter(pk=task.pk).update(platform_task_id="")
        task.refresh_from_db()
        return task

    return make


def asked(times, task):
    Task.objects.filter(pk=task.pk, poll_at__isnull=False).update(poll_at=times.on(30))
    lifecycle.reconcile(task.pk)
    task.refresh_from_db()
    return task


def calls(sandbox):
    made = sandbox.ledger()["calls"]
    return made.get("commands", 0), made.get("query", 0) + made.get("details", 0)


def test_its_results_are_read_from_the_device_commands(sandbox, nameless, times):
    task = asked(times, nameless((0.4, 0, 0.3, 0.3, 0), devices=sandbox.devices(100)))
    assert (task.state, task.answered) == (State.COMPLETE, 100)
    assert set(task.counts) == {"SUCCESSFUL", "FAILED", "TIMEOUT", "EXPIRED"}
    assert calls(sandbox) == (1, 0)
    assert set(task.results.values_list("source", flat=True)) == {"poll"}
    assert not task.results.filter(command_id="").exists()
    assert task.results.filter(status="SUCCESSFUL", detail__isnull=False).exists()
    assert task.poll_at is None


def test_commands_of_other_tasks_are_not_taken(sandbox, nameless, times):
    other = nameless(devices=sandbox.devices(60)[30:])
    task = asked(times, nameless())
    assert (task.results.count(), task.state) == (30, State.COMPLETE)
    assert not other.results.exclude(status="").exists()


def test_many_commands_are_read_page_by_page_and_reading_goes_on(
    sandbox, nameless, times, bells, monkeypatch
):
    monkeypatch.setattr(commands, "PAGE", 10)
    monkeypatch.setattr(commands, "TURN_SECONDS", -1)
    task = nameless()
    for turn in (1, 2):
        task = asked(times, task)
        assert (task.state, task.answered, task.poll_page) == (State.RUNNING, 10 * turn, turn)
        assert bells[-1] == ("reconcile", task.pk)
    task = asked(times, task)
    assert (task.state, task.answered, task.poll_page) == (State.COMPLETE, 30, 0)


def test_pages_cost_time_so_that_they_do_not_eat_the_budget(sandbox, nameless, times, monkeypatch):
    monkeypatch.setattr(commands, "PAGE", 5)
    task = asked(times, nameless(kind=TargetType.BROADCAST))
    assert (task.state, calls(sandbox)) == (State.RUNNING, (20, 0))
    assert task.poll_at == times.now + dt.timedelta(seconds=60)


@pytest.mark.parametrize("columns", [{"query_commands": False}], ids=["switched off"])
def test_without_the_switch_it_waits_for_pushes_and_ends_after_its_time(sandbox, nameless, times, columns):
    task = nameless()
    Application.objects.update(**columns)
    assert asked(times, task).state == State.RUNNING
    times.now = task.deadline + GRACE
    task = asked(times, task)
    assert (task.state, task.poll_at) == (State.TIMED_OUT, None)
    assert calls(sandbox) == (0, 0)


def test_a_broadcast_of_unknown_size_ends_after_its_time_with_what_is_known(sandbox, nameless, times):
    task = asked(times, nameless(kind=TargetType.BROADCAST))
    assert (task.state, task.answered, task.expected) == (State.RUNNING, 100, None)
    times.now = task.deadline + GRACE
    task = asked(times, task)
    assert (task.state, task.answered) == (State.TIMED_OUT, 100)


@pytest.mark.parametrize(
    "fault",
    [
        {"action": "error", "code": "50252"},
        {"action": "error", "code": "1010009"},
        {"action": "half", "after": True},
        {"action": "text", "body": '{"data":null}'},
        {"action": "text", "body": '{"data":[5,{},{"deviceId":7},{"callbackUrl":"x"}],"pagination":null}'},
    ],
    ids=["50252", "1010009", "half a page", "no page", "rubbish"],
)
def test_a_question_that_fails_draws_no_conclusion(sandbox, nameless, times, fault):
    """S38: and the next one finds what is there."""
    task = nameless()
    sandbox.faults({"route": "commands"} | fault)
    task = asked(times, task)
    assert (task.state, task.counts) == (State.RUNNING, {"": 30})
    sandbox.faults()
    times.on(60)
    assert asked(times, task).state == State.COMPLETE


def test_it_is_not_asked_for_while_its_pushes_come(sandbox, nameless, times):
    task = nameless()
    Task.objects.update(last_push_at=times.now, poll_at=times.now)
    lifecycle.reconcile(task.pk)
    task.refresh_from_db()
    assert (calls(sandbox), task.poll_at) == ((0, 0), times.now + dt.timedelta(seconds=30))
    assert dt.timedelta(seconds=30) < details.LEASE
