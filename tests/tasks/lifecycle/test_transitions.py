import datetime as dt
import itertools

import pytest
from django.utils import timezone

from tasks.lifecycle.transitions import IllegalTransition, Overtaken, move
from tasks.models import Task
from tasks.states import FINAL, TRANSITIONS, State
from tests.factories import TaskFactory, UserFactory

pytestmark = pytest.mark.django_db

NEEDED = {
    State.QUEUED: {"due_at": timezone.now()},
    State.SUBMITTING: {"lease_until": timezone.now() + dt.timedelta(seconds=180)},
}
MATRIX = [pytest.param(a, b, id=f"{a}-{b}") for a, b in itertools.product(State, State)]


@pytest.mark.parametrize(("origin", "to"), MATRIX)
def test_a_move_is_written_once_or_refused_whole(origin, to):
    task = TaskFactory(state=origin)
    before = Task.objects.filter(pk=task.pk).values().get()
    if to in TRANSITIONS[origin]:
        user = UserFactory()
        move(task, to, "because", actor=user, evidence={"seen": 1}, error_code="x", **NEEDED.get(to, {}))
        stored = Task.objects.get(pk=task.pk)
        assert (stored.state, stored.reason, stored.error_code) == (to, "because", "x")
        assert (stored.finished_at is not None) == (to in FINAL)
        _, last = task.transitions.all()
        assert (last.from_state, last.to_state, last.reason) == (origin, to, "because")
        assert (last.actor, last.evidence) == (user, {"seen": 1})
        assert (task.state, task.error_code) == (to, "x")
    else:
        with pytest.raises(IllegalTransition, match=f"{origin} → {to}"):
            move(task, to, "because", error_code="x", **NEEDED.get(to, {}))
        assert Task.objects.filter(pk=task.pk).values().get() == before
        assert task.transitions.count() == 1


@pytest.mark.parametrize(
    "meanwhile",
    [{"state": State.CANCELLED}, {"fence": 7}, {"state": State.SUBMITTING, "lease_until": timezone.now()}],
)
def test_who_comes_second_changes_nothing(meanwhile):
    task = TaskFactory()
    Task.objects.filter(pk=task.pk).update(**meanwhile)
    before = Task.objects.filter(pk=task.pk).values().get()
    with pytest.raises(Overtaken):
        move(task, State.SUBMITTING, "mine", fence=1, **NEEDED[State.SUBMITTING])
    assert Task.objects.filter(pk=task.pk).values().get() == before
    assert task.transitions.count() == 1
    assert task.state == State.QUEUED


def test_a_very_long_reason_is_cut_not_refused():
    task = TaskFactory()
    move(task, State.CANCELLED, "x" * 10_000)
    assert len(Task.objects.get().reason) == len(task.transitions.last().reason) == 500


@pytest.mark.django_db(transaction=True)
def test_replaying_the_transitions_gives_the_state(run_bells):
    """I11: a state is reached by its rows, each from where the last one led."""
    task = TaskFactory()
    for to in (State.SUBMITTING, State.UNCONFIRMED, State.RUNNING, State.COMPLETE):
        move(task, to, "step", **NEEDED.get(to, {}))
    rows = list(task.transitions.all())
    assert [row.from_state for row in rows] == ["", *(row.to_state for row in rows[:-1])]
    assert rows[-1].to_state == Task.objects.get().state
