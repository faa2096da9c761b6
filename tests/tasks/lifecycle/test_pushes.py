"""receive, settle and results: from raw bodies to what the operator reads."""

import itertools
import json
from collections import Counter
from pathlib import Path

import pytest
from django.db import connection
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks import lifecycle
from tasks.lifecycle import Arrival
from tasks.lifecycle.results import Observation, apply
from tasks.models import Callback, Result, Task
from tasks.platform import pushes
from tasks.states import State
from tasks.targets import TargetType
from tests.factories import TaskFactory
from tests.tasks.threads import at_once

pytestmark = pytest.mark.django_db

SAMPLES = Path(__file__).parents[4] / "shared" / "platform" / "pushes.jsonl"


def plain(text: str) -> str:
    """A test's id that any tool can pass on."""
    return "".join(filter(str.isalnum, text))


@pytest.fixture
def task():
    return TaskFactory(state=State.RUNNING, platform_task_id="t1", devices=["d1", "d2", "d3"])


def body(device="d1", code="SUCCESSFUL", command="c1", **more):
    ids = {"deviceId": device} | ({"commandId": command} if command else {})
    return json.dumps({**ids, "result": {"resultCode": code, **more}}).encode()


def push(task, *bodies):
    return lifecycle.receive([Arrival(task.callback_token, raw, "10.0.0.1") for raw in bodies])


def settled(task, *bodies):
    push(task, *bodies)
    lifecycle.settle(task.pk)
    task.refresh_from_db()
    assert task.counts == dict(
        Counter(task.results.filter(unexpected=False).values_list("status", flat=True))
    ), "C3: counts are a recount of the rows"
    return task


# Keeping


def test_a_push_is_kept_as_it_came(task):
    """C01"""
    raw = b'\xef\xbb\xbf {"deviceId": "d1"}\n\xff\x00'
    assert push(task, raw) == [task.pk]
    callback = Callback.objects.get()
    assert bytes(callback.body) == raw
    assert (callback.task, callback.state, callback.seen) == (task, "NEW", 1)
    assert callback.remote_address == "10.0.0.1"
    assert "\\xff" in callback.text


def test_equal_pushes_share_a_row(task):
    """C02"""
    for _ in range(10):
        push(task, *[body()] * 100)
    callback = Callback.objects.get()
    assert callback.seen == 1000
    assert settled(task).counts == {"": 2, "SUCCESSFUL": 1}
    assert settled(task, body()).counts == {"": 2, "SUCCESSFUL": 1}
    callback.refresh_from_db()
    assert (callback.seen, callback.state) == (1001, "SETTLED")


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        "../",
        "..%2f",
        "\0",
        "\0\0",
        "é",
        "\N{GRINNING FACE}",
        "\ud800",
        "x" * 10_000,
        "' OR 1=1 --",
        "%00",
    ],
    ids=lambda token: plain(ascii(token[:20])),
)
def test_a_token_nobody_has_writes_nothing(task, token, django_assert_max_num_queries):
    """C09"""
    with django_assert_max_num_queries(1):
        assert lifecycle.receive([Arrival(token, body())]) == [None]
    assert not Callback.objects.exists()


def test_a_token_with_one_letter_changed_opens_nothing(task):
    """C09"""
    token = task.callback_token
    wrong = [token[:-1], token + "A", token.swapcase(), token[:-1] + ("0" if token[-1] != "0" else "1")]
    assert lifecycle.receive([Arrival(one, body()) for one in wrong]) == [None] * 4
    assert not Callback.objects.exists()


def test_a_hostile_token_costs_its_neighbours_nothing(task):
    """C09, C28: pushes of the same moment share a commit, not their fate."""
    arrivals = [Arrival("\0", body()), Arrival(task.callback_token, body()), Arrival("\ud800", body())]
    assert lifecycle.receive(arrivals) == [None, task.pk, None]
    assert Callback.objects.count() == 1


