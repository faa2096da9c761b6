"""prune: what is past its age goes in chunks, what is open stays, and nothing pruned comes back to life."""

import datetime as dt
import json

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tasks import jobs, lifecycle
from tasks.lifecycle import Arrival, prune
from tasks.lifecycle.prune import AUDIT, BODIES, DRAFTS, KINDS, RESULTS, count
from tasks.models import Attempt, Callback, DeviceList, Draft, Origin, Result, Tally, Task, Transition
from tasks.states import FINAL, State
from tests.factories import AttemptFactory, CallbackFactory, TaskFactory, UserFactory

pytestmark = pytest.mark.django_db

MODULE = "tasks.lifecycle.prune"
DAY = dt.timedelta(days=1)


@pytest.fixture(autouse=True)
def ages(settings, monkeypatch):
    settings.KEEP_BODIES, settings.KEEP_RESULTS, settings.KEEP_AUDIT = 30 * DAY, 180 * DAY, 730 * DAY
    settings.KEEP_DRAFTS = 30 * DAY
    monkeypatch.setattr("time.sleep", lambda _: None)
    return settings


@pytest.fixture
def small_chunks(monkeypatch):
    import sys

    monkeypatch.setattr(sys.modules[MODULE], "CHUNK", 10)
    monkeypatch.setattr(sys.modules[MODULE], "READ_AT_ONCE", 12)
    monkeypatch.setattr(sys.modules[MODULE], "TASKS_AT_ONCE", 2)


def ago(days):
    return timezone.now() - days * DAY


def ended(days, *, results=0, bodies=0, state=State.COMPLETE, **columns):
    """A task that ended so many days ago, with results, and with settled bodies received on that day."""
    finished = ago(days) if state in FINAL else None
    task = TaskFactory(state=state, listed=True, finished_at=finished, **columns)
    Result.objects.bulk_create(
        Result(task=task, device_id=f"d{number}", status="SUCCESSFUL") for number in range(results)
    )
    for _ in range(bodies):
        CallbackFactory(task=task, state=Callback.State.SETTLED, received_at=ago(days))
    return task


def test_each_kind_has_its_own_age():
    new, month, year, old = (
        ended(days, results=2, bodies=2, counts={"SUCCESSFUL": 2}) for days in (1, 31, 400, 731)
    )
    assert prune(KINDS) == {"bodies": 6, "results": 4, "audit": 1, "drafts": 0}
    assert {task.pk: task.callbacks.count() for task in (new, month, year)} == {
        new.pk: 2,
        month.pk: 0,
        year.pk: 0,
    }
    assert {task.pk: task.results.count() for task in (new, month, year)} == {
        new.pk: 2,
        month.pk: 2,
        year.pk: 0,
    }
    assert not Task.objects.filter(pk=old.pk).exists()
    assert prune(KINDS) == {"bodies": 0, "results": 0, "audit": 0, "drafts": 0}


@pytest.mark.parametrize("state", [state for state in State if state not in FINAL])
def test_o12_what_is_not_final_is_never_touched(state):
    """O12: though it is older than every age, and even where a time of its end was set."""
    task = ended(1000, results=3, bodies=2, state=state)
    Task.objects.filter(pk=task.pk).update(finished_at=ago(1000))
    assert set(prune(KINDS).values()) == {0}
    task.refresh_from_db()
    assert task.results_pruned_at is None
    assert (task.results.count(), task.callbacks.count(), task.transitions.count()) == (3, 2, 1)
    assert {number for number, _ in count(KINDS, seconds=9).values()} == {0}


def test_a_task_that_came_to_life_since_it_was_found_is_left_alone():
    """O12: it is looked at again in the transaction that deletes."""
    task = ended(1000, results=3)
    (chunk,) = RESULTS.due(ago(180))
    (whole,) = AUDIT.due(ago(730))
    Task.objects.filter(pk=task.pk).update(state=State.RUNNING)
    assert chunk.delete() == 0
    Result.objects.filter(task=task).delete()
    assert whole.delete() == 0
    assert Task.objects.get(pk=task.pk).results_pruned_at is None


def test_a_callback_that_is_not_settled_is_never_touched():
    task = ended(1000, results=3)
    CallbackFactory(task=task, received_at=ago(1000))
    assert set(prune(KINDS).values()) == {0}
    Callback.objects.update(state=Callback.State.QUARANTINED)
    assert prune(KINDS) == {"bodies": 1, "results": 3, "audit": 1, "drafts": 0}


