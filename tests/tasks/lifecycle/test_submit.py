import datetime as dt
import hashlib
import json
import socket

import pytest
from django.db import connection, connections
from django.utils import timezone

from tasks import lifecycle
from tasks.lifecycle.outcomes import backoff
from tasks.models import Application, Attempt, Task
from tasks.platform import client
from tasks.sandbox.errors import OF_THE_PAGE
from tasks.states import State
from tests.factories import ApplicationFactory, AttemptFactory, TaskFactory
from tests.tasks.platform.servers import reset_after, saying, silent
from tests.tasks.threads import at_once

pytestmark = pytest.mark.django_db

LATER, UNKNOWN, REFUSED = "not accepted, try later", "outcome unknown", "refused"
VERDICTS: dict[tuple[int, str], str] = {
    (200, "100203"): REFUSED,
    (200, "101001"): REFUSED,
    (200, "105001"): LATER,
    (200, "105002"): REFUSED,
    (400, "105201"): REFUSED,
    (400, "50400"): REFUSED,
    (401, "100028"): REFUSED,
    (403, "100203"): REFUSED,
    (403, "100217"): REFUSED,
    (403, "1010009"): LATER,
    (403, "1010005"): LATER,
    (404, "105202"): REFUSED,
    (500, "100203"): REFUSED,
    (500, "50252"): UNKNOWN,
}
STATES = {LATER: State.QUEUED, UNKNOWN: State.UNCONFIRMED, REFUSED: State.REFUSED}


def created(sandbox):
    """Tasks that the platform has made (its own ledger, not our database)."""
    return [create for create in sandbox.ledger()["creates"] if create["taskID"]]


def sent(sandbox):
    return len(sandbox.ledger()["creates"])


def open_the_gates():
    """As if a long time had passed: no breaker, no full platform, no drained budget, no pause after a login."""
    Application.objects.update(
        failures=0, open_until=None, full_until=None, drained_until=None, login_after=None, login_failures=0
    )


def again_and_again(task):
    """Everything that could send it once more by mistake."""
    for _ in range(3):
        open_the_gates()
        Task.objects.filter(pk=task.pk, state=State.QUEUED).update(due_at=timezone.now())
        lifecycle.submit(task.pk)
        lifecycle.sweep()


def test_a_task_is_sent_as_it_was_composed(task, sandbox):
    """I8: the stored body, byte for byte."""
    lifecycle.submit(task.pk)
    (create,) = created(sandbox)
    stored = Task.objects.get()
    assert create["body"] == task.request_body
    assert (stored.state, stored.platform_task_id) == (State.RUNNING, create["taskID"])
    assert create["taskID"] in stored.reason
    assert stored.submitted_at is not None
    assert stored.poll_at > timezone.now()
    assert (stored.lease_until, stored.error_code, stored.error_status) == (None, "", None)
    attempt = Attempt.objects.get()
    assert (attempt.number, attempt.outcome, attempt.http_status) == (1, "created", 200)
    assert attempt.request_sha256 == create["sha256"]
    assert attempt.finished_at >= attempt.started_at
    assert json.loads(attempt.answer) == {"taskID": create["taskID"]}
    assert [row.to_state for row in task.transitions.all()] == ["QUEUED", "SUBMITTING", "RUNNING"]
    again_and_again(task)
    assert sent(sandbox) == 1


TOKEN = "1010005"
"""Renewed and sent again at once: see the tests of tokens below."""


@pytest.mark.parametrize(
    "error",
    [error for error in OF_THE_PAGE if error.code != TOKEN],
    ids=lambda error: f"{error.status}-{error.code}",
)
def test_every_error_of_the_page_has_its_consequence(task, sandbox, error):
    """S08, S09, S13, S15, S16, S18"""
    verdict = VERDICTS[error.status, error.code]
    sandbox.faults(
        {"route": "create", "times": 1, "action": "error", "status": error.status, "code": error.code}
    )
    lifecycle.submit(task.pk)
    stored, attempt = Task.objects.get(), Attempt.objects.get()
    assert stored.state == STATES[verdict]
    assert (stored.error_code, stored.error_status) == (error.code, error.status)
    assert stored.error_text == error.desc
    assert error.code in stored.reason
    assert stored.platform_task_id == ""
    assert stored.lease_until is None
    assert (attempt.outcome, attempt.http_status, attempt.error_code) == (verdict, error.status, error.code)
    assert attempt.explanation == stored.reason
    assert json.loads(attempt.answer)["error_code"] == error.code
    assert attempt.finished_at is not None
    assert (stored.finished_at is not None) == (verdict == REFUSED)
    assert (stored.deferrals, stored.due_at is not None) == (int(verdict == LATER), True)
    again_and_again(task)
    assert len(created(sandbox)) == sent(sandbox) - 1 == int(verdict == LATER)
    assert Task.objects.get().state == (State.RUNNING if verdict == LATER else STATES[verdict])