def test_one_task_s_token_never_changes_another_task(task):
    """C11, C4"""
    other = TaskFactory(state=State.RUNNING, devices=["x1", "x2"])
    settled(other, body("x1", command="of-other"))
    before = [*Task.objects.filter(pk=other.pk).values(), *other.results.values().order_by("pk")]
    settled(task, body("x1", command="of-other"), body("x1", "FAILED", "of-other"))
    lifecycle.settle(other.pk)
    assert [*Task.objects.filter(pk=other.pk).values(), *other.results.values().order_by("pk")] == before
    assert task.results.get(device_id="x1").unexpected
    assert task.counts == {"": 3}


@pytest.mark.django_db(transaction=True)
def test_pushes_from_many_threads_are_all_kept():
    task = TaskFactory(state=State.RUNNING, devices=["d1", "d2", "d3"])
    numbers = itertools.count()
    at_once(8, lambda: [push(task, body("d1", command=f"c{next(numbers)}"), body("d2")) for _ in range(5)])
    kept = Callback.objects.values_list("body", "seen")
    assert len({bytes(each) for each, _ in kept}) == 41
    assert sum(seen for _, seen in kept) == 80


# Reading


def test_every_push_that_was_really_seen_is_understood():
    if not SAMPLES.exists():
        pytest.skip(f"the push bodies seen on the wire are not here: {SAMPLES}")
    for line in SAMPLES.read_bytes().splitlines():
        told = json.loads(line)
        task = TaskFactory(state=State.RUNNING, devices=[told["deviceId"]])
        settled(task, line)
        result = task.results.get()
        assert Callback.objects.get(task=task).state == "SETTLED"
        assert (result.device_id, result.command_id) == (told["deviceId"], told["commandId"])
        assert result.status == told["result"]["resultCode"]
        assert result.detail == told["result"].get("resultDetail")
        assert (result.source, result.unexpected, result.conflict) == ("push", False, False)


@pytest.mark.parametrize(
    ("raw", "status", "detail"),
    [
        (body(code="SENT", resultDetail=None), "SENT", None),
        (body(code="SUCCESSFUL", resultDetail={"light_state": 1}), "SUCCESSFUL", {"light_state": 1}),
        (b'{"result":{"resultCode":"DELIVERED"},"deviceId":"d1","commandId":"c1"}', "DELIVERED", None),
        (b'{"deviceId":"d1","commandId":"c1","result":{"status":"SUCCESS","result":{}}}', "SUCCESSFUL", {}),
        (
            b'{"timestamp":1589444233258,"tenantId":"10461180","taskId":1,"result":{"resultDetail":"",'
            b'"resultCode":"DELIVERED"},"protocol":"lwm2m","productId":"1","messageType":"commandResponse",'
            b'"deviceId":"d1"}',
            "DELIVERED",
            None,
        ),
        (body(code="SUCCESS"), "SUCCESSFUL", None),
        (body(code="FAIL"), "FAILED", None),
        (body(code="successful"), "SUCCESSFUL", None),
        *((body(code=code), code, None) for code in ("TIMEOUT", "EXPIRED", "CANCELED", "PENDING")),
        (body(code="DEFAULT"), "PENDING", None),
        (body(code="Half done"), "Half done", None),
        (body(command=""), "SUCCESSFUL", None),
    ],
)
def test_every_variant_of_a_push_becomes_a_result(task, raw, status, detail):
    """C23 and facts 3.1"""
    settled(task, raw)
    result = task.results.get(device_id="d1")
    assert (result.status, result.detail) == (status, detail)
    assert task.counts == {"": 2, status: 1}
    assert Callback.objects.get().state == "SETTLED"


