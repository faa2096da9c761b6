from __future__ import annotations

import copy
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.platform.checks import Problem, check
from tasks.targets import MEMBERS, TargetType

# What each type needs, copied from the page's "ObjectNode structure".
NEEDED = {
    "DeviceList": {"deviceList": ["d1", "d2"]},
    "DeviceType": {"deviceType": "WaterMeter", "manufacturerId": "sew", "model": "n001"},
    "DeviceArea": {"deviceLocation": "Shenzhen"},
    "GroupList": {"groupList": ["north"]},
    "GroupIdList": {"groupList": ["4f2d"]},
    "Broadcast": {},
}


def good(kind: str = "DeviceList") -> dict:
    return {
        "appId": "app1",
        "timeout": 1000,
        "taskName": "night valves",
        "taskType": "DeviceCmd",
        "param": {
            "type": kind,
            **copy.deepcopy(NEEDED[kind]),
            "command": {"serviceId": "Valve", "method": "CLOSE", "paras": {"force": 1}},
            "callbackUrl": "https://muster.example:443/callbacks/x/",
            "maxRetransmit": 3,
            "groupTag": "tag",
        },
        "tags": [{"tagName": "site", "tagValue": "north"}],
    }


def without(path: str, kind: str = "DeviceList") -> dict:
    request = good(kind)
    *parents, last = path.split(".")
    node = request
    for name in parents:
        node = node[int(name)] if isinstance(node, list) else node[name]
    del node[last]
    return request


def replaced(path: str, value: object, kind: str = "DeviceList") -> dict:
    request = good(kind)
    *parents, last = path.split(".")
    node = request
    for name in parents:
        node = node[int(name)] if isinstance(node, list) else node[name]
    node[last] = value
    return request


def dotted(path: str) -> str:
    return path.replace(".0", "[0]")


@pytest.mark.parametrize("kind", NEEDED)
def test_a_good_request_has_no_problem(kind):
    assert check(good(kind)) == []
    minimal = {name: good(kind)[name] for name in ("timeout", "taskName", "taskType", "param")}
    for name in ("callbackUrl", "maxRetransmit", "groupTag"):
        del minimal["param"][name]
    del minimal["param"]["command"]["paras"]
    assert check(minimal) == []


def test_every_target_type_is_covered_here():
    assert {str(kind): set(members) for kind, members in MEMBERS.items()} == {
        kind: set(members) for kind, members in NEEDED.items()
    }


@pytest.mark.parametrize("value", [None, [], "x", 1, True])
def test_a_request_is_an_object(value):
    assert check(value) == [Problem("", "must be a JSON object")]


@pytest.mark.parametrize(
    "path",
    [
        "timeout",
        "taskName",
        "taskType",
        "param",
        "param.type",
        "param.command",
        "param.command.serviceId",
        "param.command.method",
        "tags.0.tagName",
        "tags.0.tagValue",
    ],
)
def test_a_mandatory_member_is_missed(path):
    assert check(without(path)) == [Problem(dotted(path), "is missing")]


@pytest.mark.parametrize(("kind", "member"), [(k, m) for k, members in NEEDED.items() for m in members])
def test_a_member_that_the_target_type_needs_is_missed(kind, member):
    assert check(without(f"param.{member}", kind)) == [Problem(f"param.{member}", "is missing")]


@pytest.mark.parametrize("kind", NEEDED)
def test_the_members_of_other_target_types_do_not_apply(kind):
    strays = {name: value for members in NEEDED.values() for name, value in members.items()}
    strays = {name: value for name, value in strays.items() if name not in NEEDED[kind]}
    request = good(kind)
    request["param"] |= strays
    assert set(check(request)) == {Problem(f"param.{name}", f"does not apply to {kind}") for name in strays}


def test_the_app_id_is_mandatory_only_on_demand():
    assert check(without("appId")) == []
    assert check(without("appId"), app_id_required=True) == [Problem("appId", "is missing")]


@pytest.mark.parametrize(
    ("path", "name"),
    [("", "the request"), ("param", "param"), ("param.command", "param.command"), ("tags.0", "tags[0]")],
)
def test_an_unknown_member_is_told(path, name):
    path = f"{path}.stray" if path else "stray"
    assert check(replaced(path, 1)) == [Problem(dotted(path), f"is not a member of {name}")]


@pytest.mark.parametrize(
    "path",
    ["appId", "tags", "param.callbackUrl", "param.maxRetransmit", "param.groupTag", "param.command.paras"],
)
def test_an_optional_null_is_better_left_out(path):
    assert check(replaced(path, None)) == [Problem(path, "must not be null; leave it out instead")]


@pytest.mark.parametrize("path", ["timeout", "taskName", "param", "param.deviceList", "param.command.method"])
def test_a_mandatory_null_is_told(path):
    assert check(replaced(path, None)) == [Problem(path, "must not be null")]


