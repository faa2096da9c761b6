"""Which unfinished tasks send the same command to the same devices: surely, perhaps, or not at all."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.cache import cache

from tasks import underway
from tasks.models import Application, DeviceList
from tasks.reach import Kind, Part, Reach
from tasks.states import State
from tasks.targets import TargetType
from tests.factories import COMMAND, TARGETS, ApplicationFactory, ResultFactory, TaskFactory, UserFactory

pytestmark = pytest.mark.django_db

LIST, TYPE, AREA, NAMES, IDS, ALL = (
    TargetType.DEVICE_LIST,
    TargetType.DEVICE_TYPE,
    TargetType.DEVICE_AREA,
    TargetType.GROUP_LIST,
    TargetType.GROUP_ID_LIST,
    TargetType.BROADCAST,
)


@pytest.fixture(autouse=True)
def nothing_is_known_from_before() -> None:
    cache.clear()


@pytest.fixture
def plant() -> Application:
    return ApplicationFactory()


def param(kind: TargetType = LIST, **changes: Any) -> dict[str, Any]:
    return {"type": str(kind), "command": COMMAND} | TARGETS[kind] | changes


def reach(count: int | None = 3, kinds: dict[str, int] | None = None, unknown: int = 0) -> Reach:
    kinds = kinds or {}
    parts = tuple(Part(Kind(name, "Huawei", "v1001"), number) for name, number in kinds.items())
    return Reach(count, "as listed", parts=parts, statuses={"ONLINE": sum(kinds.values())}, unknown=unknown)


def told(
    application: Application, asked: dict[str, Any], known: Reach | None = None, **given: Any
) -> list[Any]:
    found = underway.overlaps(application, asked, known or reach(), **given)
    return [(overlap.task, overlap.is_sure, overlap.shared) for overlap in found]


@pytest.mark.parametrize("state", State)
def test_only_a_task_that_is_not_over_is_on_its_way(state, plant):
    task = TaskFactory(application=plant, state=state, devices=["device-1", "x"])
    expected = [(task, True, 1)] if state in ("QUEUED", "SUBMITTING", "UNCONFIRMED", "RUNNING") else []
    assert told(plant, param()) == expected


def test_another_command_another_application_and_the_parent_of_a_rerun_are_not_counted(plant):
    TaskFactory(application=plant, ask={"command": {"method": "OTHER"}})
    TaskFactory(application=plant, ask={"command": {"serviceId": "Other"}})
    TaskFactory()
    parent = TaskFactory(application=plant)
    TaskFactory(application=plant, rerun_of=parent)
    assert told(plant, param(), besides=[parent.pk]) == []
    assert [task for task, *_ in told(plant, param())] == [parent.reruns.get(), parent]
    assert told(plant, {"type": "DeviceList", "deviceList": ["device-1"]}) == []


@pytest.mark.parametrize(
    ("mine", "theirs", "known", "expected"),
    [
        (param(), (LIST, ["device-1", "device-3", "x"]), reach(), (True, 2)),
        (param(), (LIST, ["x", "y"]), reach(), None),
        (param(), (ALL, {}), reach(), (True, 3)),
        (param(ALL), (LIST, ["x", "y"]), reach(2500), (True, 2)),
        (param(ALL), (TYPE, {}), reach(2500), (True, None)),
        (param(ALL), (ALL, {}), reach(2500), (True, 2500)),
        (param(), (TYPE, {}), reach(kinds={"WaterMeter": 2, "Lamp": 1}), (True, 2)),
        (param(), (TYPE, {}), reach(kinds={"Lamp": 3}), None),
        (param(), (TYPE, {}), reach(kinds={"Lamp": 2}, unknown=1), (False, None)),
        (param(), (TYPE, {}), reach(), (False, None)),
        (param(TYPE), (TYPE, {}), reach(40), (True, 40)),
        (param(TYPE, model="v2"), (TYPE, {}), reach(40), None),
        (param(TYPE), (LIST, ["x"]), reach(40), (False, None)),
        (param(AREA), (AREA, {}), reach(9), (True, 9)),
        (param(AREA, deviceLocation="Hall"), (AREA, {}), reach(9), (False, None)),
        (param(NAMES), (NAMES, {}), reach(7), (True, 7)),
        (param(NAMES, groupList=["day", "dusk"]), (NAMES, {}), reach(7), (True, None)),
        (param(NAMES, groupList=["dusk"]), (NAMES, {}), reach(7), (False, None)),
        (param(IDS), (NAMES, {}), reach(7), (False, None)),
        (param(), (AREA, {}), reach(), (False, None)),
    ],
)  # fmt: skip
def test_two_targets_overlap_surely_perhaps_or_not(mine, theirs, known, expected, plant):
    kind, devices = theirs
    task = TaskFactory(application=plant, kind=kind, devices=devices or None)
    assert told(plant, mine, known) == ([(task, *expected)] if expected else [])


def test_a_device_that_has_answered_is_no_longer_waited_for(plant):
    task = TaskFactory(
        application=plant, state=State.RUNNING, listed=True, counts={"SUCCESSFUL": 2, "SENT": 1}
    )
    for number, status in enumerate(["SUCCESSFUL", "SENT", "FAILED"], 1):
        ResultFactory(task=task, device_id=f"device-{number}", status=status)
    assert told(plant, param()) == [(task, True, 1)]
    assert told(plant, param(deviceList=["device-1", "device-3"])) == []


def test_a_kept_list_is_compared_once(plant, django_assert_num_queries):
    task = TaskFactory(application=plant, devices=["a", "b"])
    kept = DeviceList.objects.create(author=UserFactory(), count=2, text="b\nc")
    assert told(plant, param(), kept=kept) == [(task, True, 1)]
    with django_assert_num_queries(1):
        assert told(plant, param(), kept=kept) == [(task, True, 1)]


def test_more_ids_than_can_be_read_at_once_are_left_open(plant, monkeypatch):
    monkeypatch.setattr(underway, "COMPARED", 4)
    older, newer = (TaskFactory(application=plant) for _ in range(2))
    assert told(plant, param()) == [(newer, True, 3), (older, False, None)]


def test_of_very_many_tasks_the_newest_are_looked_at(plant, monkeypatch):
    monkeypatch.setattr(underway, "LOOKED_AT", 1)
    TaskFactory(application=plant)
    newest = TaskFactory(application=plant)
    assert told(plant, param()) == [(newest, True, 3)]
