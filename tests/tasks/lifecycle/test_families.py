"""Several tasks that belong together: how a request becomes them, and that they are composed all or none."""

import datetime as dt
import importlib
import json
import uuid
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import User

from tasks import clock, lifecycle
from tasks.lifecycle import Invalid, Lineage, Proposal
from tasks.lifecycle.families import numbered, page_of, requests_of, sent_under
from tasks.lifecycle.prune import AUDIT, DRAFTS, prune
from tasks.lifecycle.values import ValueSet
from tasks.models import Application, DeviceList, Family, Task, ValueTable
from tasks.states import State
from tasks.targets import TargetType
from tests.factories import ApplicationFactory, TaskFactory, UserFactory, request
from tests.tasks.threads import at_once

pytestmark = pytest.mark.django_db


@pytest.fixture
def ours(db: None) -> Application:
    return ApplicationFactory()


@pytest.fixture
def author(db: None) -> User:
    return UserFactory()


def compose_family(
    application: Application, author: User, asked: Any, *, key: uuid.UUID | None = None, **others: Any
) -> list[Task]:
    return lifecycle.compose_family(author, [Proposal(application, asked, **others)], key=key)


def listed(task: Task) -> list[str]:
    return json.loads(task.request_body)["param"]["deviceList"]


def ids(count: int) -> list[str]:
    return [f"device-{n}" for n in range(count)]


def test_a_list_over_the_size_becomes_a_family_that_has_every_device_once_and_in_order(
    ours, author, settings
):
    settings.FAMILY_DEVICES = 3
    tasks = compose_family(ours, author, request(param={"deviceList": [*ids(7), "device-0"]}))
    assert [listed(task) for task in tasks] == [ids(7)[:3], ids(7)[3:6], ids(7)[6:]]
    assert [task.name for task in tasks] == [f"night valves ({n} of 3)" for n in (1, 2, 3)]
    family = Family.objects.get()
    assert (family.name, family.author) == ("night valves", author)
    assert {task.family for task in tasks} == {family}
    assert len({task.callback_token for task in tasks}) == 3
    assert page_of(tasks) == family


def test_a_list_of_the_size_is_one_task_without_a_family(ours, author, settings):
    settings.FAMILY_DEVICES = 3
    (task,) = compose_family(ours, author, request(param={"deviceList": ids(3)}))
    assert (task.name, task.family, page_of([task])) == ("night valves", None, task)


@pytest.mark.parametrize("kind", TargetType)
def test_every_target_type_is_composed(kind, ours, author):
    (task,) = compose_family(ours, author, request(kind))
    assert task.target_type == kind


def test_every_set_of_values_is_a_task_with_what_is_the_same_for_all(ours, author, settings):
    settings.FAMILY_DEVICES = 2
    sets = [
        ValueSet({"period": 5, "mode": None}, ["a", "b", "c"]),
        ValueSet({"period": 6, "mode": "ECO"}, ["d"]),
    ]
    asked = request(
        param={"deviceList": ["other"]}, command={"paras": {"period": 1, "mode": "FULL", "unit": "s"}}
    )
    tasks = compose_family(ours, author, asked, sets=sets)
    assert [(listed(task), task.paras) for task in tasks] == [
        (["a", "b"], {"period": 5, "unit": "s"}),
        (["c"], {"period": 5, "unit": "s"}),
        (["d"], {"period": 6, "mode": "ECO", "unit": "s"}),
    ]


def test_a_single_set_that_leaves_all_out_sends_no_paras(ours, author):
    asked = request(command={"paras": {"period": 1}})
    (task,) = compose_family(ours, author, asked, sets=[ValueSet({"period": None}, ["a"])])
    assert "paras" not in json.loads(task.request_body)["param"]["command"]
    assert (task.name, listed(task)) == ("night valves", ["a"])


def test_values_by_device_need_a_list_of_devices(ours, author):
    with pytest.raises(Invalid, match=r"param\.type: must be DeviceList"):
        compose_family(ours, author, request("Broadcast"), sets=[ValueSet({"a": 1}, ["b"])])


def test_all_problems_are_found_before_anything_is_queued(ours, author):
    with pytest.raises(Invalid) as raised:
        compose_family(ours, author, request(timeout=1), sets=[ValueSet({"a": 1}, ["", "b"])])
    assert [problem.path for problem in raised.value.problems] == ["timeout", "param.deviceList[0]"]
    assert not Task.objects.exists()


def test_one_part_that_cannot_be_composed_takes_all_with_it(ours, author):
    sets = [ValueSet({"a": 1}, ["a"]), ValueSet({"a": float("nan")}, ["b"])]
    with pytest.raises(Invalid, match=r"paras\.a"):
        compose_family(ours, author, request(), sets=sets)
    assert not Task.objects.exists()
    assert not Family.objects.exists()


def test_more_than_a_thousand_tasks_are_refused_in_words(ours, author, settings):
    settings.FAMILY_DEVICES = 1
    with pytest.raises(Invalid, match="would become 1,001 tasks; at most 1,000"):
        compose_family(ours, author, request(param={"deviceList": ids(1001)}))


