import datetime as dt
import json
from collections import Counter

import pytest
from django.utils import timezone

from tasks import lifecycle
from tasks.lifecycle import Arrival, pace
from tasks.lifecycle.reconcile import GRACE, LATE
from tasks.models import Application, Task
from tasks.states import State
from tasks.targets import TargetType
from tests.factories import ApplicationFactory, CallbackFactory, TaskFactory
from tests.sandbox import until
from tests.tasks.lifecycle.platforms import listing, playing
from tests.tasks.platform.servers import saying

pytestmark = pytest.mark.django_db


def submitted(application, sandbox, **wanted):
    """A task that the sandbox has really created."""
    task = TaskFactory(application=application, **wanted)
    lifecycle.submit(task.pk)
    task.refresh_from_db()
    assert task.state == State.RUNNING
    return task


def asked(task):
    """The task after the platform was asked, due or not."""
    Task.objects.filter(pk=task.pk, state=State.RUNNING).update(poll_at=timezone.now())
    lifecycle.reconcile(task.pk)
    task.refresh_from_db()
    assert task.counts == dict(
        Counter(task.results.filter(unexpected=False).values_list("status", flat=True))
    ), "C3: counts are a recount of the rows"
    return task


def over(sandbox, task):
    until(lambda: sandbox.task(task.platform_task_id)["status"] in ("Complete", "Timeout"))
    Application.objects.update(access_token="")  # the look at it took a login of its own


def running(url, **columns):
    application = ApplicationFactory(
        url=url, access_token="t", token_expires_at=timezone.now() + dt.timedelta(days=3)
    )
    columns = {"devices": ["d1", "d2"]} | columns
    return TaskFactory(application=application, state=State.RUNNING, platform_task_id="t1", **columns)


def test_pushes_that_were_lost_are_made_up_for(sandbox, application):
    """C35: not one push came; the platform's own list ends the task."""
    sandbox.configure(mix={"successful": 0.5, "failed": 0.5})
    task = submitted(application, sandbox, devices=sandbox.devices(60))
    over(sandbox, task)
    asked(task)
    assert (task.state, task.answered, task.results.count()) == (State.COMPLETE, 60, 60)
    assert set(task.counts) == {"SUCCESSFUL", "FAILED"}
    assert not task.results.filter(unexpected=True).exists()
    assert set(task.results.values_list("source", flat=True)) == {"poll"}
    assert not task.results.filter(command_id="").exists()
    assert task.platform_status == "Complete"


def test_details_fill_what_pushes_left_open(sandbox, application):
    devices = sandbox.devices(3)
    task = submitted(application, sandbox, devices=devices)
    push = {
        "deviceId": devices[0],
        "commandId": "",
        "result": {"resultCode": "SUCCESSFUL", "resultDetail": {"e": 1}},
    }
    lifecycle.receive([Arrival(task.callback_token, json.dumps(push).encode())])
    lifecycle.settle(task.pk)
    Task.objects.update(last_push_at=timezone.now() - dt.timedelta(minutes=1))  # silent since
    over(sandbox, task)
    asked(task)
    assert task.state == State.COMPLETE
    assert task.answered == 3
    first = task.results.get(device_id=devices[0])
    assert first.detail == {"e": 1}


def test_a_platform_that_says_timeout_ends_the_task_with_its_evidence(sandbox, application):
    sandbox.configure(mix=[0, 0, 0, 0, 1], pace={"minute": 0.01})  # silent devices, ten short minutes
    task = submitted(application, sandbox, devices=sandbox.devices(4))
    over(sandbox, task)
    asked(task)
    assert task.state in (State.TIMED_OUT, State.COMPLETE)
    assert task.counts == {"TIMEOUT": 4}
    last = task.transitions.last()
    assert last.to_state == task.state
    assert task.finished_at is not None
    assert task.poll_at is None


@pytest.mark.parametrize(("word", "state"), [("Complete", State.COMPLETE), ("Timeout", State.TIMED_OUT)])
def test_the_platforms_last_word_ends_a_task_whose_devices_never_answered(serve, word, state):
    """S38's contrary: a whole answer is a word to rely on. The silent devices stay without an answer."""
    pending = [{"status": "Pending", "param": {"deviceId": device}} for device in ("d1", "d2")]
    said = {"taskId": "t1", "status": word, "totalCnt": 2, "successCnt": 0}
    task = running(playing(serve, said, {"totalCount": 2, "taskDetails": pending}).url)
    asked(task)
    assert (task.state, task.counts) == (state, {"PENDING": 2})
    assert (task.answered, task.platform_status, task.poll_at) == (0, word, None)
    last = task.transitions.last()
    assert last.reason == f"the platform says {word}; 2 devices gave no final answer"
    assert last.evidence == {"total": 2, "success": 0, "fail": 0, "timeout": 0, "expired": 0}