def test_the_page_has_no_error_without_a_consequence():
    assert {(error.status, error.code) for error in OF_THE_PAGE} == set(VERDICTS)


UNKNOWN_OUTCOMES = [
    ("S02 cut after the create", {"action": "cut", "after": True}, 1),
    ("cut before the create", {"action": "cut"}, 0),
    ("S03 half a body", {"action": "half"}, 1),
    ("S14 empty body", {"action": "empty", "after": True}, 1),
    ("S14 empty body, not created", {"action": "empty"}, 0),
    ("S14 HTML", {"action": "html", "status": 200, "after": True}, 1),
    ("S15 502 HTML", {"action": "html", "after": True}, 1),
    ("S15 502 HTML, not created", {"action": "html"}, 0),
    ("S15 503", {"action": "html", "status": 503}, 0),
    ("S15 504", {"action": "html", "status": 504, "after": True}, 1),
    ("50252 after the create", {"action": "error", "code": "50252", "after": True}, 1),
    ("408", {"action": "text", "status": 408, "body": "{}"}, 0),
    *(
        (f"S14 {body}", {"action": "text", "body": body, "after": True}, 1)
        for body in (
            "null",
            "[]",
            '"x"',
            "{}",
            '{"taskID":""}',
            '{"taskID":null}',
            '{"taskID":123}',
            '{"taskID":"a","taskID":"b"}',
            "taskID=5",
        )
    ),
]


@pytest.mark.parametrize(
    ("fault", "made"), [row[1:] for row in UNKNOWN_OUTCOMES], ids=[row[0] for row in UNKNOWN_OUTCOMES]
)
def test_what_may_have_been_created_is_unconfirmed_and_never_sent_again(task, sandbox, fault, made):
    """I1, I5; S02, S03, S12, S14, S15"""
    sandbox.faults({"route": "create", "times": 1} | fault)
    lifecycle.submit(task.pk)
    stored, attempt = Task.objects.get(), Attempt.objects.get()
    assert stored.state == State.UNCONFIRMED
    assert stored.reason
    assert (stored.platform_task_id, stored.finished_at, stored.lease_until) == ("", None, None)
    assert attempt.outcome == UNKNOWN
    assert attempt.explanation == stored.reason
    assert attempt.finished_at is not None
    again_and_again(task)
    assert (sent(sandbox), len(created(sandbox))) == (1, made)
    assert Task.objects.get().state == State.UNCONFIRMED


@pytest.mark.parametrize("script", [silent, reset_after(b""), reset_after(b"HTTP/1.1 200 OK\r\n")])
def test_no_answer_is_no_proof(serve, served_by, script, monkeypatch):
    """S01, S04: a platform that never finishes its answer holds a worker no longer than the deadline."""
    monkeypatch.setitem(client.create.__kwdefaults__, "deadline", 0.5)
    server = serve(script)
    task = TaskFactory(application=served_by(server))
    lifecycle.submit(task.pk)
    assert Task.objects.get().state == State.UNCONFIRMED
    assert Attempt.objects.get().http_status is None
    again_and_again(task)
    assert len(server.requests) == 1


def test_unknown_members_of_an_answer_do_no_harm(serve, served_by):
    """S07"""
    server = serve(saying(200, {"taskID": "abc", "colour": "red", "deep": [{}]}))
    task = TaskFactory(application=served_by(server))
    lifecycle.submit(task.pk)
    assert (Task.objects.get().state, Task.objects.get().platform_task_id) == (State.RUNNING, "abc")


