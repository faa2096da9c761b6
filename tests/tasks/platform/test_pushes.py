from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.platform.jsontext import MAX_DEPTH, BadJSON, cleaned, loads, storable
from tasks.platform.pushes import FINAL_STATUSES, RANK, Malformed, Push, normal, parse
from tests.tasks.platform.test_checks import JSON

# Bodies as they were really seen, and the vendor's own example.
SEEN = [
    (
        '{"deviceId":"d","commandId":"c","result":{"resultCode":"DELIVERED","resultDetail":null}}',
        Push("d", "c", "DELIVERED", "DELIVERED", None),
    ),
    (
        '{"deviceId":"d","commandId":"c","result":{"resultCode":"SUCCESSFUL","resultDetail":{"light_state":1}}}',
        Push("d", "c", "SUCCESSFUL", "SUCCESSFUL", {"light_state": 1}),
    ),
    (
        '{"result":{"resultCode":"DELIVERED"},"deviceId":"d","commandId":"c"}',
        Push("d", "c", "DELIVERED", "DELIVERED", None),
    ),
    (
        '{"deviceId":"d","commandId":"c","result":{"resultCode":"SENT","resultDetail":null}}',
        Push("d", "c", "SENT", "SENT", None),
    ),
    (
        '{"deviceId":"deviceId","commandId":"commandId","result":{"status":"SUCCESS","result":{}}}',
        Push("deviceId", "commandId", "SUCCESSFUL", "SUCCESS", {}),
    ),
    (
        '{"timestamp":1589444233258,"tenantId":"10461180","taskId":1,"result":{"resultDetail":"",'
        '"resultCode":"DELIVERED"},"protocol":"lwm2m","productId":"10053421","messageType":"commandResponse",'
        '"deviceId":"44d0"}',
        Push("44d0", "", "DELIVERED", "DELIVERED", None),
    ),
]


@pytest.mark.parametrize(("body", "push"), SEEN)
def test_every_body_that_was_seen_is_read(body, push):
    assert parse(body.encode()) == push


@pytest.mark.parametrize("detail", [None, {}, {"a": [1]}, "text", 5, 0, False, [], "x" * 200_000])
def test_a_detail_may_be_anything(detail):
    body = {"deviceId": "d", "result": {"resultCode": "FAILED", "resultDetail": detail}}
    assert parse(json.dumps(body).encode()).detail == detail


def body_with(**members: object) -> bytes:
    push = {"deviceId": "d", "commandId": "c", "result": {"resultCode": "SENT"}} | members
    return json.dumps(push).encode()


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "not JSON"),
        (b"null", "not a JSON object"),
        (b"[]", "not a JSON object"),
        (b'"x"', "not a JSON object"),
        (b"{}", "result"),
        (body_with() + b"x", "not JSON"),
        (body_with().decode().encode("utf-16"), "UTF-8"),
        (body_with().decode().encode("utf-32"), "UTF-8"),
        (b'{"deviceId":"\xe4"}', "UTF-8"),
        (b"\xff", "UTF-8"),
        (b'{"deviceId":"d","commandId":"a","commandId":"b","result":{"resultCode":"SENT"}}', "twice"),
        (b'{"deviceId":"d","result":{"resultCode":"SENT","resultDetail":NaN}}', "NaN"),
        (b'{"deviceId":"d","result":{"resultCode":"SENT","resultDetail":Infinity}}', "Infinity"),
        (b'{"deviceId":"d","result":{"resultCode":"SENT","resultDetail":1e400}}', "too large"),
        (b'{"deviceId":"d","result":{"resultCode":"SENT","resultDetail":' + b"9" * 5000 + b"}}", "5000"),
        (b'{"deviceId":"d","result":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested"),
        (body_with(deviceId=5), "deviceId is not text"),
        (body_with(deviceId=None), "deviceId is missing"),
        (body_with(deviceId=""), "deviceId is missing"),
        (body_with(deviceId="d" * 257), "more than 256"),
        (body_with(commandId=5), "commandId is not text"),
        (body_with(commandId="c" * 257), "more than 256"),
        (body_with(result="SENT"), "result is not an object"),
        (body_with(result=None), "result is not an object"),
        (body_with(result=[]), "result is not an object"),
        (body_with(result={"resultCode": {}}), "resultCode is not text"),
        (body_with(result={"resultCode": 4}), "resultCode is not text"),
        (body_with(result={"resultCode": "x" * 257}), "more than 256"),
    ],
)
def test_c17_to_c22_what_is_no_push_is_told(raw, reason):
    with pytest.raises(Malformed) as caught:
        parse(raw)
    assert reason in caught.value.reason


