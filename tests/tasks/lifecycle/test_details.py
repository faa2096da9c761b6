"""What is read of a task's devices, and what is not: counted in calls, and compared with what the sandbox knows."""

import datetime as dt
import itertools
import json
import time
from collections import Counter
from types import SimpleNamespace

import pytest
from django.utils import timezone

from tasks import lifecycle
from tasks.lifecycle import Arrival, budget, details
from tasks.lifecycle.reconcile import GRACE
from tasks.models import Application, Task
from tasks.platform.pushes import FINAL_STATUSES
from tasks.sandbox import codec
from tasks.sandbox.dispatch import PENDING, SENT, STATUSES
from tasks.states import State
from tasks.targets import TargetType
from tests.factories import COMMAND, ApplicationFactory, TaskFactory
from tests.sandbox import until
from tests.tasks.lifecycle.platforms import entries, listing, playing

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def small_pages(monkeypatch):
    """Ten devices to a page, so that a hundred are a long list."""
    monkeypatch.setattr(details, "PAGE", 10)


@pytest.fixture
def over(sandbox, application, times):
    """A task that the sandbox has carried out to the end, of which Muster heard nothing."""

    def make(mix=(1, 0, 0, 0, 0), **columns):
        sandbox.configure(mix=mix, pace={"minute": 0.05})
        if columns.get("kind", TargetType.DEVICE_LIST) == TargetType.DEVICE_LIST:
            columns.setdefault("devices", sandbox.devices(100))
        task = TaskFactory(application=application, **columns)
        lifecycle.submit(task.pk)
        task.refresh_from_db()
        assert task.state == State.RUNNING
        until(lambda: dispatch(sandbox, task).finished)
        return task

    return make


def dispatch(sandbox, task):
    return sandbox.platform.tasks[task.platform_task_id].dispatch


def truth(sandbox, task):
    """Device -> its status, in the words of the details: these know no EXPIRED."""
    known = {"EXPIRED": "TIMEOUT", "CANCELED": "FAILED"}
    of = dispatch(sandbox, task)
    words = [known.get(STATUSES[status], STATUSES[status]) for status in of.statuses]
    return {sandbox.platform.device_id(of, position): word for position, word in enumerate(words)}


def found(task):
    assert task.counts == dict(
        Counter(task.results.filter(unexpected=False).values_list("status", flat=True))
    ), "C3: counts are a recount of the rows"
    rows = task.results.filter(unexpected=False).values_list("device_id", "status")
    return {device: "TIMEOUT" if status == "EXPIRED" else status for device, status in rows}


def meters(sandbox):
    """Devices that understand the command of the tests; others refuse it."""
    fleet, command = sandbox.platform.fleet, COMMAND
    return [fleet.id_of(index) for index in fleet if not codec.objection(fleet.profile(index), command)]


