import json
import math
import uuid

import pytest
from django.db import DatabaseError, transaction
from django.db.models import Model

from tasks import lifecycle
from tasks.lifecycle import Invalid
from tasks.models import Application, Task, Transition
from tasks.states import State
from tasks.targets import MEMBERS, TargetType
from tests.factories import TARGETS, ApplicationFactory, TaskFactory, UserFactory, request
from tests.tasks.threads import at_once

pytestmark = pytest.mark.django_db

SURROGATE = "\ud800"
SMILE = "\N{GRINNING FACE}"


@pytest.fixture
def ours():
    return ApplicationFactory(app_id="app1")


@pytest.fixture
def author():
    return UserFactory()


# What is sent


@pytest.mark.parametrize("kind", TargetType)
def test_the_body_is_that_of_the_api_page(ours, author, settings, kind):
    task = lifecycle.compose(
        ours,
        author,
        request(
            kind,
            timeout=1000,
            param={"maxRetransmit": 3, "groupTag": "north"},
            tags=[{"tagName": "site", "tagValue": "A"}],
        ),
    )
    body = json.loads(task.request_body)
    assert list(body) == ["appId", "timeout", "taskName", "taskType", "param", "tags"]
    assert list(body["param"]) == [
        "type",
        *MEMBERS[kind],
        "command",
        "callbackUrl",
        "maxRetransmit",
        "groupTag",
    ]
    assert body == {
        "appId": "app1",
        "timeout": 1000,
        "taskName": "night valves",
        "taskType": "DeviceCmd",
        "param": {
            "type": kind.value,
            **TARGETS[kind],
            "command": {
                "serviceId": "WaterMeter",
                "method": "SET_REPORT_PERIOD",
                "paras": {"period": 60},
            },
            "callbackUrl": f"{settings.PUBLIC_URL}/callbacks/{task.callback_token}/",
            "maxRetransmit": 3,
            "groupTag": "north",
        },
        "tags": [{"tagName": "site", "tagValue": "A"}],
    }


@pytest.mark.parametrize("kind", TargetType)
def test_nothing_empty_and_nothing_optional_is_sent_unasked(ours, author, kind):
    asked = request(kind, tags=[])
    del asked["param"]["command"]["paras"]
    body = json.loads(lifecycle.compose(ours, author, asked, callback=False).request_body)
    assert set(body) == {"appId", "timeout", "taskName", "taskType", "param"}
    assert set(body["param"]) == {"type", "command", *MEMBERS[kind]}
    assert set(body["param"]["command"]) == {"serviceId", "method"}


def test_what_was_composed_is_kept_in_columns(ours, author):
    task = lifecycle.compose(
        ours,
        author,
        request(
            TargetType.DEVICE_TYPE,
            param={"maxRetransmit": 0, "groupTag": "g"},
            tags=[{"tagName": "a", "tagValue": "1"}, {"tagName": "b", "tagValue": "2"}],
        ),
    )
    task = Task.objects.get(pk=task.pk)
    assert (task.state, task.reason) == (State.QUEUED, "waiting for a worker")
    assert task.due_at is not None
    assert task.target == TARGETS[TargetType.DEVICE_TYPE]
    assert (task.service_id, task.method, task.paras) == ("WaterMeter", "SET_REPORT_PERIOD", {"period": 60})
    assert (task.timeout, task.max_retransmit, task.group_tag) == (10, 0, "g")
    assert task.tags == [["a", "1"], ["b", "2"]]
    assert (task.expected, task.listed) == (None, True)
    transition = Transition.objects.get()
    assert (transition.from_state, transition.to_state, transition.actor) == ("", "QUEUED", author)


def test_numbers_stay_numbers_and_texts_stay_texts(ours, author):
    paras = {"a": 1, "b": 1.5, "c": "1", "d": True, "e": None, "f": [1, {"g": "é\N{GRINNING FACE}"}]}
    task = lifecycle.compose(ours, author, request(command={"paras": paras}))
    sent = json.loads(task.request_body)["param"]["command"]["paras"]
    assert sent == paras
    assert [type(value) for value in sent.values()] == [type(value) for value in paras.values()]