@pytest.mark.parametrize("length", [1, 246, 247, 255, 256])
def test_names_stay_unique_and_within_the_length_that_the_api_page_counts(length):
    named = [
        numbered("\N{GRINNING FACE}" * (length - 1) + tail, n, 1000) for tail in "ab" for n in (1, 10, 1000)
    ]
    assert len(set(named)) == 6
    assert max(map(len, named)) <= 256
    assert named[0].endswith("(1 of 1000)")


def test_the_same_key_gives_the_same_family(ours, author, settings):
    settings.FAMILY_DEVICES = 1
    key = uuid.uuid4()
    asked = request(param={"deviceList": ids(3)})
    tasks = compose_family(ours, author, asked, key=key)
    again = compose_family(ours, author, asked, key=key)
    assert again[0] == tasks[0]
    assert page_of(again) == Family.objects.get()
    assert Task.objects.count() == 3
    assert page_of(sent_under(key, author)) == Family.objects.get()
    assert sent_under(key, UserFactory()) == []


@pytest.mark.django_db(transaction=True)
def test_a_double_click_makes_one_family(ours, author, settings):
    settings.FAMILY_DEVICES = 1
    key = uuid.uuid4()
    asked = request(param={"deviceList": ids(5)})
    made = at_once(4, lambda: compose_family(ours, author, asked, key=key))
    assert len({tasks[0].pk for tasks in made}) == 1
    assert (Task.objects.count(), Family.objects.count()) == (5, 1)


def test_a_rerun_joins_the_family_of_its_parent_and_so_does_its_own_rerun(ours, author, settings):
    parent = TaskFactory(application=ours, author=author, state=State.COMPLETE, name="Valves")
    first = lifecycle.compose(ours, author, request(taskName="again"), rerun=Lineage((parent,), ("failed",)))
    second = lifecycle.compose(ours, author, request(taskName="more"), rerun=Lineage((first,), ("failed",)))
    parent.refresh_from_db()
    family = Family.objects.get()
    assert (family.name, family.author) == ("Valves", author)
    assert {parent.family, first.family, second.family} == {family}


def test_a_long_rerun_is_split_within_its_parents_family(ours, author, settings):
    settings.FAMILY_DEVICES = 1
    parent = TaskFactory(application=ours, state=State.COMPLETE)
    lineage = Lineage((parent,), ("failed",), known=0)
    tasks = compose_family(
        ours, author, request(param={"deviceList": ids(3)}), rerun=lineage, key=uuid.uuid4()
    )
    assert [list(task.rerun_of.all()) for task in tasks] == [[parent]] * 3
    parent.refresh_from_db()
    assert {task.family for task in tasks} == {parent.family}
    with pytest.raises(lifecycle.AlreadyRerun):
        compose_family(ours, author, request(param={"deviceList": ids(3)}), rerun=lineage)
    assert Task.objects.count() == 4


def test_cancelling_a_family_leaves_what_was_sent(ours, author, settings):
    settings.FAMILY_DEVICES = 1
    tasks = compose_family(ours, author, request(param={"deviceList": ids(4)}))
    Task.objects.filter(pk=tasks[0].pk).update(state=State.RUNNING)
    Task.objects.filter(pk=tasks[1].pk).update(state=State.COMPLETE)
    family = tasks[0].family
    assert lifecycle.cancel_family(family, author) == (2, 1)
    states = list(family.tasks.order_by("pk").values_list("state", flat=True))
    assert states == [State.RUNNING, State.COMPLETE, State.CANCELLED, State.CANCELLED]
    assert lifecycle.cancel_family(family, author) == (0, 1)


def test_a_family_is_pruned_with_the_last_of_its_tasks(ours, author, settings):
    settings.FAMILY_DEVICES, settings.KEEP_AUDIT = 1, dt.timedelta(days=1)
    tasks = compose_family(ours, author, request(param={"deviceList": ids(2)}))
    old = {"state": State.COMPLETE, "finished_at": clock.now() - dt.timedelta(days=2)}
    for task, left in zip(tasks, (1, 0), strict=True):
        Task.objects.filter(pk=task.pk).update(**old)
        prune([AUDIT])
        assert (Task.objects.count(), Family.objects.count()) == (left, left)


def test_values_go_with_their_list_of_devices(author):
    kept = DeviceList.objects.create(
        author=author, count=1, text="a", created_at=clock.now() - dt.timedelta(days=99)
    )
    ValueTable.objects.create(devices=kept, columns=["a"], sets=[[{"a": 1}, 1]], text="")
    prune([DRAFTS])
    assert not DeviceList.objects.exists()
    assert not ValueTable.objects.exists()


def test_reruns_from_before_families_join_that_of_their_parent(ours):
    parent = TaskFactory(application=ours, name="Valves")
    child = TaskFactory(application=ours, rerun_of=parent)
    grandchild = TaskFactory(application=ours, rerun_of=child)
    alone = TaskFactory(application=ours)
    importlib.import_module("tasks.migrations.0018_families").give_reruns_their_family(apps, None)
    (family,) = Family.objects.all()
    assert (family.name, family.created_at) == ("Valves", parent.created_at)
    assert set(family.tasks.all()) == {parent, child, grandchild}
    assert Task.objects.get(pk=alone.pk).family is None


def test_nothing_is_divided_that_has_no_list():
    assert requests_of(request("Broadcast")) == [request("Broadcast")]
