"""Reach: how many devices, of which kinds, in which status; what of a list is in doubt; and honest words."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tasks import catalogue, sync
from tasks.models import Application, Device, DeviceList, Group, Membership, Profile
from tasks.profiles import schema
from tasks.profiles.schema import Command, Service
from tasks.reach import Doubts, Kind, doubts, reach, survey
from tasks.sync import census
from tasks.targets import TargetType
from tests.factories import TARGETS, ApplicationFactory, DeviceFactory, GroupFactory, UserFactory

pytestmark = pytest.mark.django_db

VALVE = {"serviceId": "Valve", "method": "CLOSE"}


@pytest.fixture(autouse=True)
def nothing_is_known_from_before() -> None:
    cache.clear()


@pytest.fixture
def fleet() -> Application:
    """Six meters that know Valve CLOSE, three lamps whose profile does not, one device of no known kind."""
    application = ApplicationFactory(catalogue_at=timezone.now())
    for number, status in enumerate(["ONLINE", "ONLINE", "ONLINE", "OFFLINE", "ABNORMAL", "INACTIVE"]):
        _device(application, f"meter-{number}", "Meter", status)
    for number in range(3):
        _device(application, f"lamp-{number}", "Lamp", "ONLINE")
    _device(application, "odd-1", "Odd", "")
    _profile("Meter", Service("Valve", "Valve", commands=(Command("CLOSE"), Command("OPEN"))))
    _profile("Lamp", Service("Light", "Light", commands=(Command("ON"),)), Service("Valve", "Valve"))
    return application


def _device(application: Application, device_id: str, kind: str, status: str) -> None:
    DeviceFactory(
        application=application,
        device_id=device_id,
        device_type=kind,
        manufacturer_id="m",
        model="1",
        status=status,
        location=f"Hall {kind}",
    )


def _group(application: Application, name: str, ids: list[str], size: int | None = None) -> Group:
    group = GroupFactory(application=application, name=name, size=len(ids) if size is None else size)
    Membership.objects.bulk_create(
        Membership(group=group, device=device, seen_in=1)
        for device in application.devices.filter(device_id__in=ids)
    )
    return group


def _profile(kind: str, *services: Service) -> Profile:
    definition = schema.Profile(kind, "m", "Maker", "1", "CoAP", services)
    return Profile.objects.create(
        device_type=kind, manufacturer_id="m", model="1", definition=schema.to_dict(definition), source="x"
    )


def _kept(ids: list[str]) -> DeviceList:
    return DeviceList.objects.create(author=UserFactory(), count=len(ids), text="\n".join(ids))


def asked(kind: TargetType, **members: Any) -> dict[str, Any]:
    return {"type": str(kind), "command": VALVE, **members}


@pytest.mark.parametrize("kind", TargetType)
def test_the_reach_of_a_task_is_told_or_said_to_be_unknown(sandbox, application, kind):
    param = {"type": kind, **TARGETS[kind]}
    unread = reach(application, param)
    assert (unread.count is None) == (kind != TargetType.DEVICE_LIST)
    sync.read(application)
    application.refresh_from_db()
    device, group = application.devices.exclude(location="").first(), application.groups.first()
    match kind:
        case TargetType.DEVICE_TYPE:
            param |= {
                "deviceType": device.device_type,
                "manufacturerId": device.manufacturer_id,
                "model": device.model,
            }
            expected = application.devices.filter(device_type=device.device_type, model=device.model).count()
        case TargetType.DEVICE_AREA:
            param["deviceLocation"] = device.location
            expected = application.devices.filter(location=device.location).count()
        case TargetType.GROUP_LIST:
            param["groupList"], expected = [group.name], group.size
        case TargetType.GROUP_ID_LIST:
            param["groupList"], expected = [group.group_id], group.size
        case TargetType.DEVICE_LIST:
            expected = 3
        case TargetType.BROADCAST:
            expected = 100
    told = reach(application, param)
    assert told.count == expected > 0
    assert told.words


def test_groups_that_are_not_in_the_catalogue_have_no_known_reach(application):
    sync.read(application)
    application.refresh_from_db()
    known = Group.objects.first().name
    told = reach(application, {"type": "GroupList", "groupList": [known, "no such group"]})
    assert told.count is None
    assert "not in the catalogue" in told.words


def test_a_list_is_counted_by_kind_and_status_and_what_is_unknown_is_named(fleet):
    ids = ["meter-0", "lamp-1", "nobody-1", "meter-3", "odd-1", "nobody-2"]
    told = reach(fleet, asked(TargetType.DEVICE_LIST), _kept(ids))
    assert (told.count, told.known, told.silent) == (6, 4, 1)
    assert {part.kind.device_type: (part.count, part.knows) for part in told.parts} == {
        "Meter": (2, True),
        "Lamp": (1, False),
        "Odd": (1, None),
    }
    assert told.parts[0].kind == Kind("Meter", "m", "1")
    assert told.statuses == {"ONLINE": 2, "OFFLINE": 1, "": 1}
    assert (told.unknown, told.unknown_ids) == (2, ("nobody-1", "nobody-2"))
    assert (told.incompatible, told.incompatible_ids) == (1, ("lamp-1",))


def test_a_list_that_is_given_in_the_request_is_counted_without_its_duplicates(fleet):
    told = reach(fleet, asked(TargetType.DEVICE_LIST, deviceList=["meter-0", "meter-0", "x"]))
    assert (told.count, told.known, told.unknown_ids) == (2, 1, ("x",))


def test_of_very_many_doubtful_devices_the_first_few_are_named(fleet):
    told = reach(fleet, asked(TargetType.DEVICE_LIST), _kept([f"nobody-{number}" for number in range(50)]))
    assert (told.unknown, len(told.unknown_ids), told.unknown_ids[0]) == (50, 3, "nobody-0")


@pytest.mark.parametrize(
    ("kind", "members", "count", "silent", "incompatible"),
    [
        (TargetType.BROADCAST, {}, 10, 3, 3),
        (TargetType.DEVICE_TYPE, {"deviceType": "Lamp", "manufacturerId": "m", "model": "1"}, 3, 0, 3),
        (TargetType.DEVICE_TYPE, {"deviceType": "Lamp", "manufacturerId": "m", "model": "2"}, 0, 0, 0),
        (TargetType.DEVICE_AREA, {"deviceLocation": "Hall Meter"}, 6, 3, 0),
    ],
)
@pytest.mark.parametrize("is_counted", [True, False], ids=["by the census", "by the devices"])
def test_a_target_by_rule_is_counted_in_the_catalogue(
    kind, members, count, silent, incompatible, is_counted, fleet
):
    DeviceFactory(
        device_type="Lamp", manufacturer_id="m", model="1", location="Hall Meter"
    )  # somebody else's
    if is_counted:
        census.take(fleet)
    told = reach(fleet, asked(kind, **members))
    assert (told.count, told.silent, told.incompatible, told.unknown) == (count, silent, incompatible, 0)
    assert told.incompatible_ids == (("lamp-0",) if incompatible else ())
    assert ("by the catalogue" in told.words, told.as_of) == (True, fleet.catalogue_at)


def test_without_a_command_no_device_is_said_to_lack_it(fleet):
    told = reach(fleet, asked(TargetType.BROADCAST, command={"serviceId": "Valve"}))
    assert (told.incompatible, told.incompatible_ids) == (0, ())


def test_a_service_without_the_command_does_not_know_it(fleet):
    told = reach(fleet, asked(TargetType.BROADCAST, command={"serviceId": "Light", "method": "CLOSE"}))
    assert told.incompatible == 9


def test_groups_whose_members_are_known_are_counted_device_by_device(fleet):
    night = _group(fleet, "night", ["meter-0", "meter-3", "lamp-0"])
    _group(fleet, "day", ["meter-0", "meter-1"])
    _group(fleet, "other", ["odd-1"])
    both = reach(fleet, asked(TargetType.GROUP_LIST, groupList=["night", "day", "night"]))
    assert (both.count, both.silent, both.incompatible, both.incompatible_ids) == (4, 1, 1, ("lamp-0",))
    assert "at most" not in both.words
    one = reach(fleet, asked(TargetType.GROUP_ID_LIST, groupList=[night.group_id]))
    assert (one.count, one.statuses) == (3, {"ONLINE": 2, "OFFLINE": 1})


def test_groups_whose_members_are_not_known_are_the_sum_of_their_sizes_at_most(fleet):
    _group(fleet, "night", ["meter-0"], size=3)
    _group(fleet, "day", [], size=4)
    both = reach(fleet, asked(TargetType.GROUP_LIST, groupList=["night", "day"]))
    assert (both.count, both.words.startswith("at most"), both.known) == (7, True, 1)
    one = reach(fleet, asked(TargetType.GROUP_LIST, groupList=["night"]))
    assert (one.count, "at most" in one.words) == (3, False)
    assert "not all of their members are in the catalogue" in one.words


def test_groups_of_the_same_name_count_together(fleet):
    for number in range(2):
        GroupFactory(application=fleet, name="night", group_id=f"g-{number}", size=3)
    assert reach(fleet, asked(TargetType.GROUP_LIST, groupList=["night"])).count == 6


def test_groups_of_the_same_name_do_not_stand_for_one_that_is_missing(fleet):
    GroupFactory(application=fleet, name="night", size=3)
    GroupFactory(application=fleet, name="night", size=4)
    told = reach(fleet, asked(TargetType.GROUP_LIST, groupList=["night", "dusk"]))
    assert told.count is None
    assert "1 group is not in the catalogue: dusk" in told.words


def test_what_is_not_documented_is_said(fleet):
    tagged = reach(fleet, asked(TargetType.BROADCAST, groupTag="east"))
    assert "group tag may narrow it" in tagged.words
    area = reach(fleet, asked(TargetType.DEVICE_AREA, deviceLocation="Hall Meter"))
    assert "not documented" in area.words


def test_a_list_needs_no_catalogue_and_nothing_is_said_of_it_then():
    application = ApplicationFactory()
    told = reach(application, asked(TargetType.DEVICE_LIST), _kept(["a", "b"]))
    assert (told.count, told.known, told.unknown) == (2, 0, 0)


def test_a_list_that_is_carried_along_does_not_stand_for_another_target(fleet):
    assert reach(fleet, asked(TargetType.BROADCAST), _kept(["meter-0"])).count == 10


def test_how_many_a_broadcast_or_a_kind_reaches_is_known_without_asking_the_devices(fleet):
    census.take(fleet)
    kind = {"deviceType": "Meter", "manufacturerId": "m", "model": "1"}
    with CaptureQueriesContext(connection) as asked_for:
        assert reach(fleet, asked(TargetType.BROADCAST)).statuses["ONLINE"] == 6
        assert reach(fleet, asked(TargetType.DEVICE_TYPE, **kind)).statuses["ONLINE"] == 3
    assert not [query for query in asked_for if '"tasks_device"' in query["sql"]]


def test_a_command_that_a_newer_profile_brings_is_known_at_once(fleet):
    lamp = {"deviceType": "Lamp", "manufacturerId": "m", "model": "1"}
    assert reach(fleet, asked(TargetType.DEVICE_TYPE, **lamp)).incompatible == 3
    newer = schema.Profile(
        "Lamp", "m", "", "1", "", (Service("Valve", "Valve", commands=(Command("CLOSE"),)),)
    )
    catalogue.store(newer, source="newer.zip")
    assert reach(fleet, asked(TargetType.DEVICE_TYPE, **lamp)).incompatible == 0
    Profile.objects.get(device_type="Lamp").delete()
    assert [part.knows for part in reach(fleet, asked(TargetType.DEVICE_TYPE, **lamp)).parts] == [None]


def test_a_long_list_takes_few_statements_and_none_when_it_is_asked_again(fleet):
    Device.objects.bulk_create(
        Device(application=fleet, device_id=f"d-{number}", status="ONLINE") for number in range(3000)
    )
    kept = _kept([f"d-{number}" for number in range(4000)])
    reach(fleet, asked(TargetType.BROADCAST))  # reads the profiles, which is done once
    with CaptureQueriesContext(connection) as first:
        told = reach(fleet, asked(TargetType.DEVICE_LIST), kept)
    assert (told.known, told.unknown, told.unknown_ids[0]) == (3000, 1000, "d-3000")
    assert len(first) <= 4
    with CaptureQueriesContext(connection) as second:
        assert reach(fleet, asked(TargetType.DEVICE_LIST), kept) == told
    assert len(second) <= 1


@pytest.mark.parametrize("together", [1, 2, 1000])
def test_doubts_name_every_id_that_is_unknown_foreign_or_incompatible(fleet, monkeypatch, together):
    monkeypatch.setattr("tasks.reach.survey.TOGETHER", together)
    _device(ApplicationFactory(), "theirs-1", "Meter", "ONLINE")
    ids = "lamp-2\nmeter-1\nnobody-9\nlamp-0\ntheirs-1\nodd-1\nnobody-1"
    found = doubts(fleet, ids, None, ("Valve", "CLOSE"))
    assert found.unknown == "nobody-9\nnobody-1"
    assert found.foreign == "theirs-1"
    assert found.incompatible == "lamp-2\nlamp-0"
    meter = Profile.objects.get(device_type="Meter")
    assert doubts(fleet, ids, meter).incompatible == "lamp-2\nlamp-0\nodd-1"
    assert doubts(fleet, ids, None).incompatible == ""


def test_nothing_is_in_doubt_before_the_catalogue_was_read():
    assert doubts(ApplicationFactory(), "a", None, ("Valve", "CLOSE")) == Doubts("", "", "")


def test_of_a_very_long_list_some_are_looked_up_and_stand_for_the_others(fleet, monkeypatch):
    monkeypatch.setattr(survey, "LOOKED_UP", 4)
    told = reach(
        fleet, asked(TargetType.DEVICE_LIST), _kept([f"meter-{n}" for n in range(6)] + ["x-1", "x-2"])
    )
    assert (told.count, told.sampled) == (8, 2)
    assert (told.known, told.unknown, told.unknown_ids) == (6, 2, ("x-1",))
    assert told.parts[0].count == 6
    short = reach(fleet, asked(TargetType.DEVICE_LIST), _kept([f"meter-{n}" for n in range(4)]))
    assert (short.count, short.sampled, short.known) == (4, 1, 4)


def test_the_devices_of_a_location_are_found_by_its_index(fleet):
    """SQLite chose to look at every device of the fleet instead, which took seconds in a million."""
    if connection.vendor != "sqlite":
        return
    with CaptureQueriesContext(connection) as queries:
        reach(fleet, asked(TargetType.DEVICE_AREA, deviceLocation="Hall Meter"))
    counting = next(query["sql"] for query in queries if "COUNT(" in query["sql"])
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {counting}")
        plan = " ".join(step[3] for step in cursor.fetchall())
    assert "COVERING INDEX device_at_location (application_id=? AND location=?)" in plan
