import json
import socket
from urllib.parse import urlsplit

import pytest

from tests.sandbox import DETAILS, TASKS, Sandbox, running_sandbox, until


def code_of(answer) -> tuple[int, str]:
    return answer.status_code, answer.json().get("error_code", "")


def finished(sandbox: Sandbox, task_id: str) -> dict:
    return until(lambda: (task := sandbox.task(task_id))["progress"] == 1000 and task)


def test_a_create_answers_a_task_id_of_24_hex_digits(sandbox):
    answer = sandbox.create()
    assert answer.status_code == 200
    assert list(answer.json()) == ["taskID"]
    assert len(bytes.fromhex(answer.json()["taskID"])) == 12


def test_a_task_runs_to_complete_and_counts_its_devices(sandbox):
    task_id = sandbox.create(timeout=1000).json()["taskID"]
    task = finished(sandbox, task_id)
    assert task["status"] == "Complete"
    assert task["timeout"] == 60_000
    assert (task["totalCnt"], task["successCnt"], task["completeCnt"], task["successRate"]) == (3, 3, 3, 1000)
    assert task["param"]["commandType"] == "DeviceList"
    assert "tags" not in task


@pytest.mark.parametrize("select", ["tag", "tags"])
def test_tags_come_with_the_query_when_selected(sandbox, select):
    tags = [{"tagName": "site", "tagValue": "north"}]
    task_id = sandbox.create(tags=tags).json()["taskID"]
    assert sandbox.call("GET", f"{TASKS}/{task_id}?select={select}").json()["tags"] == tags


TARGETS = [
    ({"type": "DeviceType", "deviceType": "WaterMeter", "manufacturerId": "Muster", "model": "MW100"}, 40),
    ({"type": "DeviceArea", "deviceLocation": "Hall-A"}, 20),
    ({"type": "GroupList", "groupList": ["east-wing", "pilot"]}, 14),
    ({"type": "Broadcast"}, 100),
]


@pytest.mark.parametrize(("target", "count"), TARGETS, ids=lambda value: str(value)[:20])
def test_every_target_type_finds_its_devices(strict, target, count):
    task_id = strict.create(param=target).json()["taskID"]
    assert strict.task(task_id)["totalCnt"] == count


def test_groups_are_found_by_id_too(strict):
    groups = strict.state()["groups"]
    found = strict.create(param={"type": "GroupIdList", "groupList": [groups["leased"]]})
    assert strict.task(found.json()["taskID"])["totalCnt"] == 20


@pytest.mark.parametrize(
    "target",
    [
        {"type": "GroupList", "groupList": ["nobody"]},
        {"type": "GroupIdList", "groupList": ["pilot"]},
        {"type": "DeviceArea", "deviceLocation": "Atlantis"},
        {"type": "DeviceType", "deviceType": "Toaster", "manufacturerId": "Muster", "model": "T1"},
    ],
)
def test_a_target_that_is_nothing_does_not_exist(sandbox, target):
    assert code_of(sandbox.create(param=target)) == (200, "101001")


def test_the_same_device_twice_is_one_sub_task(sandbox):
    one, two = sandbox.devices(2)
    task_id = sandbox.create(param={"deviceList": [one, two, two]}).json()["taskID"]
    assert sandbox.task(task_id)["totalCnt"] == 2


def test_an_unknown_device_fails_alone(sandbox):
    stranger = "9e620731-9a8b-42b7-b685-263546b74afc"
    task_id = sandbox.create(param={"deviceList": [*sandbox.devices(1), stranger]}).json()["taskID"]
    assert finished(sandbox, task_id)["failCnt"] == 1
    details = sandbox.call("GET", f"{DETAILS}?taskId={task_id}&status=Fail").json()["taskDetails"]
    assert [one["param"]["deviceId"] for one in details] == [stranger]
    assert json.loads(details[0]["error"])["error_code"] == "100418"


def test_an_unknown_device_refuses_the_task_where_so_configured():
    with running_sandbox(unknown_devices="refuse") as sandbox:
        assert code_of(sandbox.create(param={"deviceList": [*sandbox.devices(1), "x"]})) == (200, "101001")


@pytest.mark.parametrize(
    ("rule", "again", "later"),
    [("forever", "105002", "105002"), ("unfinished", "105002", ""), ("off", "", "")],
)
def test_a_name_is_taken_as_long_as_the_rule_says(rule, again, later):
    with running_sandbox(unique_names=rule) as sandbox:
        task_id = sandbox.create(taskName="same").json()["taskID"]
        assert code_of(sandbox.create(taskName="same")) == (200, again)
        until(lambda: sandbox.state()["unfinished"] == 0)
        assert sandbox.task(task_id)["status"] == "Complete"
        assert code_of(sandbox.create(taskName="same")) == (200, later)


