import datetime as dt
import json
from collections import Counter

import pytest
from django.utils import timezone

from tasks import lifecycle
from tasks.lifecycle import Arrival
from tasks.lifecycle.reconcile import GRACE
from tasks.models import Application, Task
from tasks.states import State
from tasks.targets import TargetType
from tests.factories import ApplicationFactory, TaskFactory
from tests.sandbox import until
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
        url=url, access_token="t", token_expires_at=timezone.now() + dt.timedelta(hours=1)
    )
    return TaskFactory(
        application=application, state=State.RUNNING, platform_task_id="t1", devices=["d1", "d2"], **columns
    )


def playing(serve, *answers):
    """A platform that gives these answers, and then the last one for ever."""
    left = list(answers)
    return serve(lambda sock, stop: saying(200, left.pop(0) if len(left) > 1 else left[0])(sock, stop))


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


def test_who_is_not_due_or_not_running_is_not_asked_for(serve):
    server = serve(saying(200, {"status": "Complete"}))
    task = running(server.url, poll_at=timezone.now() + dt.timedelta(minutes=1))
    lifecycle.reconcile(task.pk)
    for state in set(State) - {State.RUNNING, State.QUEUED, State.SUBMITTING}:
        lifecycle.reconcile(TaskFactory(application=task.application, state=state, poll_at=timezone.now()).pk)
    lifecycle.reconcile(10**9)
    assert server.requests == []