MALFORMED = [
    b"",
    b"null",
    b"[]",
    b'"x"',
    b"{}",
    b"5",
    b"{",
    b"\xff",
    body() + b"x",
    body().decode().encode("utf-16"),
    body().decode().encode("utf-32"),
    b'{"deviceId":"d1","commandId":"a","commandId":"b","result":{"resultCode":"SENT"}}',
    b'{"deviceId":"d1","commandId":"a","result":{"resultCode":"SENT","resultDetail":NaN}}',
    b'{"deviceId":"d1","commandId":"a","result":{"resultCode":"SENT","resultDetail":1e400}}',
    b'{"deviceId":"d1","commandId":"a","result":{"resultCode":"SENT","resultDetail":' + b"9" * 5000 + b"}}",
    b"[" * 100_000,
    b'{"deviceId":5,"commandId":"a","result":{"resultCode":"SENT"}}',
    b'{"deviceId":"","commandId":"a","result":{"resultCode":"SENT"}}',
    b'{"commandId":"a","result":{"resultCode":"SENT"}}',
    b'{"deviceId":"d1","result":"SENT"}',
    b'{"deviceId":"d1"}',
    b'{"deviceId":"d1","result":{"resultCode":{"a":1}}}',
    body("d" * 257),
    b"<xml/>",
]


@pytest.mark.parametrize("raw", MALFORMED, ids=lambda raw: plain(ascii(raw[:40])))
def test_what_is_no_push_is_quarantined_with_a_sentence(task, raw):
    """C17, C18, C19, C22: kept, marked, and of no effect; the pushes beside it count."""
    settled(task, body("d2"), raw, body("d3"))
    callback = Callback.objects.get(state="QUARANTINED")
    assert bytes(callback.body) == raw
    assert callback.problem.endswith(".")
    assert task.counts == {"": 1, "SUCCESSFUL": 2}
    assert not task.callbacks.filter(state="NEW").exists()


@pytest.mark.parametrize("code", ["\\u0000", "\\ud800"])
def test_text_that_no_database_holds_is_replaced_for_display(task, code):
    """C20, C21"""
    raw = body(resultDetail={"text": "TEXT"}).replace(b"TEXT", code.encode())
    settled(task, raw)
    assert task.results.get(device_id="d1").detail == {"text": "\ufffd"}
    assert bytes(Callback.objects.get().body) == raw


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    raw=st.binary(max_size=200)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["deviceId", "commandId", "result", "resultCode", "status", "resultDetail"]),
                inner,
                max_size=4,
            )
        ),
        max_leaves=8,
    ).map(lambda value: json.dumps(value).encode())
)
def test_no_body_whatever_stops_the_settling(task, raw):
    settled(task, raw)
    assert not task.callbacks.filter(state="NEW").exists()


# Order and repetition


def outcome(task):
    rows = task.results.values_list(
        "device_id", "command_id", "status", "conflict", "unexpected", "source", "detail"
    )
    return task.state, task.counts, sorted(map(repr, rows))


SETS = {
    "C04 the usual way": [body(code="SENT"), body(code="DELIVERED"), body(resultDetail={"a": 1})],
    "C05 too late": [body(code="SENT"), body(code="TIMEOUT"), body(resultDetail={"a": 1})],
    "C06 contradiction": [body(), body(code="FAILED", resultDetail={"e": 1}), body(code="TIMEOUT")],
    "C06 two ends by the clock": [body(code="TIMEOUT"), body(code="EXPIRED"), body(code="SENT")],
    "two details": [body(resultDetail={"a": 1}), body(resultDetail={"a": 2}), body(), body(code="SENT")],
    "unknown words": [body(code="ODD"), body(code="EVEN"), body(code="PENDING")],
    "no commandId": [body(command=""), body(code="SENT", command=""), body("d2", command="")],
    "commandId comes later": [body(command=""), body(code="SENT"), body(code="TIMEOUT")],
    "a stranger": [body("x"), body("x", "FAILED"), body("x", "SENT", "c2"), body()],
    "all there is": [body(), body("d2", "FAILED"), body("d3", "TIMEOUT"), b"{"],
}


@pytest.mark.parametrize("events", SETS.values(), ids=SETS)
def test_the_order_of_pushes_does_not_matter(events):
    """C03, C2: one outcome for every order, whether settled one by one or all together."""
    outcomes = []
    for order in itertools.permutations(events):
        for at_a_time in (1, len(order)):
            task = TaskFactory(state=State.RUNNING, devices=["d1", "d2", "d3"])
            for start in range(0, len(order), at_a_time):
                settled(task, *order[start : start + at_a_time])
            outcomes.append(outcome(task))
    assert all(one == outcomes[0] for one in outcomes)