def test_an_answer_with_both_a_task_id_and_an_error_is_an_error(serve, served_by):
    """I3"""
    server = serve(saying(200, {"taskID": "abc", "error_code": "100203", "error_desc": "no"}))
    task = TaskFactory(application=served_by(server))
    lifecycle.submit(task.pk)
    assert (Task.objects.get().state, Task.objects.get().platform_task_id) == (State.REFUSED, "")


def test_an_error_nobody_knows_is_shown_as_it_came(serve, served_by):
    server = serve(saying(400, {"error_code": "777", "error_desc": "Moon in the wrong phase."}))
    task = TaskFactory(application=served_by(server))
    lifecycle.submit(task.pk)
    stored = Task.objects.get()
    assert (stored.state, stored.error_code) == (State.REFUSED, "777")
    assert stored.error_text == "Moon in the wrong phase."
    assert "Moon in the wrong phase." in stored.reason


def test_a_redirect_is_not_followed(task, sandbox, serve):
    """S25: neither the request nor the token goes to another host."""
    elsewhere = serve(saying(200, {"taskID": "stolen"}))
    sandbox.faults({"route": "create", "action": "redirect", "location": elsewhere.url + "/tasks"})
    lifecycle.submit(task.pk)
    stored = Task.objects.get()
    assert (stored.state, stored.error_status) == (State.REFUSED, 307)
    assert "address" in stored.reason
    assert elsewhere.connections == 0
    assert sent(sandbox) == 1


def test_a_slow_platform_is_waited_for(task, sandbox):
    sandbox.faults({"route": "create", "action": "latency", "seconds": 0.5})
    lifecycle.submit(task.pk)
    assert Task.objects.get().state == State.RUNNING


def test_a_task_id_that_cannot_be_kept_leaves_the_outcome_unknown(serve, served_by):
    hostile = "t" * 129
    server = serve(saying(200, {"taskID": hostile}))
    application = served_by(server)
    task = TaskFactory(application=application)
    lifecycle.submit(task.pk)
    task.refresh_from_db()
    assert (task.state, task.platform_task_id) == (State.UNCONFIRMED, "")
    assert "taskID" in task.reason
    assert hostile[:100] in task.attempts.get().answer
    again_and_again(task)
    assert len(server.requests) == 1


# Nothing was sent


def closed_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@pytest.mark.parametrize("logged_in", [True, False])
@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}", "https://no-such-host.invalid:8743"])
def test_a_platform_that_is_not_there_is_tried_again_later(url, logged_in):
    """S05: nothing left, so there is no attempt, and the task stays in the queue."""
    application = ApplicationFactory(
        url=url.format(port=closed_port()),
        access_token="t" if logged_in else "",
        token_expires_at=timezone.now() + dt.timedelta(hours=1),
    )
    task = TaskFactory(application=application)
    waits = []
    for _ in range(4):
        Task.objects.update(due_at=timezone.now())
        open_the_gates()
        lifecycle.submit(task.pk)
        stored = Task.objects.get()
        assert stored.state == State.QUEUED
        assert stored.reason
        waits.append((stored.due_at - timezone.now()).total_seconds())
    assert not Attempt.objects.exists()
    assert stored.deferrals == 4
    assert waits == sorted(waits)
    assert 1 < waits[0] < 3
    assert 10 < waits[3] < 20


def test_backoff_doubles_up_to_ten_minutes():
    for reason, first in (("unreachable", 2), ("full", 15), ("throttled", 60)):
        waits = [backoff(reason, deferrals).total_seconds() for deferrals in range(12)]
        for deferrals, wait in enumerate(waits):
            middle = min(first * 2**deferrals, 600)
            assert 0.8 * middle <= wait <= 1.2 * middle
    assert backoff("unreachable", 10**6).total_seconds() <= 720


def test_a_wrong_secret_lets_the_task_wait(sandbox, application):
    """S24: the task stays in the queue, and the application says what is wrong."""
    Application.objects.update(secret="")
    application.secret = "wrong"
    application.save()
    task = TaskFactory(application=application)
    lifecycle.submit(task.pk)
    task.refresh_from_db()
    application.refresh_from_db()
    assert (task.state, task.error_code) == (State.QUEUED, "100208")
    assert task.due_at > timezone.now()
    assert "100208" in application.login_problem
    assert not Attempt.objects.exists()
    lifecycle.submit(task.pk)  # not due
    assert sandbox.ledger()["logins"] == 1


