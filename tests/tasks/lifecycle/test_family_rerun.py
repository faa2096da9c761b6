"""One rerun over a family: which devices, from which task, and never twice."""

import json
import uuid

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tasks import lifecycle
from tasks.lifecycle import AlreadyRerun, Lineage, NotOffered, Outcome, family_rerun, rerun
from tasks.models import Application, Family, Task
from tasks.states import State
from tests.factories import (
    ApplicationFactory,
    ProfileFactory,
    ResultFactory,
    TaskFactory,
    UserFactory,
    make_template,
)
from tests.tasks.threads import at_once

pytestmark = pytest.mark.django_db

WORDS = {"ok": "SUCCESSFUL", "bad": "FAILED", "late": "TIMEOUT", "kept": "PENDING"}


@pytest.fixture
def author(db: None) -> User:
    return UserFactory()


@pytest.fixture
def ours(db: None) -> Application:
    return ApplicationFactory()


@pytest.fixture
def family(author: User) -> Family:
    return Family.objects.create(name="Valves", author=author)


def answered(
    ours: Application, family: Family, *devices: str, state: State = State.COMPLETE, **given
) -> Task:
    """A task whose devices answered as their names say."""
    statuses = [WORDS[device.partition("-")[0]] for device in devices]
    counts = {status: statuses.count(status) for status in statuses}
    task = TaskFactory(
        application=ours, family=family, state=state, devices=devices, listed=True, counts=counts, **given
    )
    for device, status in zip(devices, statuses, strict=True):
        ResultFactory(task=task, device_id=device, status=status)
    return task


def counted(family: Family) -> dict[str, int]:
    return {each.outcome.value: each.count for each in family_rerun.offer(family).choices if each.count}


def chosen(family: Family, *outcomes: Outcome) -> dict[int, list[str]]:
    return {each.parent.pk: each.devices for each in family_rerun.portions(family, outcomes)}


def listed(task: Task) -> list[str]:
    return json.loads(task.request_body)["param"]["deviceList"]


def again(author: User, parent: Task, outcome: Outcome, statuses: dict[str, str]) -> Task:
    """A rerun of the parent, over already, whose devices answered so."""
    devices = rerun.devices_with(parent, [outcome])
    task = lifecycle.compose(
        parent.application, author, rerun.request_for(parent, devices), rerun=Lineage((parent,), (outcome,))
    )
    for device in devices:
        ResultFactory(task=task, device_id=device, status=statuses[device])
    counts = {status: list(statuses.values()).count(status) for status in set(statuses.values())}
    Task.objects.filter(pk=task.pk).update(state=State.COMPLETE, counts=counts, listed=True)
    return Task.objects.get(pk=task.pk)


def test_the_devices_of_all_tasks_are_counted_and_chosen_by_their_task(ours, family):
    one = answered(ours, family, "ok-1", "bad-1", "late-1", "kept-1")
    two = answered(ours, family, "bad-2", "bad-3")
    TaskFactory(application=ours, state=State.COMPLETE, counts={"FAILED": 9})
    assert counted(family) == {"failed": 3, "timed-out": 1, "no-answer": 1}
    assert chosen(family, Outcome.FAILED, Outcome.NO_ANSWER) == {
        one.pk: ["bad-1", "kept-1"],
        two.pk: ["bad-2", "bad-3"],
    }


def test_devices_without_an_answer_wait_for_the_end_of_their_own_task(ours, family):
    over = answered(ours, family, "kept-1")
    answered(ours, family, "kept-2", "bad-2", state=State.RUNNING)
    assert counted(family) == {"failed": 1, "no-answer": 1}
    assert family_rerun.offer(family).waiting == 1
    assert chosen(family, Outcome.NO_ANSWER) == {over.pk: ["kept-1"]}


def test_a_refusal_says_what_keeps_the_devices_back(ours, family):
    answered(ours, family, "kept-2", state=State.RUNNING)
    refusals = {each.outcome: each.refusal for each in family_rerun.offer(family).choices}
    assert "still running" in refusals[Outcome.NO_ANSWER]
    assert refusals[Outcome.FAILED] == "No device is failed."
    assert "still running" in family_rerun.offer(family).refusal
    for outcomes in ([], [Outcome.NO_ANSWER], [Outcome.FAILED]):
        with pytest.raises(NotOffered, match=r"^\w.*\.$"):
            family_rerun.portions(family, outcomes)


def test_a_device_counts_where_it_was_commanded_last(ours, family, author):
    parent = answered(ours, family, "bad-1", "bad-2", "late-3")
    child = again(author, parent, Outcome.FAILED, {"bad-1": "SUCCESSFUL", "bad-2": "FAILED"})
    assert counted(family) == {"failed": 1, "timed-out": 1}
    assert chosen(family, Outcome.FAILED, Outcome.TIMED_OUT) == {parent.pk: ["late-3"], child.pk: ["bad-2"]}