EVENTS = st.builds(
    body,
    device=st.sampled_from(["d1", "d2", "x"]),
    code=st.sampled_from([*pushes.RANK, *pushes.SYNONYMS, "odd", ""]),
    command=st.just("c1"),
    resultDetail=st.none() | st.integers(0, 2) | st.fixed_dictionaries({"v": st.integers(0, 2)}),
)


@settings(max_examples=40, deadline=None)
@given(events=st.lists(EVENTS, max_size=8), data=st.data())
def test_any_multiset_in_any_order_has_one_outcome(events, data):
    """C03"""
    one, other = (TaskFactory(state=State.RUNNING, devices=["d1", "d2"]) for _ in range(2))
    settled(one, *events)
    shuffled = data.draw(st.permutations(events + data.draw(st.lists(st.sampled_from(events or [b""])))))
    settled(other)
    for event in filter(None, shuffled):
        settled(other, event)
    assert outcome(one) == outcome(other)


def test_settling_twice_changes_nothing(task):
    """C7"""
    settled(task, body(code="SENT"), body("d2", "FAILED", "c2"), b"nonsense")
    before = [*Task.objects.values(), *Result.objects.values(), *Callback.objects.values()]
    lifecycle.settle(task.pk)
    assert [*Task.objects.values(), *Result.objects.values(), *Callback.objects.values()] == before
    Callback.objects.update(state="NEW")  # a replay
    lifecycle.settle(task.pk)
    assert [*Task.objects.values(), *Result.objects.values()] == before[:4]


@pytest.mark.django_db(transaction=True)
def test_eight_workers_settle_like_one():
    task = TaskFactory(state=State.RUNNING, devices=[f"d{n}" for n in range(50)])
    push(task, *(body(f"d{n}", code, f"c{n}") for n in range(50) for code in ("SENT", "SUCCESSFUL")))
    at_once(8, lambda: lifecycle.settle(task.pk))
    task.refresh_from_db()
    assert (task.state, task.counts, task.results.count()) == (State.COMPLETE, {"SUCCESSFUL": 50}, 50)
    assert task.transitions.filter(to_state=State.COMPLETE).count() == 1


# What it means for the task


def test_every_listed_device_can_be_seen_before_it_says_a_word(task):
    assert settled(task).counts == {"": 3}
    assert [row.device_id for row in task.results.all()] == ["d1", "d2", "d3"]
    assert task.answered == 0
    assert set(task.counts) <= {""}


def test_a_task_is_complete_with_its_last_answer(task):
    settled(task, body("d1"), body("d2", "FAILED"))
    assert (task.state, task.answered) == (State.RUNNING, 2)
    settled(task, body("d3", "TIMEOUT"))
    assert (task.state, task.counts) == (State.COMPLETE, {"SUCCESSFUL": 1, "FAILED": 1, "TIMEOUT": 1})
    assert task.finished_at is not None
    assert task.poll_at > task.finished_at  # the platform is asked once more, to confirm


def test_a_device_that_is_not_on_the_list_is_shown_and_not_counted(task):
    for command in ("c1", "c2", "c3"):
        settled(task, body("stranger", command=command))
    assert (task.state, task.counts) == (State.RUNNING, {"": 3})
    assert [row.unexpected for row in task.results.filter(device_id="stranger")] == [True] * 3


def test_a_second_command_of_one_device_does_not_stand_for_another_device(task):
    """I3: three answers, but of one device only."""
    settled(task, body("d1"), body("d1", command="c2"), body("d1", command="c3"))
    assert (task.state, task.answered) == (State.RUNNING, 1)
    assert sorted(row.unexpected for row in task.results.filter(device_id="d1")) == [False, True, True]


