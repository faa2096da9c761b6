import threading

import pytest

from tasks import lifecycle
from tasks.models import Task
from tasks.states import State
from tests.factories import TaskFactory, UserFactory
from tests.tasks.threads import at_once

pytestmark = pytest.mark.django_db


def test_what_waits_is_cancelled_and_never_sent(application, sandbox):
    """S29"""
    task, user = TaskFactory(application=application), UserFactory()
    assert lifecycle.cancel(task, user) is True
    stored = Task.objects.get()
    assert (stored.state, stored.due_at, stored.is_final) == (State.CANCELLED, None, True)
    assert task.transitions.last().actor == user
    lifecycle.submit(task.pk)
    lifecycle.sweep()
    assert sandbox.ledger()["creates"] == []


@pytest.mark.parametrize("state", [state for state in State if state != State.QUEUED])
def test_what_may_have_been_sent_is_not_cancelled(state):
    task = TaskFactory(state=state)
    assert lifecycle.cancel(task, UserFactory()) is False
    assert Task.objects.get().state == state
    assert task.transitions.count() == 1


def test_a_page_that_is_out_of_date_cancels_nothing():
    task = TaskFactory()
    Task.objects.update(state=State.RUNNING)
    assert lifecycle.cancel(task, UserFactory()) is False
    assert Task.objects.get().state == State.RUNNING


@pytest.mark.django_db(transaction=True)
def test_a_cancel_that_races_with_a_worker_has_one_winner(application, sandbox):
    """S29: either cancelled and nothing sent, or sent and not cancelled."""
    user = UserFactory()
    for device in sandbox.devices(5):
        task = TaskFactory(application=application, devices=[device])
        turn, lock, answers = iter([True, False, False]), threading.Lock(), []

        def race(task=task, turn=turn, lock=lock, answers=answers):
            with lock:
                cancels = next(turn)
            if cancels:
                answers.append(lifecycle.cancel(Task.objects.get(pk=task.pk), user))
            else:
                lifecycle.submit(task.pk)

        at_once(3, race)
        task.refresh_from_db()
        sent = [create for create in sandbox.ledger()["creates"] if create["taskName"] == task.name]
        assert (task.state, len(sent)) == ((State.CANCELLED, 0) if answers == [True] else (State.RUNNING, 1))
