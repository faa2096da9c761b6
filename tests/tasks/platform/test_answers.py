from __future__ import annotations

import datetime as dt
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.platform import answers
from tasks.platform.answers import BadAnswer, Detail, Device, Group
from tasks.platform.jsontext import loads
from tests.tasks.platform.test_checks import JSON

TASK = {
    "appId": "pAw9x9zinQnQkYSLWbiGI_O6iBUa",
    "taskId": "5b17415b575a4e152f063feb",
    "taskName": "night-valves",
    "operator": "admin",
    "taskFrom": "Northbound",
    "taskType": "DeviceCmd",
    "status": "Running",
    "startTime": "20190730T135810Z",
    "timeout": 60000,
    "progress": 400,
    "totalCnt": 5,
    "successCnt": 1,
    "failCnt": 2,
    "timeoutCnt": 3,
    "expiredCnt": 4,
    "completeCnt": 2,
    "successRate": 200,
    "param": {"commandType": "DeviceList", "deviceType": None},
}


def test_a_task_is_read():
    task = answers.task_status(TASK)
    assert (task.task_id, task.name, task.status) == ("5b17415b575a4e152f063feb", "night-valves", "Running")
    assert (task.total, task.succeeded, task.failed, task.timed_out, task.expired) == (5, 1, 2, 3, 4)
    assert task.raw is TASK


@pytest.mark.parametrize(
    ("value", "count"),
    [
        (7, 7),
        ("7", 7),
        (" 7 ", 7),
        (7.0, 7),
        (None, 0),
        ("", 0),
        ("x", 0),
        (True, 0),
        (-1, 0),
        (7.5, 0),
        ([], 0),
        ("²", 0),
    ],
)
def test_a_counter_is_read_tolerantly(value, count):
    assert answers.task_status(TASK | {"totalCnt": value}).total == count


def test_a_missing_counter_is_zero():
    assert answers.task_status({"status": "Pending"}).total == 0


@pytest.mark.parametrize("status", [None, "", {}, []])
def test_a_task_without_a_status_is_a_bad_answer(status):
    with pytest.raises(BadAnswer):
        answers.task_status(TASK | {"status": status})


IDS = {"deviceId": "d", "commandId": "c"}


@pytest.mark.parametrize(
    ("output", "read"),
    [
        (None, None),
        ("", None),
        ("done", "done"),
        ('{"requestId":"r","commandResult":"SUCCESSFUL"}', {"requestId": "r", "commandResult": "SUCCESSFUL"}),
        ({"requestId": "r"}, {"requestId": "r"}),
        ("{broken", "{broken"),
        ('{"a":1,"a":2}', '{"a":1,"a":2}'),
        ("[1]", [1]),
        ("5", "5"),
        (5, 5),
    ],
)
def test_an_output_is_read_in_all_its_forms(output, read):
    page = answers.details_page(
        {"totalCount": 1, "taskDetails": [{"status": "Success", "output": output, "param": IDS}]}
    )
    assert page.details == (Detail("d", "c", "Success", read, "", ""),)


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (None, "", ""),
        ("", "", ""),
        (
            '{"error_code":"100418","error_desc":"The deviceData is not existed."}',
            "100418",
            "The deviceData is not existed.",
        ),
        ({"error_code": 100418, "error_desc": None}, "100418", ""),
        ("went wrong", "", "went wrong"),
        ("{went wrong", "", "{went wrong"),
    ],
)
def test_an_error_is_read_in_all_its_forms(error, code, text):
    (detail,) = answers.details_page(
        {"taskDetails": [{"status": "Fail", "error": error, "param": IDS}]}
    ).details
    assert (detail.error_code, detail.error_text) == (code, text)


@pytest.mark.parametrize("param", [None, {}, [], {"deviceId": None, "commandId": None}])
def test_unknown_ids_are_empty(param):
    (detail,) = answers.details_page({"taskDetails": [{"status": "Pending", "param": param}]}).details
    assert (detail.device_id, detail.command_id) == ("", "")


def test_the_total_is_never_less_than_the_page():
    assert answers.details_page({"totalCount": 70, "taskDetails": []}).total == 70
    assert answers.details_page({"taskDetails": [{}, {}]}).total == 2


def test_devices_are_read_as_seen_on_the_wire():
    body = loads(
        '{"totalCount":2,"pageNo":0,"pageSize":10,"devices":[{"deviceId":"9a44","gatewayId":"9a44","nodeType":"GATEWAY",'
        '"createTime":"20170505T013226Z","lastModifiedTime":"yesterday","deviceInfo":{"nodeId":null,"name":null,"manufacturerId":"sew","location":null,"deviceType":"WaterMeter",'
        '"model":"n001","status":"OFFLINE","statusDetail":"NOT_ACTIVE","mute":null},"services":null,"location":null,"devGroupIds":[]},'
        '{"deviceId":null}]}'
    )
    page = answers.devices_page(body)
    assert page.total == 2
    at = dt.datetime(2017, 5, 5, 1, 32, 26, tzinfo=dt.UTC)
    assert page.devices == (
        Device(
            "9a44", "", "", "OFFLINE", "NOT_ACTIVE", "WaterMeter", "sew", "n001", "", "", "9a44", at, None, raw={}
        ),
    )  # fmt: skip


def test_groups_and_their_members_are_read():
    body = {"totalCount": 1, "list": [{"id": "g", "name": "north", "description": None, "curDevNum": 3}]}
    assert answers.groups_page(body).groups == (Group("g", "north", "", 3),)
    assert answers.members_page(
        {"totalCount": "9", "deviceIds": ["a", None, 5, "", "b"]}
    ) == answers.MembersPage(9, ("a", "b"))


def test_capabilities_may_be_none():
    assert answers.service_capabilities({"deviceCapabilities": []}) == []
    assert answers.service_capabilities({"deviceCapabilities": [{"serviceCapabilities": None}]}) == []


def test_no_text_is_kept_that_a_database_refuses():
    (detail,) = answers.details_page(
        {"taskDetails": [{"status": "a\0", "param": {"deviceId": "\ud800"}}]}
    ).details
    assert (detail.status, detail.device_id) == ("a\ufffd", "\ufffd")


READERS = [
    answers.task_status,
    answers.details_page,
    answers.devices_page,
    answers.groups_page,
    answers.members_page,
    answers.service_capabilities,
]
LISTS = ["taskDetails", "devices", "list", "deviceIds", "deviceCapabilities"]
ITEM = st.dictionaries(
    st.sampled_from(["deviceId", "output", "error", "param", "deviceInfo"]), JSON, max_size=3
)


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(st.sampled_from(LISTS), JSON | st.lists(ITEM, max_size=2)),
    st.dictionaries(st.sampled_from(["totalCount", "status", "totalCnt"]), JSON),
)
def test_no_answer_raises_anything_but_bad_answer(lists, counts):
    for read in READERS:
        with suppress(BadAnswer):
            read(lists | counts)