def test_duplicates_are_removed_in_order_and_counted(ours, author):
    task = lifecycle.compose(ours, author, request(param={"deviceList": ["b", "a", "b", "c", "a", "b"]}))
    assert json.loads(task.request_body)["param"]["deviceList"] == ["b", "a", "c"]
    assert (task.duplicates_removed, task.expected) == (3, 3)
    assert task.target == {}


def test_equal_requests_give_equal_bodies(ours, author):
    first, second = (
        lifecycle.compose(ours, author, request(TargetType.BROADCAST), callback=False).request_body
        for _ in range(2)
    )
    assert first == second
    assert ": " not in first


def test_every_task_has_an_unguessable_token_of_its_own(ours, author):
    tokens = {lifecycle.compose(ours, author, request()).callback_token for _ in range(20)}
    assert len(tokens) == 20
    assert min(map(len, tokens)) >= 43
    assert lifecycle.compose(ours, author, request(), callback=False).callback_token is None


# Bad input

BAD = [
    ("name empty", {"taskName": ""}, "taskName"),
    ("name blank", {"taskName": "  "}, "taskName"),
    ("name 257", {"taskName": "x" * 257}, "taskName"),
    ("name 257 emoji", {"taskName": SMILE * 257}, "taskName"),
    ("name with NUL", {"taskName": "a\0b"}, "taskName"),
    ("name with a line", {"taskName": "a\nb"}, "taskName"),
    ("name with half a character", {"taskName": SURROGATE}, "taskName"),
    ("name number", {"taskName": 5}, "taskName"),
    ("name null", {"taskName": None}, "taskName"),
    ("timeout 9", {"timeout": 9}, "timeout"),
    ("timeout 2881", {"timeout": 2881}, "timeout"),
    ("timeout text", {"timeout": "10"}, "timeout"),
    ("timeout 10.5", {"timeout": 10.5}, "timeout"),
    ("timeout 10.0", {"timeout": 10.0}, "timeout"),
    ("timeout true", {"timeout": True}, "timeout"),
    ("timeout null", {"timeout": None}, "timeout"),
    ("timeout huge", {"timeout": 10**30}, "timeout"),
    ("taskType other", {"taskType": "DeviceReg"}, "taskType"),
    ("retransmit -1", {"param": {"maxRetransmit": -1}}, "param.maxRetransmit"),
    ("retransmit 4", {"param": {"maxRetransmit": 4}}, "param.maxRetransmit"),
    ("retransmit true", {"param": {"maxRetransmit": True}}, "param.maxRetransmit"),
    ("retransmit null", {"param": {"maxRetransmit": None}}, "param.maxRetransmit"),
    ("serviceId empty", {"command": {"serviceId": ""}}, "param.command.serviceId"),
    ("serviceId 65", {"command": {"serviceId": "s" * 65}}, "param.command.serviceId"),
    ("method empty", {"command": {"method": ""}}, "param.command.method"),
    ("method 129", {"command": {"method": "m" * 129}}, "param.command.method"),
    ("tag name empty", {"tags": [{"tagName": "", "tagValue": "v"}]}, "tags[0].tagName"),
    ("tag name 129", {"tags": [{"tagName": "n" * 129, "tagValue": "v"}]}, "tags[0].tagName"),
    ("tag value empty", {"tags": [{"tagName": "n", "tagValue": ""}]}, "tags[0].tagValue"),
    ("tag value 1025", {"tags": [{"tagName": "n", "tagValue": "v" * 1025}]}, "tags[0].tagValue"),
    ("tag without value", {"tags": [{"tagName": "n"}]}, "tags[0].tagValue"),
    ("tags no list", {"tags": {"a": "b"}}, "tags"),
    ("device list empty", {"param": {"deviceList": []}}, "param.deviceList"),
    ("device list text", {"param": {"deviceList": "abc"}}, "param.deviceList"),
    ("device id blank", {"param": {"deviceList": ["a", " "]}}, "param.deviceList[1]"),
    ("device id empty", {"param": {"deviceList": ["a", "b", "c", ""]}}, "param.deviceList[3]"),
    ("device id control", {"param": {"deviceList": ["a\x07"]}}, "param.deviceList[0]"),
    ("device id number", {"param": {"deviceList": [1]}}, "param.deviceList[0]"),
    ("device id list", {"param": {"deviceList": [["a"]]}}, "param.deviceList[0]"),
    ("device id 257", {"param": {"deviceList": ["d" * 257]}}, "param.deviceList[0]"),
    ("paras list", {"command": {"paras": [1]}}, "param.command.paras"),
    ("paras text", {"command": {"paras": "{}"}}, "param.command.paras"),
    ("paras NaN", {"command": {"paras": {"a": math.nan}}}, "param.command.paras.a"),
    ("paras infinite", {"command": {"paras": {"a": [1, math.inf]}}}, "param.command.paras.a[1]"),
    ("paras huge", {"command": {"paras": {"a": 2**64}}}, "param.command.paras.a"),
    ("paras NUL", {"command": {"paras": {"a": "\0"}}}, "param.command.paras.a"),
    ("paras half a character", {"command": {"paras": {"a": SURROGATE}}}, "param.command.paras.a"),
    ("unknown member", {"colour": "red"}, "colour"),
    ("unknown member of param", {"param": {"colour": "red"}}, "param.colour"),
    ("unknown member of command", {"command": {"colour": "red"}}, "param.command.colour"),
    ("unknown type", {"param": {"type": "Everything"}}, "param.type"),
    ("member of another type", {"param": {"deviceLocation": "here"}}, "param.deviceLocation"),
    ("foreign appId", {"appId": "other"}, "appId"),
    ("appId 65", {"appId": "a" * 65}, "appId"),
    ("own callbackUrl", {"param": {"callbackUrl": "https://evil.example:1/"}}, "param.callbackUrl"),
    ("groupTag empty", {"param": {"groupTag": ""}}, "param.groupTag"),
]