def test_the_eleventh_unfinished_task_is_refused():
    with running_sandbox(pace={"speed": 0}) as sandbox:
        for _ in range(10):
            assert "taskID" in sandbox.create().json()
        answer = sandbox.create()
        assert answer.status_code == 200
        assert answer.json() == {
            "error_code": "105001",
            "error_desc": "The batchTask count has reached the limit.",
        }


def test_tags_are_used_once_or_must_be_known_or_are_free():
    tags = [{"tagName": "colour", "tagValue": "red"}]
    with running_sandbox() as sandbox:
        assert sandbox.create(tags=tags).status_code == 200
        assert code_of(sandbox.create(tags=tags)) == (400, "105201")
        sandbox.configure(tags="known")
        assert code_of(sandbox.create(tags=tags)) == (404, "105202")
        sandbox.configure(tags="any")
        assert sandbox.create(tags=tags).status_code == 200


def test_applications_that_are_not_ours_are_refused(sandbox):
    assert code_of(sandbox.create(appId="sandbox_other_app_00000002")) == (403, "100217")
    for status in (200, 403, 500):
        sandbox.configure(unknown_app_status=status)
        assert code_of(sandbox.create(appId="nobody")) == (status, "100203")


def test_silent_devices_make_the_task_time_out_and_sleeping_ones_expire():
    with running_sandbox(mix=(0, 0, 0, 0.5, 0.5), pace={"minute": 0.05}) as sandbox:
        meters = {"type": "DeviceType", "deviceType": "WaterMeter"}
        task_id = sandbox.create(param=meters).json()["taskID"]
        task = finished(sandbox, task_id)
        assert task["status"] == "Timeout"
        assert task["expiredCnt"] > 10
        assert task["timeoutCnt"] > 10
        assert task["expiredCnt"] + task["timeoutCnt"] == 40


def test_details_are_paged_and_filtered(sandbox):
    task_id = sandbox.create(param={"type": "Broadcast"}).json()["taskID"]
    finished(sandbox, task_id)

    def details(query=""):
        return sandbox.call("GET", f"{DETAILS}?taskId={task_id}{query}").json()

    first = details()
    assert (first["pageNo"], first["pageSize"], first["totalCount"], len(first["taskDetails"])) == (
        0,
        25,
        100,
        25,
    )
    pages = [details(f"&pageNo={page}&pageSize=40")["taskDetails"] for page in range(3)]
    assert [len(page) for page in pages] == [40, 40, 20]
    assert len({one["param"]["commandId"] for page in pages for one in page}) == 100
    success = details("&status=Success&pageSize=250")
    fail = details("&status=Fail&pageNo=1&pageSize=10")
    assert success["totalCount"] == len(success["taskDetails"]) == 40
    assert (fail["totalCount"], len(fail["taskDetails"])) == (60, 10)
    one = first["taskDetails"][7]
    assert details(f"&deviceId={one['param']['deviceId']}")["taskDetails"] == [one]
    assert details(f"&commandId={one['param']['commandId']}")["taskDetails"] == [one]
    assert details("&deviceId=nobody")["totalCount"] == 0
    assert json.loads(success["taskDetails"][0]["output"])["commandResult"] == "SUCCESSFUL"


@pytest.mark.parametrize("query", ["pageSize=0", "pageSize=251", "pageNo=-1", "pageNo=x", "status=Odd"])
def test_a_bad_page_is_an_invalid_input(sandbox, query):
    task_id = sandbox.create().json()["taskID"]
    assert code_of(sandbox.call("GET", f"{DETAILS}?taskId={task_id}&{query}")) == (400, "100022")


def test_a_task_nobody_made_does_not_exist(sandbox):
    assert code_of(sandbox.call("GET", f"{TASKS}/5b17415b575a4e152f063feb")) == (404, "105005")
    assert code_of(sandbox.call("GET", f"{DETAILS}?taskId=x")) == (404, "105005")


def test_nulls_are_written_or_left_out(sandbox):
    task_id = sandbox.create().json()["taskID"]
    assert "model" not in sandbox.task(task_id)["param"]
    sandbox.configure(nulls=True)
    assert sandbox.task(task_id)["param"]["model"] is None


def test_an_answer_arrives_in_one_piece(sandbox):
    where = urlsplit(sandbox.url)
    body = json.dumps(sandbox.request_body()).encode()
    head = (
        f"POST {TASKS} HTTP/1.1\r\nHost: x\r\nAuthorization: bearer {sandbox.login()}\r\n"
        f"app_key: {sandbox.app_id}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection((where.hostname, where.port)) as connection:
        connection.sendall(head.encode() + body)
        assert b'{"taskID":"' in connection.recv(65_536)


def test_a_chunked_request_without_length_is_read(sandbox):
    body = json.dumps(sandbox.request_body()).encode()
    headers = {"app_key": sandbox.app_id, "Authorization": f"bearer {sandbox.login()}"}
    answer = sandbox.call("POST", TASKS, data=iter([body[:50], body[50:]]), headers=headers)
    assert "taskID" in answer.json()
