import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from tasks.sandbox import Config
from tasks.sandbox.checks import order_of
from tasks.sandbox.errors import Refused
from tests.sandbox import TASKS, running_sandbox

LENIENT, STRICT = Config(), Config(strict=True)
MISSING = "left out"


def body(**changes):
    command = {"serviceId": "Valve", "method": "SET_VALVE", "paras": {"value": "OPEN"}}
    param = {"type": "DeviceList", "deviceList": ["a"], "command": command} | changes.pop("param", {})
    whole = {
        "appId": LENIENT.app_id,
        "timeout": 10,
        "taskName": "n",
        "taskType": "DeviceCmd",
        "param": param,
    } | changes
    for part in (whole, param, param["command"] if isinstance(param["command"], dict) else {}):
        for name in [name for name, value in part.items() if value == MISSING]:
            del part[name]
    return whole


def passes(config, **changes) -> bool:
    try:
        order_of(body(**changes), config)
    except Refused as refused:
        assert refused.error.code == "50400"  # noqa: PT017
        return False
    return True


def command(**changes):
    return {"command": {"serviceId": "s", "method": "m", "paras": {}} | changes}


# what is sent, does a strict platform take it, does a lenient one
CASES = [
    ({}, True, True),
    ({"timeout": 9}, False, True),
    ({"timeout": 2880}, True, True),
    ({"timeout": 2881}, False, True),
    ({"timeout": 9_999_999}, False, True),
    ({"timeout": "100"}, False, True),
    ({"timeout": 10.5}, False, False),
    ({"timeout": True}, False, False),
    ({"timeout": None}, False, False),
    ({"timeout": MISSING}, False, False),
    ({"appId": MISSING}, False, True),
    ({"appId": None}, False, True),
    ({"appId": 5}, False, False),
    ({"taskName": ""}, False, False),
    ({"taskName": "x" * 256}, True, True),
    ({"taskName": "x" * 257}, False, False),
    ({"taskName": 1}, False, False),
    ({"taskType": "DeviceDel"}, False, False),
    ({"tags": None}, False, True),
    ({"tags": []}, True, True),
    ({"tags": [{"tagName": "a", "tagValue": "b"}]}, True, True),
    ({"tags": [{"tagName": "a"}]}, False, False),
    ({"tags": [{"tagName": "a" * 129, "tagValue": "b"}]}, False, False),
    ({"tags": [{"tagName": "a", "tagValue": "b" * 1025}]}, False, False),
    ({"tags": "x"}, False, False),
    ({"param": {"type": "Planet"}}, False, False),
    ({"param": {"type": []}}, False, False),
    ({"param": {"deviceList": []}}, False, False),
    ({"param": {"deviceList": "a"}}, False, False),
    ({"param": {"deviceList": [1]}}, False, False),
    ({"param": {"deviceList": MISSING}}, False, False),
    ({"param": {"type": "DeviceType", "deviceType": "WaterMeter"}}, False, True),
    ({"param": {"type": "DeviceType"}}, False, False),
    ({"param": {"type": "DeviceArea"}}, False, False),
    ({"param": {"type": "GroupIdList", "groupIdList": ["x"]}}, False, False),
    ({"param": {"type": "Broadcast", "deviceList": None}}, True, True),
    ({"param": {"command": None}}, False, False),
    ({"param": command(serviceId="")}, False, False),
    ({"param": command(serviceId="s" * 65)}, False, False),
    ({"param": command(method="m" * 129)}, False, False),
    ({"param": command(paras=MISSING)}, True, True),
    ({"param": command(paras=None)}, False, True),
    ({"param": command(paras=[1])}, False, False),
    ({"param": command(paras='{"value": "OPEN"}')}, False, True),
    ({"param": command(paras="OPEN")}, False, False),
    ({"param": {"maxRetransmit": 3}}, True, True),
    ({"param": {"maxRetransmit": 4}}, False, False),
    ({"param": {"maxRetransmit": "2"}}, False, True),
    ({"param": {"maxRetransmit": None}}, False, True),
    ({"param": {"groupTag": "any words"}}, True, True),
    ({"param": {"groupTag": 1}}, False, False),
    ({"param": {"callbackUrl": ""}}, False, True),
    ({"param": {"callbackUrl": "https://muster.example:8443/x"}}, True, True),
    ({"param": {"callbackUrl": "https://muster.example/x"}}, False, True),
    ({"param": {"callbackUrl": "ftp://muster.example:21/x"}}, False, False),
    ({"param": {"callbackUrl": "http://[broken"}}, False, False),
    ({"param": {"callbackUrl": "http://a:1/" + "x" * 1024}}, False, False),
]


@pytest.mark.parametrize(("changes", "strict", "lenient"), CASES, ids=lambda value: str(value)[:60])
def test_a_create_is_taken_as_the_page_or_the_world_has_it(changes, strict, lenient):
    assert passes(STRICT, **changes) is strict
    assert passes(LENIENT, **changes) is lenient


JSON = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats(allow_nan=False) | some.text(max_size=8),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
PLACES = ("appId", "timeout", "taskName", "taskType", "tags", "param")
INNER = ("type", "deviceList", "command", "callbackUrl", "maxRetransmit", "groupTag", "groupList")


@settings(max_examples=150, deadline=None)
@given(value=JSON, place=some.sampled_from(PLACES + INNER), config=some.sampled_from([STRICT, LENIENT]))
def test_no_value_in_any_place_breaks_the_checks(value, place, config):
    whole = body()
    (whole if place in PLACES else whole["param"])[place] = value
    try:
        order_of(whole, config)
    except Refused as refused:
        assert refused.error.code in {"50400", "100203", "100217"}  # noqa: PT017


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"null",
        b"[]",
        b'"x"',
        b"{",
        b'{"timeout": NaN}',
        b'{"timeout": 1e999}',
        b"\xff\xfe{}",
        b'{"taskName": "\\ud800"}',
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b'{"timeout": ' + b"9" * 10_000 + b"}",
    ],
    ids=lambda raw: repr(raw[:20]),
)
def test_a_body_that_is_no_json_object_is_an_invalid_input(sandbox, raw):
    answer = sandbox.call("POST", TASKS, data=raw)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "50400")
    assert sandbox.ledger()["bugs"] == 0


def test_a_body_that_is_too_large_is_an_invalid_input():
    with running_sandbox(largest_create=10_000) as sandbox:
        answer = sandbox.call("POST", TASKS, data=b" " * 20_000)
        assert (answer.status_code, answer.json()["error_code"]) == (400, "50400")


def test_a_trailing_slash_and_an_empty_query_are_lenient_only(sandbox, strict):
    for platform, status in ((sandbox, 200), (strict, 404)):
        assert platform.call("POST", TASKS + "/", platform.request_body()).status_code == status
    task_id = sandbox.create().json()["taskID"]
    assert sandbox.call("GET", f"{TASKS}/{task_id}?").status_code == 200