def pages(count):
    return -(-count // 10)


def push(sandbox, task, *, but=()):
    """What the sandbox pushed of each device at last, as far as it was not lost."""
    of = dispatch(sandbox, task)
    bodies = []
    for position, status in enumerate(of.statuses):
        device = sandbox.platform.device_id(of, position)
        if device not in but and STATUSES[status] != "PENDING":
            ids = {"deviceId": device, "commandId": sandbox.platform.command_id(of, position)}
            bodies.append(json.dumps(ids | {"result": {"resultCode": STATUSES[status]}}).encode())
    lifecycle.receive([Arrival(task.callback_token, body) for body in bodies])
    lifecycle.settle(task.pk)
    Task.objects.filter(pk=task.pk).update(last_push_at=None)


def asked(times, task):
    """The task after it was asked about, due or not."""
    Task.objects.filter(pk=task.pk, poll_at__isnull=False).update(poll_at=times.on(30))
    lifecycle.reconcile(task.pk)
    task.refresh_from_db()
    return task


def read(sandbox):
    return sandbox.ledger()["calls"].get("details", 0)


MIXED = (0.5, 0.2, 0.1, 0.1, 0.1)


@pytest.mark.parametrize("kind", [TargetType.DEVICE_LIST, TargetType.BROADCAST])
def test_when_all_pushes_were_lost_all_is_read_once(sandbox, over, times, kind):
    """C35: the bad news first; each list once, and no page more."""
    task = asked(times, over(MIXED, kind=kind))
    assert found(task) == truth(sandbox, task)
    assert task.is_final
    assert task.disagreement == ""
    assert read(sandbox) == sum(map(pages, task.counts.values()))
    assert not task.results.filter(command_id="").exists()


def test_when_all_pushes_came_nothing_is_read(sandbox, over, times):
    task = over(MIXED)
    push(sandbox, task)
    task.refresh_from_db()
    assert task.state == State.COMPLETE
    task = asked(times, task)
    assert (read(sandbox), task.poll_at, task.disagreement) == (0, None, "")
    assert task.platform_counts["total"] == 100
    assert dt.datetime.fromisoformat(task.platform_counts["at"]) == times.now
    assert task.transitions.count() == 4, "composed, submitting, running, complete; and nothing more"


def test_of_few_silent_devices_each_is_asked_for(sandbox, over, times):
    task = over(MIXED)
    push(sandbox, task, but=sandbox.devices(3))
    task = asked(times, task)
    assert (task.state, read(sandbox)) == (State.COMPLETE, 3)
    assert found(task) == truth(sandbox, task)
    assert task.results.exclude(command_id="").count() == 100


def test_only_the_lists_with_news_are_read(sandbox, over, times):
    """The platform pushes no EXPIRED: that is what is missing of many sleeping devices."""
    task = over((0.6, 0, 0, 0.4, 0))
    expired = [device for device, status in truth(sandbox, task).items() if status == "TIMEOUT"]
    push(sandbox, task, but=expired)
    task = asked(times, task)
    assert found(task) == truth(sandbox, task)
    assert read(sandbox) == pages(len(expired)) < 10


def test_a_list_is_left_as_soon_as_it_holds_no_more_news(sandbox, over, times, monkeypatch):
    monkeypatch.setattr(details, "SINGLY", 0)
    devices = meters(sandbox)
    task = over(devices=devices)
    push(sandbox, task, but=devices[:15])  # they stand on the first two pages
    task = asked(times, task)
    assert (task.state, read(sandbox), found(task)) == (State.COMPLETE, 2, truth(sandbox, task))
    assert len(devices) > 30


def test_a_turn_is_short_and_the_next_goes_on_where_it_stopped(sandbox, over, times, bells, monkeypatch):
    """Other jobs have their turn in between; the bell is rung at once, and the page says how far it is."""
    ticks = itertools.count(0, 8)
    monkeypatch.setattr(details, "time", SimpleNamespace(monotonic=lambda: next(ticks)))
    devices = meters(sandbox)
    task = over(devices=devices)
    for turn in range(1, (pages(len(devices)) + 1) // 2):
        task = asked(times, task)
        assert (task.state, task.answered, read(sandbox)) == (State.RUNNING, 20 * turn, 2 * turn)
        assert task.reason == f"Reading which devices the platform counts (successful): {20 * turn} so far."
        assert bells[-1] == ("reconcile", task.pk)
        assert task.poll_at <= times.now
    task = asked(times, task)
    assert (task.state, task.poll_page, task.poll_lists) == (State.COMPLETE, 0, [])
    assert read(sandbox) == pages(len(devices))
    assert found(task) == truth(sandbox, task)


class Killed(BaseException):
    """The worker is gone."""


def test_a_worker_killed_while_reading_costs_one_page(sandbox, over, times, monkeypatch):
    devices = meters(sandbox)
    task, calls, ask = over(devices=devices), itertools.count(1), details._ask

    def killing(*args, **kwargs):
        answer = ask(*args, **kwargs)
        if next(calls) % 4 == 0:
            raise Killed
        return answer

    monkeypatch.setattr(details, "_ask", killing)
    kills = 0
    while not task.is_final:
        try:
            asked(times, task)
        except Killed:
            kills += 1
            task.refresh_from_db()
            assert (task.answered, task.poll_page) == (30 * kills, 3 * kills)
            assert task.poll_at == times.now + details.LEASE, "another worker goes on a minute later"
        task.refresh_from_db()
    assert (found(task), read(sandbox)) == (truth(sandbox, task), pages(len(devices)) + kills)
    assert kills > 0


def test_two_workers_do_not_read_the_same(sandbox, over, times, monkeypatch):
    """A page renews the lease, so a second worker finds nothing due while the first one reads."""
    task, ask = over(), details._ask

    def meanwhile(*args, **kwargs):
        times.on(20)
        lifecycle.reconcile(task.pk)
        return ask(*args, **kwargs)

    monkeypatch.setattr(details, "_ask", meanwhile)
    task = asked(times, task)
    assert task.state == State.COMPLETE
    assert (read(sandbox), sandbox.ledger()["calls"]["query"]) == (sum(map(pages, task.counts.values())), 1)


def test_when_calls_run_out_reading_waits_for_the_next_one(sandbox, over, times):
    Application.objects.update(calls_per_minute=10)
    task = over()
    begun = times.now
    for _ in range(20):
        if task.is_final:
            break
        lifecycle.reconcile(task.pk)
        task.refresh_from_db()
        times.now = max(times.now, task.poll_at or times.now)
    assert found(task) == truth(sandbox, task)
    assert times.now - begun < dt.timedelta(minutes=3)
    assert sandbox.ledger()["calls"]["query"] <= 3


def test_while_a_submission_waits_reading_leaves_half_of_the_calls(sandbox, over, times):
    task = over()
    Application.objects.update(calls_per_minute=20)
    assert budget.used(task.application) == 2  # the login and the create
    Task.objects.filter(pk=TaskFactory(application=task.application, devices=sandbox.devices(1)).pk).update(
        due_at=times.now
    )
    task = asked(times, task)
    assert (task.state, read(sandbox)) == (State.RUNNING, 7)
    assert budget.used(task.application) == 10
    assert task.poll_at == task.application.calls.order_by("at").first().at + budget.WINDOW


# While it runs


@pytest.fixture
def half_answered(sandbox, application):
    """A task of which half of the devices have answered; the others are silent until their time is over."""

    def make():
        sandbox.configure(mix=(0.5, 0, 0, 0, 0.5))
        task = TaskFactory(application=application, devices=sandbox.devices(100))
        lifecycle.submit(task.pk)
        task.refresh_from_db()
        counts = dispatch(sandbox, task).counts
        until(lambda: counts[PENDING] == counts[SENT] == 0)
        time.sleep(0.3)  # their answers
        return task

    return make


def test_of_a_running_task_what_is_mostly_news_is_read_and_once(sandbox, half_answered, times):
    """No push comes; half of the devices have answered, the others never will before the deadline."""
    task = half_answered()
    done = dispatch(sandbox, task).done
    times.on(40)
    task = asked(times, task)
    assert (task.state, task.platform_status, task.answered) == (State.RUNNING, "Running", done)
    assert read(sandbox) == sum(pages(task.counts.get(status, 0)) for status in FINAL_STATUSES)
    before = read(sandbox)
    for _ in range(3):
        task = asked(times, task)
    assert read(sandbox) == before


def test_what_was_being_read_when_the_platform_ended_it_is_not_read_twice(serve, times):
    """Calls ran out in the middle of the good news; the bad news comes after it, and nothing else."""
    successes, failures = entries(0, 25), entries(25, 5, "Fail")
    task = running(listing(serve, {"status": "Running", "totalCnt": 30, "successCnt": 25}, successes).url)
    Application.objects.update(calls_per_minute=4)
    task = asked(times, asked(times, task))
    assert (task.state, task.poll_lists, task.poll_page) == (State.RUNNING, ["Success"], 2)
    server = listing(serve, COMPLETE | {"successCnt": 25, "failCnt": 5}, successes + failures)
    Application.objects.update(url=server.url)
    times.on(62)
    task = asked(times, task)
    assert (task.state, task.counts) == (State.COMPLETE, {"SUCCESSFUL": 25, "FAILED": 5})
    assert len(server.requests) == 1 + 1 + 1


def test_what_was_read_of_all_before_the_platform_ended_it_is_read_again(serve, times):
    """C35: calls ran out in the middle of a Broadcast's devices; those of the first pages have answered since."""
    sleeping = listing(serve, {"status": "Running", "totalCnt": 30}, entries(0, 30, "Sent"))
    task = running(sleeping.url, kind=TargetType.BROADCAST)
    Application.objects.update(calls_per_minute=3)
    task = asked(times, asked(times, task))
    assert (task.poll_lists, task.poll_page) == ([details.WHOLE], 1)
    Application.objects.update(url=listing(serve, COMPLETE, entries(0, 30)).url)
    for _ in range(3):
        times.on(62)
        task = asked(times, task)
    assert (task.state, task.counts) == (State.COMPLETE, {"SUCCESSFUL": 30})


def test_what_pushes_told_meanwhile_is_not_read(serve, times):
    task = running(listing(serve, COMPLETE, entries(0, 30)).url)
    Application.objects.update(calls_per_minute=4)
    task = asked(times, task)
    assert (task.state, task.poll_page) == (State.RUNNING, 2)
    for number in range(20, 30):
        body = {"deviceId": f"d{number}", "commandId": f"c{number}", "result": {"resultCode": "SUCCESSFUL"}}
        lifecycle.receive([Arrival(task.callback_token, json.dumps(body).encode())])
    lifecycle.settle(task.pk)
    Task.objects.update(last_push_at=None)
    times.on(62)
    before = budget.used(task.application)
    task = asked(times, task)
    assert (task.state, task.poll_at, budget.used(task.application) - before) == (State.COMPLETE, None, 1)


def test_a_running_task_is_not_read_while_its_pushes_come(sandbox, half_answered, times):
    task = half_answered()
    Task.objects.update(last_push_at=times.on(60), poll_at=times.now)
    lifecycle.reconcile(task.pk)
    task.refresh_from_db()
    assert task.platform_counts["success"] + task.platform_counts["fail"] == dispatch(sandbox, task).done
    assert (read(sandbox), task.answered) == (0, 0)


def test_the_devices_of_a_broadcast_are_found_while_they_sleep(sandbox, application, times):
    """Nobody listed them; the operator sees who has not answered."""
    sandbox.configure(pace={"start": 600})
    task = TaskFactory(application=application, kind=TargetType.BROADCAST)
    lifecycle.submit(task.pk)
    task = asked(times, task)
    assert (task.expected, task.results.count(), read(sandbox)) == (100, 100, 10)
    assert task.counts == {"PENDING": 100}
    assert asked(times, task).results.count() == 100
    assert read(sandbox) == 10


# Answers that do not fit


def running(url, count=30, **columns):
    application = ApplicationFactory(
        url=url, access_token="t", token_expires_at=timezone.now() + dt.timedelta(days=9)
    )
    if "kind" not in columns:
        columns["devices"] = [f"d{number}" for number in range(count)]
    return TaskFactory(application=application, state=State.RUNNING, platform_task_id="t1", **columns)


def page(first, count, total, status="Success"):
    return {"totalCount": total, "taskDetails": entries(first, count, status)}


COMPLETE = {"status": "Complete", "totalCnt": 30, "successCnt": 30}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (page(10, 7, 30), "Page 1 of its devices holds 7, though there are 30."),
        (page(0, 10, 30), "Page 1 of its devices repeats the page before."),
        (
            {"totalCount": 30},
            "The platform cannot be asked how it stands: The answer has no list taskDetails.",
        ),
        ({"totalCount": 30, "taskDetails": []}, "Page 1 of its devices holds 0, though there are 30."),
    ],
    ids=["a partial page", "a page that repeats", "no list", "an empty page"],
)
def test_a_page_that_does_not_fit_is_asked_for_again(serve, times, wrong, words):
    """S38: nothing is concluded, nothing lost, and the reason is shown."""
    server = playing(serve, COMPLETE, page(0, 10, 30), wrong, COMPLETE, page(10, 10, 30), page(20, 10, 30))
    task = asked(times, running(server.url))
    assert (task.state, task.poll_page, task.reason) == (State.RUNNING, 1, words)
    assert task.answered >= 10
    assert task.poll_at > times.now
    task = asked(times, task)
    assert (task.state, task.counts, task.reason) == (
        State.COMPLETE,
        {"SUCCESSFUL": 30},
        "every device has a final answer",
    )