@pytest.mark.parametrize(("changes", "path"), [bad[1:] for bad in BAD], ids=[bad[0] for bad in BAD])
def test_bad_input_is_refused_at_its_place_and_leaves_nothing(ours, author, changes, path, bells):
    """S33, S34, S35"""
    changes = {name: dict(value) if isinstance(value, dict) else value for name, value in changes.items()}
    with pytest.raises(Invalid) as refused:
        lifecycle.compose(ours, author, request(**changes))
    assert path in [problem.path for problem in refused.value.problems]
    assert all(problem.message for problem in refused.value.problems)
    assert not Task.objects.exists()
    assert not Transition.objects.exists()
    assert bells == []


GOOD = [
    {"taskName": "x"},
    {"taskName": "x" * 256},
    {"taskName": SMILE * 256},
    {"taskName": "e\u0301 \u05d0\u05d1"},
    {"timeout": 10},
    {"timeout": 2880},
    {"param": {"maxRetransmit": 0}},
    {"param": {"maxRetransmit": 3}},
    {"command": {"serviceId": "s" * 64}},
    {"command": {"method": "m" * 128}},
    {"tags": [{"tagName": "n" * 128, "tagValue": "v" * 1024}]},
    {"param": {"deviceList": ["d" * 256]}},
    {"appId": "app1"},
    {"param": {"groupTag": "g" * 1024}},
]


@pytest.mark.parametrize("changes", GOOD, ids=lambda changes: next(iter(changes)))
def test_what_is_just_within_the_limits_is_stored_as_it_is(ours, author, changes):
    """S32"""
    task = lifecycle.compose(ours, author, request(**changes))
    stored = Task.objects.get(pk=task.pk)
    stored.full_clean()
    body = json.loads(stored.request_body)
    assert stored.name == body["taskName"] == changes.get("taskName", "night valves")


@pytest.mark.parametrize(
    "nothing", [None, [], "x", 5, True, {}, {"param": None}, {"param": []}, {"param": "x"}]
)
def test_what_is_no_request_is_refused_with_sentences(ours, author, nothing):
    with pytest.raises(Invalid) as refused:
        lifecycle.compose(ours, author, nothing)
    assert refused.value.problems
    assert not Task.objects.exists()


def test_all_problems_come_at_once(ours, author):
    with pytest.raises(Invalid) as refused:
        lifecycle.compose(
            ours,
            author,
            request(taskName="", timeout=9, command={"serviceId": ""}, param={"deviceList": ["", "a", " "]}),
        )
    assert {problem.path for problem in refused.value.problems} == {
        "taskName",
        "timeout",
        "param.command.serviceId",
        "param.deviceList[0]",
        "param.deviceList[2]",
    }