def test_a_task_without_callback_ends_by_being_asked_for(sandbox, application):
    task = submitted(application, sandbox, devices=sandbox.devices(5), callback_token=None)
    asked(task)
    assert task.results.count() == 5
    over(sandbox, task)
    asked(task)
    assert (task.state, task.answered) == (State.COMPLETE, 5)


def test_how_many_devices_a_broadcast_reached_is_learnt(sandbox, application):
    task = submitted(application, sandbox, kind=TargetType.BROADCAST)
    assert task.expected is None
    asked(task)
    assert task.expected == 100
    assert task.platform_status in ("Pending", "Running")
    over(sandbox, task)
    asked(task)
    assert (task.state, task.answered, task.results.count()) == (State.COMPLETE, 100, 100)


def test_a_device_the_platform_does_not_know_has_its_reason(sandbox, application):
    task = submitted(application, sandbox, devices=[*sandbox.devices(2), "nobody"])
    over(sandbox, task)
    asked(task)
    stranger = task.results.get(device_id="nobody")
    assert (stranger.status, stranger.error_code) == ("FAILED", "100418")
    assert "not existed" in stranger.error_text


@pytest.mark.parametrize(
    "answer",
    [
        saying(404, b"<html>no such page</html>"),
        saying(404, {"error_code": "105005", "error_desc": "The batchTask is not existed."}),
        saying(500, {"error_code": "50252", "error_desc": "Internal server error."}),
        saying(403, {"error_code": "1010009", "error_desc": "app throttle exceed."}),
        saying(403, {"error_code": "1010005", "error_desc": "App_key or access_token is invalid."}),
        saying(200, {"status": None}),
        saying(200, b""),
    ],
    ids=["no such API", "no such task", "50252", "throttled", "token", "no status", "empty"],
)
def test_a_platform_that_cannot_tell_leaves_the_task_running_until_its_time_is_over(serve, answer):
    """S38: no conclusion is drawn from a query that failed; the reason is shown (design 4.7)."""
    server = serve(answer)
    submitted_at = timezone.now() - dt.timedelta(minutes=10) - GRACE + dt.timedelta(seconds=30)
    task = running(server.url, submitted_at=submitted_at)
    asked(task)
    assert task.state == State.RUNNING
    assert task.reason.startswith("The platform cannot be asked how it stands: ")
    Task.objects.update(submitted_at=submitted_at - dt.timedelta(minutes=1))
    later = timezone.now() + dt.timedelta(hours=1)
    Application.objects.update(access_token="t2", token_expires_at=later)  # somebody logged in meanwhile
    asked(task)
    assert task.state == State.TIMED_OUT
    assert "gave no final word" in task.reason
    assert task.transitions.last().to_state == State.TIMED_OUT
    assert {row.split(b" ")[1].split(b"?")[0] for row in server.requests} == {
        b"/iocm/app/batchtask/v1.1.0/tasks/t1"
    }


def test_a_token_that_was_refused_is_not_used_again(sandbox, application):
    task = submitted(application, sandbox, devices=sandbox.devices(1))
    sandbox.login()
    asked(task)
    assert "cannot be asked" in task.reason
    asked(task)
    assert "cannot be asked" not in task.reason
    assert task.platform_status


def test_a_task_whose_id_is_not_known_is_not_asked_for(serve):
    server = serve(saying(200, {}))
    task = running(server.url)
    Task.objects.update(platform_task_id="")
    asked(task)
    assert task.state == State.RUNNING
    Task.objects.update(
        submitted_at=timezone.now() - dt.timedelta(minutes=10) - GRACE - dt.timedelta(seconds=5)
    )
    asked(task)
    assert task.state == State.TIMED_OUT
    assert server.requests == []


def test_numbers_and_words_beyond_all_measure_do_no_harm(serve):
    """Nothing of it is anybody's; the task waits for a better answer as long as it has patience, and no longer."""
    detail = {"status": "Success", "param": {"deviceId": "d" * 300, "commandId": "c"}}
    task = running(
        playing(
            serve,
            {"status": "Complete", "totalCnt": 10**17},
            {"totalCount": 10**17, "taskDetails": [detail, {"param": None}, {}, 5]},
            {"totalCount": 10**17, "taskDetails": [5]},
        ).url
    )
    Task.objects.update(expected=None)
    asked(task)
    assert (task.state, task.expected, task.counts) == (State.RUNNING, 2**31 - 1, {"": 2})
    Task.objects.update(heard_at=timezone.now() - GRACE - dt.timedelta(seconds=1))
    asked(task)
    assert (task.state, task.counts) == (State.COMPLETE, {"": 2})
    assert "100,000,000,000,000,000" in task.disagreement