def test_a_total_that_shrinks_hides_nobody(serve, times):
    """The list seems to end early; the counters say otherwise, so all is read once more."""
    server = playing(
        serve, COMPLETE, page(0, 10, 30), page(10, 10, 20), *(page(10 * n, 10, 30) for n in range(3))
    )
    task = asked(times, running(server.url))
    assert (task.state, task.counts) == (State.COMPLETE, {"SUCCESSFUL": 30})


def test_a_list_that_stays_shorter_than_the_count_ends_in_a_disagreement(serve, times):
    task = asked(times, running(listing(serve, COMPLETE, entries(0, 10)).url))
    assert (task.state, task.answered) == (State.RUNNING, 10)
    assert task.reason == "The list of its devices holds 10, though the platform counts 30."
    times.on(GRACE.total_seconds() + 30)
    task = asked(times, task)
    assert (task.state, task.answered) == (State.COMPLETE, 10)
    assert task.disagreement == "The platform counts 30 successful; the results here are 10 successful."
    assert task.poll_at is not None, "for a day it is asked for again"


def test_a_platform_that_heeds_no_filter_is_read_whole(serve, times):
    said = {"status": "Complete", "totalCnt": 30, "successCnt": 10, "failCnt": 20}
    server = listing(serve, said, entries(0, 10) + entries(10, 20, "Fail"), heeds=())
    task = asked(times, running(server.url))
    assert (task.state, task.counts) == (State.COMPLETE, {"SUCCESSFUL": 10, "FAILED": 20})
    assert len(server.requests) == 1 + 1 + 3, "the first page of the first list could not tell"