def test_tasks_that_were_never_sent_give_their_devices_without_the_rerun_ones(ours, family, author):
    never = TaskFactory(application=ours, family=family, state=State.REFUSED, devices=["a", "b"])
    other = TaskFactory(application=ours, family=family, state=State.CANCELLED, devices=["c"])
    assert counted(family) == {"not-dispatched": 3}
    assert chosen(family, Outcome.NOT_DISPATCHED) == {never.pk: ["a", "b"], other.pk: ["c"]}
    again(author, never, Outcome.NOT_DISPATCHED, {"a": "SUCCESSFUL", "b": "FAILED"})
    assert counted(family) == {"failed": 1, "not-dispatched": 1}


def test_a_silent_task_without_rows_gives_its_whole_list(ours, family):
    task = TaskFactory(application=ours, family=family, state=State.TIMED_OUT, devices=["a", "b"])
    assert counted(family) == {"no-answer": 2}
    assert chosen(family, Outcome.NO_ANSWER) == {task.pk: ["a", "b"]}


def compose_rerun(
    author: User,
    family: Family,
    given: list[family_rerun.Portion],
    outcomes: list[Outcome],
    *,
    known: int,
    key=None,
) -> list[Task]:
    return lifecycle.compose_family(
        author, family_rerun.proposals_of(family, given, outcomes, known=known), key=key
    )


def origins(task: Task) -> dict[int, int]:
    return dict(task.origins.values_list("parent", "devices"))


def test_the_rerun_is_in_the_family_with_the_command_of_each_parent(ours, family, author):
    one = answered(ours, family, "bad-1", ask={"command": {"paras": {"period": 1}}})
    two = answered(ours, family, "bad-2", ask={"command": {"paras": {"period": 2}}}, callback=False)
    portions = family_rerun.portions(family, [Outcome.FAILED])
    tasks = compose_rerun(author, family, portions, [Outcome.FAILED], known=two.pk)
    assert [(task.rerun_of.get(), task.paras, listed(task)) for task in tasks] == [
        (one, {"period": 1}, ["bad-1"]),
        (two, {"period": 2}, ["bad-2"]),
    ]
    assert {task.family for task in tasks} == {family}
    assert [task.callback_token is None for task in tasks] == [False, True]
    assert [task.rerun_outcomes for task in tasks] == [["failed"]] * 2
    assert counted(family) == {}
    assert "was commanded again" in family_rerun.offer(family).refusal


def test_tasks_with_the_same_command_are_rerun_by_one(ours, family, author):
    one, two = answered(ours, family, "bad-1", "ok-1", "late-1"), answered(ours, family, "bad-2")
    other = answered(ours, family, "bad-3", ask={"command": {"paras": {"period": 9}}})
    outcomes = [Outcome.FAILED, Outcome.TIMED_OUT]
    assert family_rerun.offer(family).tasks(outcomes) == 2
    tasks = compose_rerun(author, family, family_rerun.portions(family, outcomes), outcomes, known=other.pk)
    assert [sorted(listed(task)) for task in tasks] == [["bad-1", "bad-2", "late-1"], ["bad-3"]]
    assert [origins(task) for task in tasks] == [{one.pk: 2, two.pk: 1}, {other.pk: 1}]
    assert set(two.reruns.all()) == {tasks[0]}
    assert tasks[0].transitions.get().reason == (
        f"composed as a rerun of #{one.pk}, #{two.pk} on its devices: failed, timed out"
    )
    assert tasks[0].name.startswith(f"Valves · rerun of #{one.pk}, #{two.pk} · 20")
    assert {task.family for task in tasks} == {family}


@pytest.mark.parametrize(
    "difference",
    [
        {"ask": {"command": {"paras": {"period": 60.0}}}},
        {"ask": {"command": {"method": "OTHER"}}},
        {"ask": {"command": {"serviceId": "Other"}}},
        {"max_retransmit": 0},
        {"timeout": 11},
        {"group_tag": "east"},
        {"tags": [["site", "north"]]},
        {"callback": False},
        {"application": None},
        {"profile": None},
    ],
    ids=lambda given: next(iter(given)),
)
def test_tasks_that_differ_in_anything_that_is_sent_are_rerun_apart(difference, ours, family):
    rows = {"application": ApplicationFactory, "profile": ProfileFactory}
    given = {name: rows[name]() if value is None else value for name, value in difference.items()}
    answered(ours, family, "bad-1")
    answered(given.pop("application", ours), family, "bad-2", **given)
    assert family_rerun.offer(family).tasks([Outcome.FAILED]) == 2
    assert len(family_rerun.merged(family_rerun.portions(family, [Outcome.FAILED]))) == 2