def test_an_answer_after_the_end_mends_the_result_and_keeps_the_state(task):
    """C34"""
    settled(task, body("d1", "TIMEOUT"), body("d2"), body("d3"))
    finished = task.finished_at
    settled(task, body("d1"))
    assert (task.state, task.counts, task.finished_at) == (State.COMPLETE, {"SUCCESSFUL": 3}, finished)
    settled(task, body("d1", "SENT"), body("d1", "DELIVERED"))
    assert task.counts == {"SUCCESSFUL": 3}
    assert task.transitions.filter(to_state=State.COMPLETE).count() == 1


@pytest.mark.parametrize("state", [State.COMPLETE, State.TIMED_OUT, State.REFUSED, State.CANCELLED])
def test_no_push_moves_a_task_out_of_a_final_state(state):
    task = TaskFactory(state=state, devices=["d1"])
    assert settled(task, body("d1")).state == state


def test_a_push_proves_that_an_unconfirmed_task_exists():
    """C08"""
    task = TaskFactory(state=State.UNCONFIRMED, devices=["d1", "d2"])
    settled(task, body("d1", "SENT"))
    assert (task.state, task.platform_task_id) == (State.RUNNING, "")
    assert "not known" in task.reason
    assert task.submitted_at is not None
    settled(task, body("d1"), body("d2"))
    assert task.state == State.COMPLETE


def test_a_body_that_is_no_push_proves_nothing():
    task = TaskFactory(state=State.UNCONFIRMED, devices=["d1"])
    assert settled(task, b"{}").state == State.UNCONFIRMED


@pytest.mark.parametrize("state", [State.QUEUED, State.SUBMITTING])
def test_a_push_before_the_answer_waits_for_it(state):
    """C07, C8"""
    task = TaskFactory(state=state, devices=["d1"])
    settled(task, body("d1"))
    assert (task.state, task.counts) == (state, {"SUCCESSFUL": 1})


def test_the_devices_of_another_target_are_known_by_their_pushes():
    task = TaskFactory(kind=TargetType.BROADCAST, state=State.RUNNING)
    settled(task, body("d1"), body("d2", "SENT"))
    assert task.counts == {"SUCCESSFUL": 1, "SENT": 1}
    assert not task.results.filter(unexpected=True).exists()
    assert task.state == State.RUNNING
    Task.objects.update(expected=2)
    assert settled(task, body("d2")).state == State.COMPLETE


def test_a_device_may_answer_for_two_commands_of_a_broadcast():
    task = TaskFactory(kind=TargetType.BROADCAST, state=State.RUNNING)
    settled(task, body("d1", command="a"), body("d1", "FAILED", command="b"))
    assert task.counts == {"SUCCESSFUL": 1, "FAILED": 1}


def test_the_times_are_those_of_the_first_news(task):
    settled(task, body(code="SENT"))
    sent_at = task.results.get(device_id="d1").sent_at
    settled(task, body(code="SENT", more=1), body(code="DELIVERED"), body())
    result = task.results.get(device_id="d1")
    assert result.sent_at == sent_at
    assert result.sent_at <= result.delivered_at <= result.finished_at


def test_push_and_poll_that_disagree_are_shown_as_a_conflict(task):
    """C36"""
    settled(task, body())
    apply(task, [Observation("d1", "c1", "FAILED", timezone.now(), "poll", error_code="100431")])
    result = task.results.get(device_id="d1")
    assert (result.status, result.conflict, result.source) == ("FAILED", True, "poll")
    assert result.error_code == "100431"


def test_a_thousand_pushes_take_few_queries(django_assert_max_num_queries):
    task = TaskFactory(state=State.RUNNING, devices=[f"d{n}" for n in range(900)])
    push(task, *(body(f"d{n}", command=f"c{n}") for n in range(900)))
    lifecycle.settle(task.pk)
    Callback.objects.update(state="NEW")
    with django_assert_max_num_queries(25 if connection.vendor == "sqlite" else 28):
        lifecycle.settle(task.pk)


def test_a_task_that_is_gone_is_no_trouble():
    lifecycle.settle(10**9)