# The end


def settled(task, *answers):
    """The task after these devices' pushes; silent since."""
    for device, code in answers:
        body = {"deviceId": device, "commandId": f"of {device}", "result": {"resultCode": code}}
        lifecycle.receive([Arrival(task.callback_token, json.dumps(body).encode())])
    lifecycle.settle(task.pk)
    Task.objects.filter(pk=task.pk).update(last_push_at=None)
    task.refresh_from_db()
    return task


def detail(device, status):
    return {"status": status, "param": {"deviceId": device, "commandId": f"of {device}"}}


def test_what_pushes_have_ended_is_confirmed_by_one_question(serve, times):
    server = serve(saying(200, {"status": "Complete", "totalCnt": 2, "successCnt": 1, "failCnt": 1}))
    task = settled(running(server.url), ("d1", "SUCCESSFUL"), ("d2", "FAILED"))
    assert (task.state, task.poll_at) == (State.COMPLETE, times.now + pace.CONFIRMED_AFTER)
    times.on(15)
    lifecycle.reconcile(task.pk)
    task.refresh_from_db()
    assert (task.poll_at, task.platform_status, task.disagreement) == (None, "Complete", "")
    assert task.platform_counts["fail"] == 1
    assert (len(server.requests), task.transitions.last().reason) == (1, "every device has a final answer")


def test_c36_push_and_poll_that_disagree_are_a_conflict_and_the_polls_word_stands(serve, times):
    """C36: the platform counts otherwise, so it is asked of which device."""
    server = playing(
        serve,
        {"status": "Complete", "totalCnt": 2, "successCnt": 1, "failCnt": 1},
        {"totalCount": 1, "taskDetails": [detail("d2", "Fail")]},
    )
    task = settled(running(server.url), ("d1", "SUCCESSFUL"), ("d2", "SUCCESSFUL"))
    times.on(15)
    lifecycle.reconcile(task.pk)
    task.refresh_from_db()
    second = task.results.get(device_id="d2")
    assert (second.status, second.conflict, second.source) == ("FAILED", True, "poll")
    assert (task.state, task.counts) == (State.COMPLETE, {"SUCCESSFUL": 1, "FAILED": 1})
    assert (task.disagreement, task.poll_at) == ("", None)


@pytest.mark.parametrize(("pushed", "listed"), [("EXPIRED", "Timeout"), ("CANCELED", "Fail")])
def test_the_details_coarser_word_for_the_same_is_no_disagreement(serve, times, pushed, listed):
    """They have no word for an expired or a cancelled command; what the push said stays."""
    said = {"status": "Complete", "totalCnt": 2, "failCnt": 1, "successCnt": 1}
    if listed == "Timeout":
        said |= {"failCnt": 0, "expiredCnt": 1}
    task = settled(
        running(listing(serve, said, [detail("d1", listed), detail("d2", "Success")], ()).url), ("d1", pushed)
    )
    times.on(30)
    task = after(times, task)
    assert (task.state, task.counts) == (State.COMPLETE, {pushed: 1, "SUCCESSFUL": 1})
    assert not task.results.filter(conflict=True).exists()
    assert task.disagreement == ""


def test_counts_that_stay_different_are_written_down_once(serve, times):
    """C36: the platform's details do not bear its counters out; the operator is told so in numbers."""
    said = {"status": "Complete", "totalCnt": 2, "successCnt": 1, "failCnt": 1}
    server = listing(serve, said, [detail("d1", "Success"), detail("d2", "Success")])
    task = settled(running(server.url), ("d1", "SUCCESSFUL"), ("d2", "SUCCESSFUL"))
    words = "The platform counts 1 failed, 1 successful; the results here are 0 failed, 2 successful."
    for _ in range(3):
        times.on(60)
        lifecycle.reconcile(task.pk)
    task.refresh_from_db()
    last = task.transitions.last()
    assert (task.disagreement, last.reason) == (words, words)
    assert (last.from_state, last.to_state) == (State.COMPLETE, State.COMPLETE)
    assert last.evidence["results"] == {"SUCCESSFUL": 2}
    assert last.evidence["fail"] == 1
    assert task.transitions.filter(reason=words).count() == 1


