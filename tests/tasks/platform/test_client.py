from __future__ import annotations

import datetime as dt

import pytest

from tasks.platform import client
from tasks.platform.errors import Full, NotAccepted, OutcomeUnknown, Refused, Throttled, TokenRejected
from tests.tasks.platform.servers import connection_to, saying
from tests.tasks.platform.test_errors import OTHERS, PAGE

KINDS = {
    "not accepted, try later": NotAccepted,
    "outcome unknown": OutcomeUnknown,
    "refused": Refused,
}


def create(server, body: bytes = b'{"a":1}', **options):
    return client.create(connection_to(server.url), "tok3n", body, **options)


def test_a_task_is_created_as_the_page_says(serve):
    server = serve(saying(200, {"taskID": "5b17415b575a4e152f063feb", "more": [1]}))
    created = create(server, b'{"taskName":"\xc3\xa4"}')
    assert created.task_id == "5b17415b575a4e152f063feb"
    assert created.answer.status == 200
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"POST /iocm/app/batchtask/v1.1.0/tasks HTTP/1.1"
    assert {b"app_key: app1", b"Authorization: Bearer tok3n", b"Content-Type: application/json"} <= set(lines)
    assert body == b'{"taskName":"\xc3\xa4"}'


def test_the_other_spelling_of_the_id_is_read_too(serve):
    assert create(serve(saying(200, {"taskId": "x"}))).task_id == "x"


def test_the_intent_is_handed_on(serve):
    seen = []
    create(serve(saying(200, {"taskID": "x"})), before_sending=lambda: seen.append(1))
    assert seen == [1]


@pytest.mark.parametrize(
    "body",
    [
        b"<html>log in</html>",
        b"",
        b"null",
        b"[]",
        b'"x"',
        b"{}",
        b'{"taskID":""}',
        b'{"taskID":" "}',
        b'{"taskID":null}',
        b'{"taskID":123}',
        b'{"taskID":"a","taskID":"b"}',
        b'{"taskID":"a"} trailing',
        b'{"taskID":"\xff"}',
        '{"taskID":"x"}'.encode("utf-16"),
        b'{"taskID":NaN}',
        b'{"a":' * 100000,
    ],
)
def test_s14_a_200_without_a_task_id_is_unknown(serve, body):
    with pytest.raises(OutcomeUnknown) as caught:
        create(serve(saying(200, body)))
    assert (caught.value.reason, caught.value.status, caught.value.sent) == ("bad answer", 200, True)
    assert "taskID" in str(caught.value) or "not the one that the API page describes" in str(caught.value)


@pytest.mark.parametrize("status", [201, 202, 204, 206])
def test_another_success_is_not_the_documented_one(serve, status):
    with pytest.raises(OutcomeUnknown):
        create(serve(saying(status, {"taskID": "x"} if status != 204 else b"")))


@pytest.mark.parametrize(
    ("status", "code", "consequence"),
    [(row[0], row[1], row[3]) for row in PAGE] + [(row[0], row[1], row[2]) for row in OTHERS],
)
def test_every_documented_error_raises_what_the_caller_does_next(serve, status, code, consequence):
    server = serve(saying(status, {"error_code": code, "error_desc": "As sent."}))
    with pytest.raises(KINDS[consequence]) as caught:
        create(server)
    error = caught.value
    assert error.consequence is consequence
    assert (error.status, error.code, error.description, error.sent) == (status, code, "As sent.", True)
    assert code in str(error)
    assert '"As sent."' in error.answer


@pytest.mark.parametrize(
    ("status", "code", "kind", "reason"),
    [
        (200, "105001", Full, "full"),
        (403, "1010009", Throttled, "throttled"),
        (429, "", Throttled, "throttled"),
        (403, "1010005", TokenRejected, "token"),
        (401, "100002", TokenRejected, "token"),
        (401, "", TokenRejected, "token"),
        (200, "105002", Refused, "name taken"),
        (400, "105201", Refused, "tag taken"),
        (307, "", Refused, "redirect"),
    ],
)
def test_errors_with_a_remedy_of_their_own_have_a_class_or_reason_of_their_own(
    serve, status, code, kind, reason
):
    body = {"error_code": code} if code else b"<html>"
    with pytest.raises(kind) as caught:
        create(serve(saying(status, body)))
    assert type(caught.value) is kind
    assert caught.value.reason == reason


def test_an_error_code_beats_a_task_id(serve):
    with pytest.raises(Refused):
        create(serve(saying(200, {"taskID": "x", "error_code": "100203"})))


@pytest.mark.parametrize("none", [None, "", False])
def test_an_empty_error_code_is_none(serve, none):
    assert create(serve(saying(200, {"taskID": "x", "error_code": none}))).task_id == "x"


def test_a_number_as_error_code_is_read_too(serve):
    with pytest.raises(Full):
        create(serve(saying(200, {"error_code": 105001})))