def test_a_pruned_task_keeps_its_counts_its_tallies_and_its_story():
    task = ended(200, results=3, counts={"SUCCESSFUL": 3})
    Tally.objects.create(task=task, at=ago(200), status="SUCCESSFUL", count=3)
    AttemptFactory(task=task)
    prune(KINDS)
    task.refresh_from_db()
    assert task.results_pruned_at - timezone.now() < dt.timedelta(minutes=1)
    assert task.counts == {"SUCCESSFUL": 3}
    assert (task.tallies.count(), task.attempts.count(), task.transitions.count()) == (1, 1, 1)
    nothing = ended(200)
    prune(KINDS)
    nothing.refresh_from_db()
    assert nothing.results_pruned_at is None, "it had no results to prune"


@pytest.mark.parametrize("kind", ["DeviceList", "Broadcast"])
@pytest.mark.parametrize("ages_of_it", [35, 200], ids=["bodies pruned", "results pruned too"])
def test_c34_a_replayed_body_changes_nothing(kind, ages_of_it):
    """C34: it is kept and settled again, and no progress comes of it."""
    body = json.dumps(
        {"deviceId": "device-1", "commandId": "c", "result": {"resultCode": "SUCCESSFUL"}}
    ).encode()
    task = TaskFactory(state=State.RUNNING, kind=kind, platform_task_id="t1")
    lifecycle.receive([Arrival(task.callback_token, body)])
    lifecycle.settle(task.pk)
    Task.objects.update(state=State.COMPLETE, finished_at=ago(ages_of_it))
    Callback.objects.update(received_at=ago(ages_of_it))
    prune(KINDS)
    assert not Callback.objects.exists()

    def told():
        return [
            list(Task.objects.values("state", "counts", "finished_at", "results_pruned_at")),
            list(Result.objects.order_by("id").values()),
            list(Tally.objects.order_by("id").values()),
            Transition.objects.count(),
        ]

    before = told()
    lifecycle.receive([Arrival(task.callback_token, body)])
    lifecycle.settle(task.pk)
    assert Callback.objects.get().state == Callback.State.SETTLED
    assert told() == before


def test_a_task_goes_with_all_that_points_to_it():
    old, copy = ended(800, results=1, bodies=1), ended(1)
    Task.objects.filter(pk=copy.pk).update(copied_from=old)
    Tally.objects.create(task=old, at=ago(800), status="SUCCESSFUL", count=1)
    AttemptFactory(task=old)
    prune(KINDS)
    copy.refresh_from_db()
    assert copy.copied_from is None
    assert set(Task.objects.values_list("pk", flat=True)) == {copy.pk}
    assert not Attempt.objects.exists()
    assert not Tally.objects.exists()
    assert set(Transition.objects.values_list("task", flat=True)) == {copy.pk}


def test_a_rerun_outlives_the_task_that_it_reruns():
    old, new = ended(800), ended(1)
    Origin.objects.create(task=new, parent=old)
    prune(KINDS)
    assert list(Task.objects.all()) == [new]
    assert not Origin.objects.exists()


def test_a_task_stays_as_long_as_something_of_it_is_younger():
    task = ended(800)
    late = CallbackFactory(task=task, state=Callback.State.SETTLED, received_at=ago(3))
    assert prune(KINDS)["audit"] == 0
    Callback.objects.filter(pk=late.pk).update(received_at=ago(31))
    assert prune(KINDS)["audit"] == 1


@pytest.mark.parametrize("setting", ["KEEP_BODIES", "KEEP_RESULTS", "KEEP_AUDIT", "KEEP_DRAFTS"])
def test_no_age_is_for_ever(setting, settings):
    ended(1000, results=1, bodies=1)
    Draft.objects.create(author=UserFactory(), values={}, saved_at=ago(1000))
    setattr(settings, setting, None)
    settings.KEEP_AUDIT = None
    kind = next(kind for kind in KINDS if kind.setting == setting)
    assert kind.name not in prune(KINDS)
    assert kind.name not in count(KINDS, seconds=9)


def test_drafts_go_and_lists_that_a_younger_draft_names_stay():
    user = UserFactory()
    lists = [DeviceList.objects.create(author=user, count=1, text="d", created_at=ago(40)) for _ in range(3)]
    lists.append(DeviceList.objects.create(author=user, count=1, text="d"))
    Draft.objects.create(author=user, values={"device_list": [str(lists[0].pk)]}, saved_at=ago(40))
    young = Draft.objects.create(author=user, values={"device_list": [str(lists[1].pk)]})
    assert prune((DRAFTS,)) == {"drafts": 3}
    assert list(Draft.objects.all()) == [young]
    assert set(DeviceList.objects.all()) == {lists[1], lists[3]}