def test_a_task_given_up_is_mended_when_the_platform_is_back(serve, times):
    """Its state stays; what the platform knew all the time is not lost."""
    answers = [saying(500, b""), saying(200, {"status": "Complete", "totalCnt": 2, "successCnt": 2})]
    answers += [
        saying(200, {"totalCount": 2, "taskDetails": [detail("d1", "Success"), detail("d2", "Success")]})
    ]
    server = serve(lambda sock, stop: answers.pop(0)(sock, stop))
    task = running(server.url, submitted_at=times.now - dt.timedelta(minutes=10) - GRACE)
    task = after(times, task)
    assert (task.state, task.answered) == (State.TIMED_OUT, 0)
    task = after(times, task)
    assert (task.state, task.counts, task.poll_at) == (State.TIMED_OUT, {"SUCCESSFUL": 2}, None)


@pytest.mark.parametrize("word", sorted(LATE))
def test_a_platform_that_still_works_on_it_is_believed_for_an_hour(serve, times, word):
    server = serve(saying(200, {"status": word, "totalCnt": 2}))
    task = running(server.url, submitted_at=times.now - dt.timedelta(minutes=10))
    times.on(3570)
    assert after(times, task).state == State.RUNNING
    times.on(60)
    assert after(times, task).state == State.TIMED_OUT


def test_a_word_never_heard_of_is_shown_and_ends_nothing_before_its_time(serve, times):
    """S38"""
    server = serve(saying(200, {"status": "Paused", "totalCnt": 2, "successCnt": 2}))
    task = running(server.url, submitted_at=times.now)
    task = after(times, task)
    assert (task.state, task.platform_status) == (State.RUNNING, "Paused")
    assert task.reason == "The platform calls its status “Paused”, which nobody knows here."
    times.now = task.deadline + GRACE
    assert after(times, task).state == State.TIMED_OUT


def test_a_total_that_shrinks_ends_no_task_too_early(serve, times):
    """Nobody listed the devices, so their number is the platform's word; it only grows."""
    totals = iter([3, 5, 1, 5])
    server = serve(
        lambda sock, stop: saying(200, {"status": "Running", "totalCnt": next(totals)})(sock, stop)
    )
    task = running(server.url, kind=TargetType.BROADCAST, devices=None, submitted_at=times.now, timeout=2880)
    expected = []
    for _ in range(4):
        settled(task, ("d1", "SUCCESSFUL"))
        Task.objects.update(last_push_at=times.now)
        times.on(300)
        CallbackFactory(task=task)  # pushes come: nothing else is read
        task = after(times, task)
        expected.append(task.expected)
    assert expected == [3, 5, 5, 5]
    assert task.state == State.RUNNING


def test_a_task_that_the_platform_has_forgotten_is_not_asked_for_again(serve, times):
    gone = {"error_code": "105005", "error_desc": "The batchTask is not existed."}
    server = serve(saying(404, gone))
    task = settled(running(server.url), ("d1", "SUCCESSFUL"), ("d2", "SUCCESSFUL"))
    times.on(15)
    task = after(times, task)
    assert (task.state, task.poll_at, len(server.requests)) == (State.COMPLETE, None, 1)


def test_another_tasks_counters_are_not_taken(serve, times):
    server = serve(saying(200, {"status": "Complete", "taskName": "another", "totalCnt": 9, "successCnt": 9}))
    task = running(server.url, submitted_at=times.now)
    task = after(times, task)
    assert (task.state, task.platform_counts, task.platform_status) == (State.RUNNING, {}, "")
    assert "called “another”: it is not trusted" in task.reason
    times.now = task.deadline + GRACE
    assert after(times, task).state == State.TIMED_OUT


def after(times, task):
    """The task after its next turn."""
    Task.objects.filter(pk=task.pk, poll_at__isnull=False).update(poll_at=times.on(20))
    lifecycle.reconcile(task.pk)
    task.refresh_from_db()
    return task


def test_who_is_not_due_or_not_running_is_not_asked_for(serve):
    server = serve(saying(200, {"status": "Complete"}))
    task = running(server.url, poll_at=timezone.now() + dt.timedelta(minutes=1))
    lifecycle.reconcile(task.pk)
    for state in set(State) - {State.RUNNING, State.QUEUED, State.SUBMITTING}:
        lifecycle.reconcile(TaskFactory(application=task.application, state=state, poll_at=timezone.now()).pk)
    lifecycle.reconcile(10**9)
    assert server.requests == []
