"""Which devices of a task may be commanded again, and the task that does it."""

import json

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from tasks import lifecycle
from tasks.lifecycle import AlreadyRerun, Lineage, NotOffered, Outcome, rerun
from tasks.models import Task
from tasks.states import State
from tasks.targets import TargetType
from tests.factories import ResultFactory, TaskFactory, UserFactory
from tests.tasks.threads import at_once

pytestmark = pytest.mark.django_db

EVERY_STATUS = {
    "SUCCESSFUL": "ok", "FAILED": "bad", "TIMEOUT": "late", "EXPIRED": "old", "CANCELED": "gone",
    "DELIVERED": "there", "SENT": "sent", "PENDING": "kept", "ODD_NEW_WORD": "odd", "": "silent",
}  # fmt: skip
SILENT = {"there", "sent", "kept", "odd", "silent"}


@pytest.fixture
def anyone(db: None) -> User:
    return UserFactory()


def task_in(state: State, **given) -> Task:
    """A task of three devices of each status, and a stranger of each."""
    counts = dict.fromkeys(EVERY_STATUS, 2)
    devices = [f"{word}-{n}" for word in EVERY_STATUS.values() for n in range(2)]
    task = TaskFactory(state=state, devices=devices, listed=True, counts=counts, **given)
    for status, word in EVERY_STATUS.items():
        for n in range(2):
            ResultFactory(task=task, device_id=f"{word}-{n}", status=status)
        ResultFactory(task=task, device_id=f"{word}-0", command_id="second", status=status, unexpected=True)
        ResultFactory(task=task, device_id=f"{word}-stranger", status=status, unexpected=True)
    return task


BAD = {Outcome.FAILED: "bad", Outcome.TIMED_OUT: "late", Outcome.EXPIRED: "old", Outcome.CANCELLED: "gone"}


@pytest.mark.parametrize("state", [State.RUNNING, State.COMPLETE, State.TIMED_OUT, State.ABANDONED])
@pytest.mark.parametrize("outcome", BAD)
def test_devices_with_a_bad_final_answer_are_offered_as_soon_as_they_gave_it(
    outcome: Outcome, state: State
) -> None:
    task = task_in(state)
    choice = next(each for each in rerun.choices(task) if each.outcome == outcome)
    assert (choice.count, choice.refusal) == (2, "")
    assert rerun.devices_with(task, [outcome]) == [f"{BAD[outcome]}-0", f"{BAD[outcome]}-1"]


@pytest.mark.parametrize("state", State)
def test_devices_without_an_answer_are_offered_only_when_the_task_is_over(state: State) -> None:
    task = task_in(state)
    choice = next(each for each in rerun.choices(task) if each.outcome == Outcome.NO_ANSWER)
    if state in (State.COMPLETE, State.TIMED_OUT):
        assert (choice.count, choice.refusal) == (10, "")
        assert set(rerun.devices_with(task, [Outcome.NO_ANSWER])) == {
            f"{w}-{n}" for w in SILENT for n in range(2)
        }
        return
    assert choice.refusal
    with pytest.raises(NotOffered, match=r"^\w.*\.$"):
        rerun.devices_with(task, [Outcome.FAILED, Outcome.NO_ANSWER])
    if state == State.RUNNING:
        assert "twice" in choice.refusal


def test_devices_whose_results_were_pruned_are_not_offered() -> None:
    task = task_in(State.COMPLETE, results_pruned_at=timezone.now())
    refusals = {choice.outcome: choice.refusal for choice in rerun.choices(task)}
    assert {rerun.PRUNED} == {refusals[each] for each in Outcome if each != Outcome.NOT_DISPATCHED}
    for asked in (
        lambda: rerun.devices_with(task, [Outcome.FAILED]),
        lambda: rerun.devices_among(task, task.results.all()),
    ):
        with pytest.raises(NotOffered, match="pruned"):
            asked()