# How it goes


def test_a_chunk_is_one_short_transaction_of_few_rows(small_chunks):
    ended(200, results=25, bodies=25)
    for days in (201, 202, 203, 204):
        ended(days, results=3)
    ended(750)
    sizes = {kind.name: [chunk.size for chunk in kind.due(ago(180))] for kind in (BODIES, RESULTS, AUDIT)}
    assert sizes == {"bodies": [10, 2, 10, 2, 1], "results": [10, 10, 10, 7], "audit": [2, 2, 2]}
    with CaptureQueriesContext(connection) as queries:
        prune((RESULTS,))
    deletions = [each["sql"] for each in queries if each["sql"].startswith("DELETE")]
    assert len(deletions) == 4
    assert all('"tasks_result"."id" IN (' in sql for sql in deletions)
    assert not [each for each in queries if "request_body" in each["sql"]]


def test_a_prune_that_was_stopped_goes_on_where_it_was(small_chunks, monkeypatch):
    tasks = [ended(200 + number, results=12, bodies=3) for number in range(4)]
    assert sum(prune(KINDS, seconds=0).values()) == 10, "one chunk"
    first = prune((RESULTS,), seconds=0)
    assert first == {"results": 10}
    left = Task.objects.get(pk=tasks[0].pk)
    assert (left.results_pruned_at is not None, left.results.count()) == (True, 2)
    total = prune(KINDS)
    assert total["results"] == 38
    assert Result.objects.count() == Callback.objects.count() == 0
    assert not Task.objects.filter(results_pruned_at=None).exists()
    left.refresh_from_db()
    mark = left.results_pruned_at
    prune(KINDS)
    left.refresh_from_db()
    assert left.results_pruned_at == mark


def test_others_get_their_turn_between_two_chunks(small_chunks, monkeypatch):
    pauses = []
    monkeypatch.setattr("time.sleep", pauses.append)
    ended(200, results=30)
    prune((RESULTS,))
    assert len(pauses) == 3
    assert min(pauses) > 0


def test_open_callbacks_do_not_hide_what_is_behind_them(small_chunks):
    open_task = TaskFactory(state=State.RUNNING, listed=True)
    for _ in range(25):
        CallbackFactory(task=open_task, state=Callback.State.SETTLED, received_at=ago(100))
    ended(90, bodies=3)
    assert prune((BODIES,)) == {"bodies": 3}


def test_a_dry_run_counts_and_deletes_nothing(small_chunks):
    ended(800, results=12, bodies=3)
    ended(200, results=12, bodies=3)
    Draft.objects.create(author=UserFactory(), values={}, saved_at=ago(40))
    found = count(KINDS, seconds=30)
    assert found == {"bodies": (6, True), "results": (24, True), "audit": (1, True), "drafts": (1, True)}
    assert count((RESULTS,), seconds=0) == {"results": (10, False)}
    assert {name: number for name, (number, _) in found.items()} == prune(KINDS)


# The doors


def test_the_command_says_what_it_did(capsys, settings):
    ended(200, results=1200, bodies=2)
    call_command("prune", "--dry-run")
    assert capsys.readouterr().out.splitlines() == [
        "Would delete 2 raw callback bodies older than 30 days.",
        "Would delete 1,200 results of devices older than 180 days.",
        "Would delete 0 tasks with their transitions and attempts older than 730 days.",
        "Would delete 0 drafts and device lists older than 30 days.",
    ]
    assert Result.objects.count() == 1200
    settings.KEEP_AUDIT = None
    call_command("prune")
    told = capsys.readouterr().out.splitlines()
    assert told[1:3] == [
        "Deleted 1,200 results of devices older than 180 days.",
        "Kept for ever: tasks with their transitions and attempts.",
    ]
    assert not Result.objects.exists()
    call_command("prune", "--json")
    assert json.loads(capsys.readouterr().out)["results"] == {"rows": 0, "all": True}


@pytest.mark.parametrize("switched_on", [True, False])
def test_what_was_answered_is_deleted_by_the_clock_only_when_asked_for(switched_on, settings):
    settings.PRUNE = switched_on
    ended(200, results=2)
    Draft.objects.create(author=UserFactory(), values={}, saved_at=ago(40))
    jobs.prune()
    assert Result.objects.exists() is not switched_on
    assert not Draft.objects.exists()
