from __future__ import annotations

import json

import pytest

from tasks.platform import wire
from tasks.platform.wire import build, check, dumps, loads

PAGE_EXAMPLE = """{
  "appId": "app",
  "timeout": 1000,
  "taskName": "name",
  "taskType": "DeviceCmd",
  "param": {
    "type": "DeviceList",
    "deviceList": ["a", "b", "c"],
    "command": {
      "serviceId": "service",
      "method": "method",
      "paras": {"paraName1": "paraValue1", "paraName2": "paraValue2"}
    }
  }
}"""


def test_the_pages_own_example_is_built_and_written_in_its_order():
    request = build(
        app_id="app",
        name="name",
        timeout=1000,
        target={"type": "DeviceList", "deviceList": ["a", "b", "c"]},
        service_id="service",
        method="method",
        paras={"paraName1": "paraValue1", "paraName2": "paraValue2"},
        callback_url="",
        max_retransmit=None,
        group_tag="",
        tags=[],
    )
    assert request == json.loads(PAGE_EXAMPLE)
    assert dumps(request) == json.dumps(json.loads(PAGE_EXAMPLE), separators=(",", ":"))
    assert check(request, app_id_required=True) == []


def test_a_full_request_keeps_everything():
    request = build(
        app_id="",
        name="ä",
        timeout=10,
        target={"groupList": ["g"], "type": "GroupIdList"},
        service_id="s",
        method="m",
        paras={},
        callback_url="https://a:1/",
        max_retransmit=0,
        group_tag="t",
        tags=[("k", "v")],
    )
    assert dumps(request) == (
        '{"timeout":10,"taskName":"ä","taskType":"DeviceCmd","param":{"type":"GroupIdList","groupList":["g"],'
        '"command":{"serviceId":"s","method":"m","paras":{}},"callbackUrl":"https://a:1/","maxRetransmit":0,'
        '"groupTag":"t"},"tags":[{"tagName":"k","tagValue":"v"}]}'
    )
    assert check(request) == []


def test_no_paras_are_left_out():
    request = build(
        app_id="a", name="n", timeout=10, target={"type": "Broadcast"}, service_id="s", method="m", paras=None
    )
    assert request["param"] == {"type": "Broadcast", "command": {"serviceId": "s", "method": "m"}}


def test_equal_requests_are_written_alike_whatever_their_order():
    def turned(value):
        if isinstance(value, dict) and "paraName1" not in value:
            return {name: turned(value[name]) for name in reversed(value)}
        return value

    request = json.loads(PAGE_EXAMPLE)
    assert dumps(turned(request)) == dumps(request)


def test_what_is_written_reads_back():
    request = json.loads(PAGE_EXAMPLE)
    assert loads(dumps(request)) == request


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_json_does_not_know_is_not_written(value):
    with pytest.raises(ValueError, match="not JSON compliant"):
        dumps({"param": {"command": {"paras": {"a": value}}}})


def test_an_odd_request_is_written_as_it_is():
    assert dumps({"z": 1, "param": 5, "a": 2}) == '{"param":5,"a":2,"z":1}'
    assert dumps({"param": {"command": 7}}) == '{"param":{"command":7}}'


def test_the_limits_are_those_of_the_page():
    assert (wire.NAME_MAX, wire.TIMEOUT_MIN, wire.TIMEOUT_MAX, wire.RETRANSMIT_MAX) == (256, 10, 2880, 3)
    assert (wire.SERVICE_ID_MAX, wire.METHOD_MAX, wire.APP_ID_MAX) == (64, 128, 64)
    assert (wire.TAG_NAME_MAX, wire.TAG_VALUE_MAX) == (128, 1024)
    assert (wire.DEVICE_ID_MAX, wire.CALLBACK_URL_MAX) == (256, 1024)