def test_a_platform_that_is_full_is_asked_again_later(sandbox, application):
    """S08, S20: the eleventh task waits until a place is free."""
    sandbox.configure(unfinished_limit=1, pace={"start": 60})
    first, second = (TaskFactory(application=application, devices=sandbox.devices(1)) for _ in range(2))
    lifecycle.submit(first.pk)
    lifecycle.submit(second.pk)
    second.refresh_from_db()
    assert (second.state, second.error_code) == (State.QUEUED, "105001")
    assert second.due_at > timezone.now() + dt.timedelta(seconds=10)
    sandbox.configure(unfinished_limit=2)
    Task.objects.filter(pk=second.pk).update(due_at=timezone.now())
    open_the_gates()
    lifecycle.submit(second.pk)
    second.refresh_from_db()
    assert (second.state, second.error_code, second.deferrals) == (State.RUNNING, "", 0)
    assert [attempt.outcome for attempt in second.attempts.all()] == [LATER, "created"]


@pytest.mark.parametrize(
    "columns",
    [
        {"due_at": timezone.now() + dt.timedelta(hours=1)},
        {"state": State.CANCELLED},
        {"state": State.UNCONFIRMED},
        {"state": State.REFUSED},
        {"state": State.RUNNING},
        {"state": State.SUBMITTING},
    ],
    ids=["not due", "cancelled", "unconfirmed", "refused", "running", "submitting"],
)
def test_only_what_is_queued_and_due_is_sent(application, sandbox, columns):
    task = TaskFactory(application=application, **columns)
    lifecycle.submit(task.pk)
    lifecycle.submit(task.pk + 1000)
    assert sent(sandbox) == 0
    assert Task.objects.get().state == columns.get("state", State.QUEUED)


# Tokens


def test_a_token_is_shared_and_not_fetched_twice(sandbox, application):
    for _ in range(3):
        lifecycle.submit(TaskFactory(application=application, devices=sandbox.devices(1)).pk)
    assert Task.objects.filter(state=State.RUNNING).count() == 3
    assert sandbox.ledger()["logins"] == 1


@pytest.mark.django_db(transaction=True)
def test_a_token_that_ran_out_is_renewed_and_the_task_sent_once(application, sandbox, run_bells, bells):
    """S22: somebody else logged in meanwhile."""
    lifecycle.submit(TaskFactory(application=application, devices=sandbox.devices(1)).pk)
    bells.clear()
    task = TaskFactory(application=application, devices=sandbox.devices(1))
    sandbox.login()
    lifecycle.submit(task.pk)
    run_bells()
    task.refresh_from_db()
    assert task.state in (State.RUNNING, State.COMPLETE)
    assert [attempt.error_code for attempt in task.attempts.all()] == ["1010005", ""]
    assert len([create for create in created(sandbox) if create["taskName"] == task.name]) == 1
    assert sandbox.ledger()["logins"] == 3  # ours, the stranger's, ours


@pytest.mark.django_db(transaction=True)
def test_a_token_that_is_never_good_ends_in_a_refusal(task, sandbox, run_bells, bells):
    sandbox.faults({"route": "create", "action": "error", "code": "1010005"})
    lifecycle.submit(task.pk)
    run_bells()
    task.refresh_from_db()
    assert (task.state, task.error_code) == (State.REFUSED, "1010005")
    assert task.attempts.count() == sandbox.ledger()["logins"] == 2
    assert created(sandbox) == []


@pytest.mark.django_db(transaction=True)
def test_eight_workers_with_an_old_token_log_in_once(sandbox, application, run_bells, bells):
    """S23"""
    lifecycle.submit(TaskFactory(application=application, devices=sandbox.devices(1)).pk)
    sandbox.login()
    queue = [TaskFactory(application=application, devices=sandbox.devices(1)).pk for _ in range(7)]
    at_once(7, lambda: lifecycle.submit(queue.pop()))
    run_bells()
    assert not Task.objects.filter(state__in=[State.QUEUED, State.UNCONFIRMED, State.REFUSED]).exists()
    assert len(created(sandbox)) == 8
    assert sandbox.ledger()["logins"] == 3