@pytest.mark.parametrize("value", [10, 2880, 1000])
def test_s33_a_timeout_in_the_range_passes(value):
    assert check(replaced("timeout", value)) == []


@pytest.mark.parametrize("value", [9, 2881, 0, -10, "10", 10.5, 10.0, True, [], {}, 10**30])
def test_s33_any_other_timeout_is_told(value):
    (problem,) = check(replaced("timeout", value))
    assert problem == Problem("timeout", "must be a whole number from 10 to 2880 (minutes)")


@pytest.mark.parametrize(
    ("value", "passes"),
    [(0, True), (3, True), (4, False), (-1, False), ("1", False), (True, False), (1.0, False)],
)
def test_retransmissions_are_0_to_3(value, passes):
    problems = [] if passes else [Problem("param.maxRetransmit", "must be a whole number from 0 to 3")]
    assert check(replaced("param.maxRetransmit", value)) == problems


LENGTHS = [
    ("DeviceList", "appId", 64),
    ("DeviceList", "taskName", 256),
    ("DeviceList", "param.command.serviceId", 64),
    ("DeviceList", "param.command.method", 128),
    ("DeviceList", "tags.0.tagName", 128),
    ("DeviceList", "tags.0.tagValue", 1024),
    ("DeviceList", "param.deviceList.0", 256),
    ("DeviceList", "param.groupTag", 1024),
    ("DeviceArea", "param.deviceLocation", 1024),
    ("DeviceType", "param.deviceType", 1024),
    ("DeviceType", "param.manufacturerId", 1024),
    ("DeviceType", "param.model", 1024),
    ("GroupList", "param.groupList.0", 1024),
]


def with_text(kind: str, path: str, text: object) -> dict:
    if path.endswith("List.0"):
        return replaced(path.removesuffix(".0"), [text], kind)
    return replaced(path, text, kind)


@pytest.mark.parametrize(("kind", "path", "longest"), LENGTHS)
def test_s32_texts_are_counted_in_characters(kind, path, longest):
    for character in ("x", "\U0001f6b0", "\u05d0", "e\u0301"[1]):
        assert check(with_text(kind, path, character * longest)) == []
        (problem,) = check(with_text(kind, path, character * (longest + 1)))
        assert problem == Problem(dotted(path), f"has {longest + 1:,} characters; at most {longest:,}")


@pytest.mark.parametrize(("kind", "path", "longest"), LENGTHS)
def test_texts_are_text_and_say_something(kind, path, longest):
    cases = {
        "must be text": [1, True, 1.5, [], {}],
        "must not be blank": ["", " ", "\t\n", "\u3000"],
        "must not hold control characters": ["a\0b", "a\nb", "a\x7f", "\x85a", "a\x1b[0m"],
        "must not hold half of a character (a lone surrogate)": ["a\ud800", "\udfffb"],
    }
    for message, values in cases.items():
        for value in values:
            assert check(with_text(kind, path, value)) == [Problem(dotted(path), message)], value


@pytest.mark.parametrize(
    "text", ["ähm", "\u202bשלום\u202c", "e\u0301", "\U0001f9d1\u200d\U0001f680", "a\u00a0b", " a "]
)
def test_other_peoples_letters_are_welcome(text):
    assert check(replaced("taskName", text)) == []


@pytest.mark.parametrize("value", ["deviceCmd", "DeviceReg", "", 1, ["DeviceCmd"]])
def test_the_task_type_is_device_cmd(value):
    assert check(replaced("taskType", value)) == [Problem("taskType", "must be DeviceCmd")]


@pytest.mark.parametrize("value", ["deviceList", "", "TargetType.BROADCAST", 1, [], {}])
def test_the_target_type_is_one_of_six(value):
    words = "must be DeviceList, DeviceType, DeviceArea, GroupList, GroupIdList or Broadcast"
    assert words.count(",") == len(TargetType) - 2
    assert set(check(replaced("param.type", value))) == {Problem("param.type", words)}


@pytest.mark.parametrize("kind", ["DeviceList", "GroupList", "GroupIdList"])
def test_a_list_is_a_list_and_not_empty(kind):
    path = f"param.{next(iter(NEEDED[kind]))}"
    assert check(replaced(path, [], kind)) == [Problem(path, "must not be empty")]
    for value in ("d1", {"a": 1}, 1, ("d1",)):
        assert check(replaced(path, value, kind)) == [Problem(path, "must be a list")]


@pytest.mark.parametrize("path", ["param", "param.command", "param.command.paras", "tags.0"])
@pytest.mark.parametrize("value", [[], "x", 1, True])
def test_an_object_is_an_object(path, value):
    assert check(replaced("tags", [value]) if path == "tags.0" else replaced(path, value)) == [
        Problem(dotted(path), "must be a JSON object")
    ]


def test_tags_are_a_list_and_may_be_none():
    assert check(replaced("tags", {})) == [Problem("tags", "must be a list")]
    assert check(replaced("tags", [])) == []