@pytest.mark.parametrize("state", State)
def test_devices_not_dispatched_are_offered_only_when_certainly_nothing_was_sent(state: State) -> None:
    task = TaskFactory(state=state, devices=["a", "b"])
    choice = next(each for each in rerun.choices(task) if each.outcome == Outcome.NOT_DISPATCHED)
    if state in (State.REFUSED, State.CANCELLED):
        assert (choice.count, choice.refusal) == (2, "")
        assert rerun.devices_with(task, [Outcome.NOT_DISPATCHED]) == ["a", "b"]
        return
    assert (choice.count, bool(choice.refusal)) == (0, True)
    with pytest.raises(NotOffered):
        rerun.devices_with(task, [Outcome.NOT_DISPATCHED])


def test_a_refused_task_that_named_no_devices_says_to_repeat_it() -> None:
    task = TaskFactory(state=State.REFUSED, kind=TargetType.BROADCAST)
    with pytest.raises(NotOffered, match="Repeat it instead"):
        rerun.devices_with(task, [Outcome.NOT_DISPATCHED])


def test_several_outcomes_are_one_list_and_none_is_no_rerun() -> None:
    task = task_in(State.COMPLETE)
    assert set(rerun.devices_with(task, [Outcome.FAILED, Outcome.EXPIRED])) == {
        "bad-0",
        "bad-1",
        "old-0",
        "old-1",
    }
    with pytest.raises(NotOffered, match="Choose"):
        rerun.devices_with(task, [])
    with pytest.raises(NotOffered, match="No device is failed"):
        rerun.devices_with(TaskFactory(state=State.COMPLETE), [Outcome.FAILED])


def test_a_task_over_without_a_word_offers_every_device_of_its_list() -> None:
    """Nothing was settled, so no device has a row."""
    task = TaskFactory(state=State.TIMED_OUT, devices=["a", "b", "c"])
    assert next(each for each in rerun.choices(task) if each.outcome == Outcome.NO_ANSWER).count == 3
    assert rerun.devices_with(task, [Outcome.NO_ANSWER]) == ["a", "b", "c"]


def test_a_device_with_two_commands_in_one_task_is_commanded_once() -> None:
    task = TaskFactory(state=State.COMPLETE, kind=TargetType.DEVICE_TYPE, counts={"FAILED": 2})
    for command in "xy":
        ResultFactory(task=task, device_id="a", command_id=command, status="FAILED")
    assert rerun.devices_with(task, [Outcome.FAILED]) == ["a"]


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (State.RUNNING, {"ok", "bad", "late", "old", "gone"}),
        (State.ABANDONED, {"ok", "bad", "late", "old", "gone"}),
        (State.COMPLETE, set(EVERY_STATUS.values())),
    ],
)
def test_of_what_a_filter_shows_strangers_and_devices_that_may_still_answer_are_left_out(
    state: State, words: set[str]
) -> None:
    task = task_in(state)
    assert set(rerun.devices_among(task, task.results.all())) == {f"{w}-{n}" for w in words for n in range(2)}
    with pytest.raises(NotOffered):
        rerun.devices_among(task, task.results.filter(unexpected=True))


def test_more_devices_than_one_task_may_list_are_refused_without_being_read(settings) -> None:
    settings.MOST_DEVICES = 5
    task = task_in(State.COMPLETE)
    with pytest.raises(NotOffered, match="more than 5 devices"):
        rerun.devices_with(task, [Outcome.NO_ANSWER])
    assert len(rerun.devices_with(task, [Outcome.FAILED, Outcome.EXPIRED])) == 4


@pytest.mark.parametrize("kind", TargetType)
def test_a_rerun_sends_the_same_command_to_a_list_under_a_fresh_name(kind: TargetType, anyone: User) -> None:
    ask = {
        "param": {"maxRetransmit": 2, "groupTag": "north"},
        "command": {"paras": {"n": 1.0, "s": "0012", "deep": {"a": [1, None]}}},
        "tags": [{"tagName": "why", "tagValue": "frost"}],
    }
    task = TaskFactory(state=State.COMPLETE, kind=kind, ask=ask, name="x" * 256, timeout=33)
    request = rerun.request_for(task, ["a", "b"])
    new = lifecycle.compose(task.application, anyone, request, rerun=Lineage((task,), (Outcome.FAILED,)))
    old, sent = json.loads(task.request_body), json.loads(new.request_body)
    assert sent["param"].pop("callbackUrl") != old["param"].pop("callbackUrl")
    assert (sent["param"].pop("type"), sent["param"].pop("deviceList")) == ("DeviceList", ["a", "b"])
    assert sent["param"] == {
        name: value
        for name, value in old["param"].items()
        if name in ("command", "maxRetransmit", "groupTag")
    }
    assert len(sent["taskName"]) == 256
    assert sent.pop("taskName") != old.pop("taskName")
    assert {k: v for k, v in sent.items() if k != "param"} == {k: v for k, v in old.items() if k != "param"}
    assert new.name.endswith(tuple("0123456789"))
    assert f" · rerun of #{task.pk} · 20" in new.name