@pytest.mark.parametrize("heeds", [("status", "deviceId"), ("status",), ()], ids=str)
def test_a_device_that_the_platform_cannot_name_stays_silent(serve, times, heeds):
    """Whatever filters it heeds, the others are found, and the task ends."""
    task = running(listing(serve, COMPLETE, entries(0, 30), heeds=heeds).url)
    for number in range(28):
        body = {"deviceId": f"d{number}", "commandId": f"c{number}", "result": {"resultCode": "SUCCESSFUL"}}
        lifecycle.receive([Arrival(task.callback_token, json.dumps(body).encode())])
    lifecycle.settle(task.pk)
    task.results.filter(device_id="d29").update(device_id="elsewhere")
    Task.objects.update(last_push_at=None)
    task = asked(times, task)
    assert (task.state, task.counts) == (State.COMPLETE, {"SUCCESSFUL": 29, "": 1})
    assert task.results.get(unexpected=True).device_id == "d29" or heeds == ("status", "deviceId")
    assert task.transitions.last().reason == (
        "the platform says Complete; 1 device gave no final answer. "
        "The platform counts 30 successful; the results here are 29 successful."
    )
    assert task.transitions.last().evidence["results"] == task.counts


def test_details_of_strangers_stand_for_nobody(serve, times):
    said = {"status": "Complete", "totalCnt": 3, "successCnt": 3}
    task = asked(times, running(listing(serve, said, entries(90, 3)).url, count=3))
    assert (task.state, task.counts) == (State.COMPLETE, {"": 3})
    assert task.results.filter(unexpected=True).count() == 3
    assert task.disagreement == "The platform counts 3 successful; the results here are 0 successful."


def test_a_status_never_heard_of_is_kept_and_is_no_answer(serve, times):
    said = {"status": "Complete", "totalCnt": 3, "successCnt": 2}
    server = listing(serve, said, entries(0, 2) + entries(2, 1, "Hibernating"))
    task = asked(times, running(server.url, count=3))
    assert (task.state, task.counts) == (State.COMPLETE, {"SUCCESSFUL": 2, "Hibernating": 1})
    assert "1 device gave no final answer" in task.transitions.last().reason