def test_c17_a_byte_order_mark_is_dropped():
    assert parse(b"\xef\xbb\xbf" + body_with()) == parse(body_with())


def test_c20_c21_nul_and_lone_surrogates_are_replaced():
    result = b'{"resultCode":"SENT","resultDetail":{"a\\u0000":"\\udfff"}}'
    raw = b'{"deviceId":"d\\u0000","commandId":"\\ud800","result":%b}' % result
    assert parse(raw) == Push("d\ufffd", "\ufffd", "SENT", "SENT", {"a\ufffd": "\ufffd"})


@pytest.mark.parametrize("members", [{"commandId": None}, {"commandId": ""}])
def test_c23_a_missing_command_id_is_empty(members):
    assert parse(body_with(**members)).command_id == ""


def test_c23_an_unknown_code_is_kept_and_a_missing_one_is_empty():
    push = parse(body_with(result={"resultCode": "Weird"}))
    assert (push.status, push.raw_code) == ("Weird", "Weird")
    assert parse(body_with(result={})).status == ""
    assert parse(body_with(news=[1])).status == "SENT"


@given(st.binary(max_size=300))
def test_no_bytes_raise_anything_but_malformed(raw):
    check_never_raises(raw)


@given(JSON | st.fixed_dictionaries({"deviceId": JSON, "result": JSON}, optional={"commandId": JSON}))
def test_no_json_raises_anything_but_malformed(value):
    check_never_raises(json.dumps(value).encode())


@given(
    st.fixed_dictionaries(
        {
            "deviceId": st.text(min_size=1),
            "result": st.dictionaries(
                st.sampled_from(["resultCode", "status", "resultDetail", "result"]), JSON
            ),
        }
    )
)
def test_what_is_read_can_be_stored(value):
    check_never_raises(json.dumps(value).encode())


def check_never_raises(raw: bytes) -> None:
    try:
        push = parse(raw)
    except Malformed as error:
        error.reason.encode()
        return
    for text in (push.device_id, push.command_id, push.status, push.raw_code):
        text.encode()
        assert "\0" not in text
    assert push.device_id
    json.dumps(push.detail, ensure_ascii=False, allow_nan=False).encode()


@pytest.mark.parametrize(
    ("code", "status"),
    [
        *((status, status) for status in RANK),
        ("SUCCESS", "SUCCESSFUL"),
        ("FAIL", "FAILED"),
        ("DEFAULT", "PENDING"),
        ("CANCELLED", "CANCELED"),
        ("Pending", "PENDING"),
        ("WaitResult", "SENT"),
        ("Success", "SUCCESSFUL"),
        ("Fail", "FAILED"),
        ("Timeout", "TIMEOUT"),
        (" sent ", "SENT"),
        ("Weird", "Weird"),
        ("", ""),
    ],
)
def test_all_words_for_a_status_become_one(code, status):
    assert normal(code) == status


def test_final_statuses_are_those_after_which_little_comes():
    assert {"EXPIRED", "TIMEOUT", "CANCELED", "SUCCESSFUL", "FAILED"} == FINAL_STATUSES


# The short ways that reading takes give what the long ways give


@given(st.recursive(st.sampled_from(["", "\0", "\ud800", "\\u0000", "\\", "é", 1]), lambda inner: (
    st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "\0", "\udfff"]), inner)
), max_leaves=6), st.booleans())  # fmt: skip
def test_c20_c21_text_without_escapes_needs_no_cleaning(value, ascii_only):
    raw = json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    try:
        whole = cleaned(loads(raw))
    except BadJSON:
        with pytest.raises(BadJSON):
            storable(raw)
    else:
        assert storable(raw) == whole


@pytest.mark.parametrize("depth", [1, MAX_DEPTH - 1, MAX_DEPTH, MAX_DEPTH + 1, 500])
@pytest.mark.parametrize("siblings", [0, 1, MAX_DEPTH])
def test_c19_how_deep_a_body_is_nested_is_seen_however_many_brackets_it_has(depth, siblings):
    raw = b"[" * depth + b"0" + b"]" * (depth - 1) + b",[]" * siblings + b"]"
    if max(depth, 2 if siblings else 1) > MAX_DEPTH:
        with pytest.raises(BadJSON, match="nested"):
            loads(raw)
    else:
        loads(raw)