def test_names_of_reruns_of_reruns_do_not_grow(anyone: User) -> None:
    task = TaskFactory(state=State.COMPLETE, name="night valves")
    second = lifecycle.compose(task.application, anyone, rerun.request_for(task, ["a"]))
    third = rerun.fresh_name(second.name, f"#{second.pk}")
    assert third.startswith(f"night valves · rerun of #{second.pk} · ")
    assert third.count("rerun") == 1


def test_a_rerun_keeps_what_it_came_from_and_its_story_tells_it(anyone: User) -> None:
    task = TaskFactory(state=State.COMPLETE)
    lineage = Lineage((task,), (Outcome.FAILED, Outcome.NO_ANSWER))
    new = lifecycle.compose(task.application, anyone, rerun.request_for(task, ["a"]), rerun=lineage)
    new.refresh_from_db()
    assert (new.origins.get().parent, new.origins.get().devices) == (task, 1)
    assert (new.rerun_outcomes, new.rerun_filter) == (["failed", "no-answer"], "")
    assert list(task.reruns.all()) == [new]
    assert new.transitions.get().reason == (
        f"composed as a rerun of #{task.pk} on its devices: failed, without an answer"
    )


# Two operators at once

FAILED = (Outcome.FAILED,)


def again(lineage: Lineage, author: User, **options) -> Task:
    (parent,) = lineage.parents
    request = rerun.request_for(parent, ["a"])
    return lifecycle.compose(parent.application, author, request, rerun=lineage, **options)


def test_a_rerun_that_does_not_know_of_another_one_for_the_same_devices_is_stopped_once(anyone: User) -> None:
    task = TaskFactory(state=State.COMPLETE)
    first = again(Lineage((task,), FAILED, known=0), anyone)
    with pytest.raises(AlreadyRerun):
        again(Lineage((task,), (Outcome.EXPIRED, *FAILED), known=0), anyone)
    assert Task.objects.count() == 2
    assert Lineage((task,), FAILED).earlier() == [first]
    again(Lineage((task,), FAILED, known=first.pk), anyone)
    assert Task.objects.count() == 3


def test_reruns_for_other_outcomes_do_not_stand_in_the_way_but_those_by_filter_might(anyone: User) -> None:
    task = TaskFactory(state=State.COMPLETE)
    again(Lineage((task,), FAILED, known=0), anyone)
    again(Lineage((task,), (Outcome.EXPIRED,), known=0), anyone)
    with pytest.raises(AlreadyRerun):
        again(Lineage((task,), (), "status=SENT", known=0), anyone)


def test_the_same_draft_sent_twice_is_one_rerun(anyone: User) -> None:
    task = TaskFactory(state=State.COMPLETE)
    key = "7f1c9a9e-0001-4000-8000-000000000000"
    assert again(Lineage((task,), FAILED, known=0), anyone, key=key) == again(
        Lineage((task,), FAILED, known=0), anyone, key=key
    )


@pytest.mark.django_db(transaction=True)
def test_of_operators_at_the_same_moment_one_is_served_and_the_others_are_told() -> None:
    task, author = TaskFactory(state=State.COMPLETE), UserFactory()

    def press() -> bool:
        try:
            again(Lineage((task,), FAILED, known=0), author)
        except AlreadyRerun:
            return False
        return True

    assert sorted(at_once(4, press)) == [False, False, False, True]
    assert task.reruns.count() == 1