@pytest.mark.parametrize(
    "value",
    ["x", "ftp://a/b", "//a/b", "https://", "https://a:0/", "https://a:99999/", "https://a b/", "https://[/"],
)
def test_a_callback_url_is_an_address(value):
    (problem,) = check(replaced("param.callbackUrl", value))
    assert problem.message.startswith("must be an address")


def test_a_callback_url_has_at_most_1024_characters():
    url = "https://muster.example:443/".ljust(1024, "x")
    assert check(replaced("param.callbackUrl", url)) == []
    assert check(replaced("param.callbackUrl", url + "x"))[0].message == "has 1,025 characters; at most 1,024"


def test_all_problems_come_at_once():
    request = replaced("timeout", 5)
    request["taskName"] = ""
    request["param"]["command"]["method"] = 7
    request["param"]["deviceList"] = ["a", "", "b\0"]
    request["tags"] = [{"tagName": "x"}, 5]
    del request["taskType"]
    assert [problem.path for problem in check(request)] == [
        "taskType",
        "timeout",
        "taskName",
        "tags[0].tagValue",
        "tags[1]",
        "param.deviceList[1]",
        "param.deviceList[2]",
        "param.command.method",
    ]


def test_s34_duplicates_are_left_to_the_caller():
    assert check(replaced("param.deviceList", ["a", "a"])) == []


def test_s34_a_hundred_thousand_good_ids_are_checked_in_a_blink():
    request = replaced("param.deviceList", [f"9e620731-9a8b-42b7-b685-{i:012d}" for i in range(100_000)])
    fastest = min(_seconds(request) for _ in range(5))
    assert fastest < 0.15


def _seconds(request: dict) -> float:
    started = time.perf_counter()
    assert check(request) == []
    return time.perf_counter() - started


def test_s34_a_hundred_thousand_bad_ids_are_all_told():
    problems = check(replaced("param.deviceList", [""] * 100_000))
    assert len(problems) == 100_000
    assert problems[-1] == Problem("param.deviceList[99999]", "must not be blank")


def test_the_number_of_devices_can_be_limited():
    request = replaced("param.deviceList", ["a", "b", "c"])
    assert check(request, most_devices=3) == []
    assert check(request, most_devices=2) == [Problem("param.deviceList", "has 3 devices; at most 2")]


@pytest.mark.parametrize(
    "value",
    [
        0,
        -(2**63),
        2**63 - 1,
        1.5,
        "",
        "a\nb",
        None,
        True,
        [],
        {},
        [1, [2]],
        {"a": {"b": [None]}},
        "\U0001f6b0",
    ],
)
def test_paras_may_hold_any_json(value):
    assert check(replaced("param.command.paras", {"p": value})) == []


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (float("nan"), "JSON knows no NaN"),
        (float("inf"), "no Infinity"),
        (2**63, "64 bits"),
        (-(2**63) - 1, "64 bits"),
        (10**4000, "64 bits"),
        ("a\0", "NUL"),
        ("\ud800", "lone surrogate"),
        (b"x", "must be a JSON value"),
        ((1,), "must be a JSON value"),
    ],
)
def test_s35_paras_hold_nothing_that_cannot_be_sent(value, message):
    (problem,) = check(replaced("param.command.paras", {"p": [0, {"q": value}]}))
    assert problem.path == "param.command.paras.p[1].q"
    assert message in problem.message


@pytest.mark.parametrize("name", ["", " ", "a\0", "\ud800", 1])
def test_s35_paras_have_names_that_can_be_sent(name):
    (problem,) = check(replaced("param.command.paras", {name: 1}))
    assert problem.path == "param.command.paras"
    assert "name cannot be used" in problem.message
    problem.message.encode()


def test_s35_paras_are_nested_fifty_levels_at_most():
    for depth, passes in ((50, True), (51, False), (1000, False), (100_000, False)):
        value: object = 1
        for _ in range(depth - 1):
            value = {"a": value}
        problems = check(replaced("param.command.paras", {"a": value} if depth > 1 else {}))
        assert (problems == []) is passes, depth
        if problems:
            assert "nested more than 50" in problems[0].message


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
NAMES = [*"appId timeout taskName taskType param tags type command serviceId method paras".split()]  # noqa: SIM905
NAMES += [name for members in NEEDED.values() for name in members]
NAMES += ["callbackUrl", "maxRetransmit", "groupTag"]


@settings(max_examples=150, deadline=None)
@given(
    st.dictionaries(st.sampled_from(NAMES), JSON),
    st.dictionaries(st.sampled_from(NAMES), JSON | st.sampled_from([*NEEDED])),
    st.dictionaries(st.sampled_from(NAMES), JSON),
)
def test_no_request_breaks_the_check(request, param, command):
    for problem in check(request | {"param": param | {"command": command}}):
        assert problem.message
        (problem.path + problem.message).encode()
