"""Choosing devices: what is meant by each filter, alone and with others, and that it is found without reading all."""

import pytest
from django.http import QueryDict
from django.utils.http import urlencode

from tasks import fleet
from tasks.fleet import Choice, LastOutcome
from tasks.models import Census, Membership, Result
from tests.factories import ApplicationFactory, DeviceFactory, GroupFactory, ResultFactory, TaskFactory

pytestmark = pytest.mark.django_db


def ids(application, **choice):
    return list(fleet.select(application, Choice(**choice)).values_list("device_id", flat=True))


@pytest.fixture
def application():
    return ApplicationFactory()


def test_a_choice_travels_as_query_parameters_and_comes_back():
    choice = Choice(text="a b&c", model="MW100", outcome="failed")
    assert choice.to_query() == {"text": "a b&c", "model": "MW100", "outcome": "failed"}
    assert Choice.from_query(QueryDict(urlencode(choice.to_query()))) == choice
    assert not Choice.from_query(QueryDict("page=3&outcome=nonsense&text=%20%00"))
    assert Choice().to_query() == {}


def test_without_a_choice_all_devices_of_the_application_are_meant(application):
    devices = [DeviceFactory(application=application).device_id for _ in range(3)]
    DeviceFactory()
    assert ids(application) == devices


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("867", ["d-1", "d-2"]),
        ("d-", ["d-1", "d-2", "D-3"][:2]),
        ("D-3", ["D-3"]),
        ("pump", ["d-2"]),
        ("8672 ", []),
        ("%", []),
        ("设备", ["D-3"]),
    ],
)
def test_a_text_is_the_beginning_of_an_id_or_a_part_of_the_name(application, text, found):
    DeviceFactory(application=application, device_id="d-1", node_id="8671", name="Valve 1")
    DeviceFactory(application=application, device_id="d-2", node_id="867", name="The Pump")
    DeviceFactory(application=application, device_id="D-3", node_id="1867", name="北楼设备")
    assert ids(application, text=text) == found


def test_of_many_devices_a_name_is_found_by_how_it_begins(application, monkeypatch):
    monkeypatch.setattr("tasks.fleet.searching.FEW", 2)
    for name in ("Pump 1", "The Pump", "Pump 2"):
        DeviceFactory(application=application, device_id=name.lower(), name=name)
    assert ids(application, text="Pump") == ["pump 1", "pump 2"]
    assert ids(application, text="the") == ["the pump"]


def test_every_property_filters_exactly_and_all_together(application):
    given = {
        "device_type": "Meter",
        "manufacturer_id": "M",
        "model": "v1",
        "status": "OFFLINE",
        "location": "Hall-A",
    }
    DeviceFactory(application=application, device_id="meant", **given)
    for name in given:
        DeviceFactory(application=application, device_id=f"other {name}", **given | {name: "another"})
    assert ids(application, **given) == ["meant"]
    for name in given:
        assert f"other {name}" not in ids(application, **{name: given[name]})
        assert len(ids(application, **{name: given[name]})) == 5


def test_a_group_means_its_members(application):
    inside, outside = DeviceFactory(application=application), DeviceFactory(application=application)
    group = GroupFactory(application=application, group_id="g")
    same_id = GroupFactory(group_id="g")
    Membership.objects.create(group=group, device=inside, seen_in=1)
    Membership.objects.create(group=same_id, device=outside, seen_in=1)
    assert ids(application, group="g") == [inside.device_id]
    assert ids(application, group="nonsense") == []
    assert list(inside.groups.all()) == [group]


def test_a_group_is_found_by_its_name_too_but_its_id_comes_first(application):
    named, other = (GroupFactory(application=application, group_id=key, name="g-1") for key in ("x", "y"))
    GroupFactory(group_id="z", name="g-1")
    for group in (named, other):
        device = DeviceFactory(application=application, device_id=f"of-{group.group_id}")
        Membership.objects.create(group=group, device=device, seen_in=1)
    assert ids(application, group="g-1") == ["of-x"]
    other.group_id = "g-1"
    other.save()
    assert ids(application, group="g-1") == ["of-y"]


def test_the_outcome_is_that_of_the_newest_result(application):
    first, second = TaskFactory(application=application), TaskFactory(application=application)
    for number, (earlier, newest) in enumerate(
        [("SUCCESSFUL", "FAILED"), ("FAILED", "SUCCESSFUL"), ("FAILED", ""), ("FAILED", "SENT"), (None, None)]
    ):
        device = DeviceFactory(application=application, device_id=f"d-{number}")
        for task, status in ((first, earlier), (second, newest)):
            if status is not None:
                ResultFactory(task=task, device_id=device.device_id, status=status)
    found = {outcome: ids(application, outcome=outcome) for outcome in LastOutcome}
    assert {outcome: named for outcome, named in found.items() if named} == {
        LastOutcome.FAILED: ["d-0"],
        LastOutcome.SUCCESSFUL: ["d-1"],
        LastOutcome.NO_ANSWER: ["d-2", "d-3"],
        LastOutcome.NEVER: ["d-4"],
    }


def test_what_another_application_did_to_a_device_of_the_same_id_does_not_count(application):
    device = DeviceFactory(application=application)
    ResultFactory(task=TaskFactory(), device_id=device.device_id, status="FAILED")
    assert ids(application, outcome="failed") == []
    assert ids(application, outcome="never") == [device.device_id]
    assert Result.objects.count() == 1


def test_facets_cost_the_same_for_any_fleet(application, django_assert_num_queries):
    GroupFactory(application=application, name="night", size=5)
    empty = fleet.facets(application)
    assert (empty.devices, empty.kinds, [group.name for group in empty.groups]) == (0, (), ["night"])
    Census.objects.create(
        application=application,
        devices=3,
        parts=[["Meter", "M", "v1", "ONLINE", 2, "d-1"], ["Meter", "M", "v1", "OFFLINE", 1, "d-2"]],
        locations=[["Hall-A", 2]],
        other_locations=1,
    )
    application.refresh_from_db()
    with django_assert_num_queries(1):
        known = fleet.facets(application)
    with django_assert_num_queries(1):
        assert [group.name for group in [*known.groups, *known.groups]] == ["night", "night"]
    assert known.kinds == (fleet.Kind("Meter", "M", "v1", 3),)
    assert known.locations == (("Hall-A", 2),)