# Never twice


@pytest.mark.django_db(transaction=True)
def test_eight_workers_send_a_task_once(task, sandbox):
    """Q01, I7"""
    at_once(8, lambda: lifecycle.submit(task.pk))
    ledger = sandbox.ledger()
    assert len(ledger["creates"]) == 1
    assert ledger["overlaps"] == []
    assert Task.objects.get().state == State.RUNNING
    assert [row.to_state for row in task.transitions.all()] == ["QUEUED", "SUBMITTING", "RUNNING"]


@pytest.mark.django_db(transaction=True)
def test_the_intent_is_committed_before_the_platform_has_a_byte(serve, served_by):
    """I2: whoever receives the request finds the attempt in the database already, through its own connection."""
    found = []

    def look(sock, over):
        found.extend(Attempt.objects.values_list("task_id", "request_sha256", "finished_at"))
        found.append(Task.objects.get().state)
        connections.close_all()
        saying(200, {"taskID": "t1"})(sock, over)

    server = serve(look)
    task = TaskFactory(application=served_by(server))
    lifecycle.submit(task.pk)
    sha256 = hashlib.sha256(task.request_body.encode()).hexdigest()
    assert found == [(task.pk, sha256, None), State.SUBMITTING]
    assert server.requests[0].endswith(task.request_body.encode())
    assert Task.objects.get().state == State.RUNNING


@pytest.mark.django_db(transaction=True)
def test_no_transaction_is_open_while_the_platform_is_asked(serve, served_by):
    """design 4.8: a slow platform holds no lock, so another process can write meanwhile."""
    wrote = []

    def write(sock, over):
        ApplicationFactory()
        wrote.append(connection.in_atomic_block)
        connections.close_all()
        saying(200, {"taskID": "t1"})(sock, over)

    task = TaskFactory(application=served_by(serve(write)))
    lifecycle.submit(task.pk)
    assert wrote == [False]
    assert Task.objects.get().state == State.RUNNING


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_lost_its_lease_sends_nothing(serve, bells):
    """S31: the login took longer than the lease, so the task may be another worker's by now."""

    def slow_login(sock, over):
        Task.objects.update(lease_until=timezone.now() - dt.timedelta(seconds=1))
        connections.close_all()
        saying(200, {"accessToken": "t", "expiresIn": 3600})(sock, over)

    server = serve(slow_login)
    task = TaskFactory(application=ApplicationFactory(url=server.url))
    lifecycle.submit(task.pk)
    assert [b"/login" in request for request in server.requests] == [True]
    assert not Attempt.objects.exists()
    assert Task.objects.get().state == State.SUBMITTING
    lifecycle.sweep()
    assert Task.objects.get().state == State.QUEUED
    assert bells == [("submit", task.pk)]


def test_attempts_are_numbered(task, sandbox):
    AttemptFactory(task=task, finished_at=timezone.now())
    lifecycle.submit(task.pk)
    assert [attempt.number for attempt in task.attempts.all()] == [1, 2]


def test_secrets_are_in_no_row(application, sandbox):
    """C38: an answer that echoes the secret or the token is kept without them."""
    lifecycle.submit(TaskFactory(application=application, devices=sandbox.devices(1)).pk)
    task = TaskFactory(application=application, devices=sandbox.devices(1))
    task.application.refresh_from_db()
    token = task.application.access_token
    echo = {"error_code": "50400", "error_desc": "no", "echo": [sandbox.secret, token, f"Bearer {token}"]}
    sandbox.faults({"route": "create", "action": "text", "status": 400, "body": json.dumps(echo)})
    lifecycle.submit(task.pk)
    kept = str([*Task.objects.values(), *Attempt.objects.values(), *task.transitions.values()])
    assert '"echo"' in kept
    assert sandbox.secret not in kept
    assert token not in kept
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM tasks_application")
        stored = str(cursor.fetchall())
    assert sandbox.secret not in stored
    assert token not in stored