@pytest.mark.parametrize("kind", TargetType)
def test_what_the_target_type_needs_is_asked_for(ours, author, kind):
    for member in MEMBERS[kind]:
        asked = request(kind)
        del asked["param"][member]
        with pytest.raises(Invalid) as refused:
            lifecycle.compose(ours, author, asked)
        assert [problem.path for problem in refused.value.problems] == [f"param.{member}"]


def test_more_devices_than_the_installation_allows_are_refused(ours, author, settings):
    settings.MOST_DEVICES = 3
    lifecycle.compose(ours, author, request(param={"deviceList": list("abc")}))
    with pytest.raises(Invalid, match="at most 3"):
        lifecycle.compose(ours, author, request(param={"deviceList": list("abcd")}))


def test_a_hundred_thousand_devices_are_composed(ours, author):
    ids = [f"device-{n:06d}" for n in range(100_000)]
    task = lifecycle.compose(ours, author, request(param={"deviceList": [*ids, *ids[:5]]}))
    assert (task.expected, task.duplicates_removed) == (100_000, 5)


# The bell


@pytest.mark.django_db(transaction=True)
def test_the_bell_rings_after_the_commit_and_not_before(ours, author, bells):
    """Q16: a worker that is rung for finds the task."""
    with transaction.atomic():
        task = lifecycle.compose(ours, author, request())
        assert bells == []
    assert bells == [("submit", task.pk)]


@pytest.mark.django_db(transaction=True)
def test_the_bell_never_rings_for_what_was_rolled_back(ours, author, bells):
    """Q17"""
    with transaction.atomic():
        lifecycle.compose(ours, author, request())
        transaction.set_rollback(True)
    assert bells == []
    assert not Task.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_broker_that_is_down_costs_no_task(ours, author, monkeypatch, caplog):
    """Q03: the row is queued, the sweep will find it."""
    import celery

    def down(*_, **__):
        raise ConnectionError("no broker here")

    monkeypatch.setattr(celery.current_app, "send_task", down)
    task = lifecycle.compose(ours, author, request())
    assert Task.objects.get().state == State.QUEUED
    assert f"submit({task.pk})" in caplog.text


# The same thing twice


def test_the_same_key_gives_the_same_task(ours, author):
    """S27: a form that is posted twice makes one task."""
    key = uuid.uuid4()
    first = lifecycle.compose(ours, author, request(), key=key)
    second = lifecycle.compose(ours, author, request(taskName="other"), key=key)
    assert first.pk == second.pk
    assert Task.objects.get().name == "night valves"
    assert lifecycle.compose(ours, author, request(), key=uuid.uuid4()).pk != first.pk


@pytest.mark.django_db(transaction=True)
def test_the_same_key_from_eight_threads_gives_one_task(ours, author, bells):
    """S27"""
    key = uuid.uuid4()
    made = at_once(8, lambda: lifecycle.compose(ours, author, request(), key=key).pk)
    assert len(set(made)) == 1
    assert Task.objects.count() == Transition.objects.count() == 1
    assert bells == [("submit", made[0])]


# The database refuses what the checks refuse

WRONG_ROWS = [
    {"timeout": 9},
    {"timeout": 2881},
    {"max_retransmit": 4},
    {"name": ""},
    {"name": "x" * 257},
    {"service_id": ""},
    {"service_id": "x" * 65},
    {"method": ""},
    {"method": "x" * 129},
    {"state": "DONE"},
    {"target_type": "Everything"},
    {"state": State.QUEUED, "due_at": None},
    {"state": State.SUBMITTING, "lease_until": None},
]


@pytest.mark.parametrize("wrong", WRONG_ROWS, ids=str)
def test_the_database_refuses_what_validators_refuse(wrong):
    task = TaskFactory.build(application=ApplicationFactory(), author=UserFactory())
    for name, value in wrong.items():
        setattr(task, name, value)
    _refused([task])


@pytest.mark.parametrize(
    "wrong", [{"calls_per_minute": 0}, {"unfinished_limit": 0}, {"name": ""}, {"app_id": ""}]
)
def test_the_database_refuses_an_application_without_sense(wrong):
    _refused([Application(**{"name": "a", "url": "https://p:1", "app_id": "a", "secret": "s"} | wrong)])


def _refused(rows: list[Model]) -> None:
    kind = type(rows[0])
    with pytest.raises(DatabaseError), transaction.atomic():
        kind._default_manager.bulk_create(rows)
    assert not kind._default_manager.exists()