def test_an_unlisted_refusal_is_shown_as_the_platform_sent_it(serve):
    with pytest.raises(Refused) as caught:
        create(serve(saying(400, {"error_code": "777", "error_desc": "No Tuesdays."})))
    assert "777: No Tuesdays." in str(caught.value)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_s15_a_server_error_with_html_is_unknown(serve, status):
    with pytest.raises(OutcomeUnknown) as caught:
        create(serve(saying(status, b"<html>Bad Gateway</html>")))
    assert (caught.value.reason, caught.value.status) == ("server error", status)


def test_an_error_shows_neither_token_nor_secret(serve):
    with pytest.raises(OutcomeUnknown) as caught:
        create(serve(saying(200, b"you sent Bearer tok3n and s3cr3t-value")))
    assert "tok3n" not in caught.value.answer
    assert "s3cr3t" not in caught.value.answer


def asked(server) -> str:
    return server.requests[0].split(b" ")[1].decode()


def test_a_task_is_queried_by_its_id(serve):
    server = serve(saying(200, {"taskId": "t/1", "status": "Running", "totalCnt": 5}))
    assert client.query(connection_to(server.url), "tok", "t/1 ?").total == 5
    assert asked(server) == "/iocm/app/batchtask/v1.1.0/tasks/t%2F1%20%3F?appId=app1"
    assert b"\r\napp_key: app1\r\n" in server.requests[0]


@pytest.mark.parametrize("task_id", ["", ".", ".."])
def test_an_id_that_would_change_the_path_is_not_asked_for(serve, task_id):
    server = serve(saying(200, {}))
    with pytest.raises(Refused):
        client.query(connection_to(server.url), "tok", task_id)
    assert server.connections == 0


def test_an_unknown_task_is_told_apart(serve):
    server = serve(saying(404, {"error_code": "105005", "error_desc": "The batchTask is not existed."}))
    with pytest.raises(Refused) as caught:
        client.query(connection_to(server.url), "tok", "t")
    assert caught.value.reason == "no such task"


def test_sub_tasks_are_asked_for_by_the_page(serve):
    server = serve(saying(200, {"totalCount": 0, "taskDetails": []}))
    client.details(connection_to(server.url), "tok", "t", page=2, size=100, status="Fail")
    assert asked(server) == (
        "/iocm/app/batchtask/v1.1.0/taskDetails?appId=app1&taskId=t&pageNo=2&pageSize=100&status=Fail"
    )


def test_a_long_page_of_sub_tasks_is_read(serve):
    detail = {"status": "Success", "output": "x" * 20000, "param": {"deviceId": "d", "commandId": "c"}}
    server = serve(saying(200, {"totalCount": 250, "taskDetails": [detail] * 250}))
    assert len(client.details(connection_to(server.url), "tok", "t").details) == 250


def test_devices_groups_members_and_capabilities_are_asked_for(serve):
    cases = [
        (
            lambda c: client.devices(c, "tok", page=1),
            {"totalCount": 0, "devices": []},
            "/iocm/app/dm/v1.4.0/devices?appId=app1&pageNo=1&pageSize=250&sort=ASC",
        ),
        (
            lambda c: client.devices(c, "tok", page=0, since=dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)),
            {"totalCount": 0, "devices": []},
            "/iocm/app/dm/v1.4.0/devices?appId=app1&pageNo=0&pageSize=250&sort=ASC&startTime=20260102T030405Z",
        ),
        (
            lambda c: client.groups(c, "tok", page=0),
            {"totalCount": 0, "list": []},
            "/iocm/app/devgroup/v1.3.0/devGroups?accessAppId=app1&pageNo=0&pageSize=500",
        ),
        (
            lambda c: client.group_members(c, "tok", "g", page=0),
            {"totalCount": 1, "deviceIds": ["d"]},
            "/iocm/app/dm/v1.2.0/devices/ids?devGroupId=g&accessAppId=app1&pageNo=0&pageSize=1000",
        ),
        (
            lambda c: client.capabilities(c, "tok", "d"),
            {"deviceCapabilities": [{"deviceId": "d", "serviceCapabilities": [{"serviceId": "S"}]}]},
            "/iocm/app/data/v1.1.0/deviceCapabilities?deviceId=d&appId=app1",
        ),
    ]
    for ask, answer, path in cases:
        server = serve(saying(200, answer))
        ask(connection_to(server.url))
        assert asked(server) == path


@pytest.mark.parametrize("body", [{}, {"taskDetails": None}, {"taskDetails": {}}, b"<html>"])
def test_a_list_that_is_none_is_a_bad_answer(serve, body):
    with pytest.raises(OutcomeUnknown) as caught:
        client.details(connection_to(serve(saying(200, body)).url), "tok", "t")
    assert caught.value.reason == "bad answer"
