from __future__ import annotations

import json
from functools import reduce
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.platform.pushes import FINAL_STATUSES, RANK, Malformed, Push, join, merge, normal, parse, stronger
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


# The whole matrix, by hand: the order of strength, and the groups that contradict each other.
LADDER = [["PENDING"], ["SENT"], ["DELIVERED"], ["CANCELED", "EXPIRED", "TIMEOUT"], ["FAILED", "SUCCESSFUL"]]
FLAT = [(level, status) for level, statuses in enumerate(LADDER) for status in statuses]


@pytest.mark.parametrize(("level_a", "a"), FLAT)
@pytest.mark.parametrize(("level_b", "b"), FLAT)
def test_c04_c05_c06_two_statuses_join_by_rank(level_a, a, level_b, b):
    if level_a != level_b:
        assert join(a, b) == (a if level_a > level_b else b, False)
    else:
        assert join(a, b) == (min(a, b), a != b)
    assert stronger(a, b) == stronger(b, a) == join(a, b)[0]


def test_unknown_statuses_tell_less_than_known_ones():
    assert join("Weird", "PENDING") == ("PENDING", False)
    assert join("", "Weird") == ("Weird", False)
    assert join("Odd", "Weird") == ("Odd", False)
    assert join("", "") == ("", False)


def test_synonyms_do_not_contradict_each_other():
    assert join("SUCCESS", "SUCCESSFUL") == ("SUCCESSFUL", False)
    assert join("Fail", "FAILED") == ("FAILED", False)


WORDS = st.sampled_from([*RANK, "SUCCESS", "Fail", "WaitResult", "Weird", "Odd", ""])


@given(st.lists(WORDS, min_size=1, max_size=5))
def test_c03_the_outcome_is_a_function_of_the_set_of_events(events):
    expected = reduce(merge, [(normal(event), False) for event in events])
    for order in permutations(events):
        assert reduce(merge, [(normal(event), False) for event in order]) == expected
    twice = [(normal(event), False) for event in events + events]
    assert reduce(merge, twice) == expected


PAIRS = st.tuples(WORDS.map(normal), st.booleans())


@given(PAIRS, PAIRS, PAIRS)
def test_merging_is_associative_commutative_and_idempotent(a, b, c):
    assert merge(merge(a, b), c) == merge(a, merge(b, c))
    assert merge(a, b) == merge(b, a)
    assert merge(a, a) == a


def test_a_conflict_lasts_until_a_higher_rank_settles_it():
    assert merge(("FAILED", True), ("FAILED", False)) == ("FAILED", True)
    assert merge(("TIMEOUT", True), ("SUCCESSFUL", False)) == ("SUCCESSFUL", False)
    assert merge(("SUCCESSFUL", False), ("TIMEOUT", True)) == ("SUCCESSFUL", False)