def test_a_rerun_of_many_devices_is_as_few_tasks_as_the_size_allows(ours, family, author, settings):
    settings.FAMILY_DEVICES = 3
    one, two = answered(ours, family, "bad-1", "bad-2"), answered(ours, family, "bad-3", "bad-4", "bad-5")
    assert family_rerun.offer(family).tasks([Outcome.FAILED]) == 2
    portions = family_rerun.portions(family, [Outcome.FAILED])
    tasks = compose_rerun(author, family, portions, [Outcome.FAILED], known=two.pk, key=uuid.uuid4())
    assert [listed(task) for task in tasks] == [["bad-1", "bad-2", "bad-3"], ["bad-4", "bad-5"]]
    assert [origins(task) for task in tasks] == [{one.pk: 2, two.pk: 1}, {two.pk: 2}]
    assert tasks[0].name.endswith(" (1 of 2)")


def test_a_device_that_two_tasks_listed_is_commanded_once_from_the_newer(ours, family):
    answered(ours, family, "bad-1", "bad-2")
    newer = answered(ours, family, "bad-1", ask={"command": {"paras": {"period": 9}}})
    found = chosen(family, Outcome.FAILED)
    assert found[newer.pk] == ["bad-1"]
    assert sorted(device for devices in found.values() for device in devices) == ["bad-1", "bad-2"]


def test_reruns_of_reruns_that_were_merged_count_where_they_were_commanded_last(ours, family, author):
    one, two = answered(ours, family, "bad-1"), answered(ours, family, "bad-2", "late-2")
    portions = family_rerun.portions(family, [Outcome.FAILED])
    (again,) = compose_rerun(author, family, portions, [Outcome.FAILED], known=two.pk)
    Task.objects.filter(pk=again.pk).update(state=State.COMPLETE, listed=True, counts={"FAILED": 2})
    for device in ("bad-1", "bad-2"):
        ResultFactory(task=again, device_id=device, status="FAILED")
    assert counted(family) == {"failed": 2, "timed-out": 1}
    assert chosen(family, Outcome.FAILED, Outcome.TIMED_OUT) == {
        two.pk: ["late-2"],
        again.pk: ["bad-1", "bad-2"],
    }
    assert one.reruns.get() == again


def test_the_template_of_the_tasks_is_kept_where_they_have_one_in_common(ours, family, author):
    version, other = make_template("A").newest, make_template("B").newest
    for period, template in ((1, version), (1, version), (2, version), (2, other)):
        name = f"bad-{Task.objects.count()}"
        answered(ours, family, name, template=template, ask={"command": {"paras": {"period": period}}})
    portions = family_rerun.portions(family, [Outcome.FAILED])
    tasks = compose_rerun(author, family, portions, [Outcome.FAILED], known=None)
    assert [task.template for task in tasks] == [version, None]


def test_a_rerun_that_somebody_composed_meanwhile_stops_all_of_it(ours, family, author):
    one, two = answered(ours, family, "bad-1"), answered(ours, family, "bad-2")
    portions = family_rerun.portions(family, [Outcome.FAILED])
    known = family_rerun.offer(family).newest
    again(author, two, Outcome.FAILED, {"bad-2": "FAILED"})
    with pytest.raises(AlreadyRerun):
        compose_rerun(author, family, portions, [Outcome.FAILED], known=known)
    assert not one.reruns.exists()
    assert Task.objects.count() == 3


@pytest.mark.django_db(transaction=True)
def test_two_clicks_make_one_rerun_and_two_operators_make_one(ours, family, author):
    for period in (1, 2):
        answered(ours, family, f"bad-{period}", ask={"command": {"paras": {"period": period}}})
    portions = family_rerun.portions(family, [Outcome.FAILED])
    known, key = family_rerun.offer(family).newest, uuid.uuid4()

    def click(key: uuid.UUID) -> list[int]:
        try:
            made = compose_rerun(author, family, portions, [Outcome.FAILED], known=known, key=key)
            return [task.pk for task in made]
        except AlreadyRerun:
            return []

    made = at_once(3, lambda: click(key))
    assert len({tuple(ids) for ids in made}) == 1
    assert at_once(2, lambda: click(uuid.uuid4())) == [[], []]
    assert Task.objects.filter(rerun_of__isnull=False).count() == 2


def test_what_a_thousand_tasks_offer_costs_as_many_queries_as_what_ten_do(ours, family, author, monkeypatch):
    asked = []
    for many in (10, 1000):
        made = [
            TaskFactory.build(application=ours, author=author, family=family, state=State.COMPLETE,
                              counts={"FAILED": 1}, listed=True)
            for _ in range(many - Task.objects.count())
        ]  # fmt: skip
        Task.objects.bulk_create(made)
        newest = Task.objects.first()
        ResultFactory(task=newest, status="FAILED")
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert counted(family) == {"failed": many}
            assert family_rerun.portions(family, [Outcome.FAILED])
        asked.append(len(queries))
    assert asked[0] == asked[1] <= 12
