import tracemalloc

from tasks.sandbox import Config
from tasks.sandbox.checks import Order
from tasks.sandbox.fleet import LOCATIONS, STATUSES, Fleet
from tasks.sandbox.groups import Groups
from tasks.sandbox.platform import Platform
from tasks.sandbox.targets import resolved

MILLION = 1_000_000


def fleet(size=1000, seed=1):
    return Fleet(size, seed, 0.0)


def test_the_same_seed_gives_the_same_fleet():
    one, two, other = fleet(), fleet(), fleet(seed=2)
    assert [one.id_of(i) for i in range(50)] == [two.id_of(i) for i in range(50)]
    assert [one.status(i) for i in range(50)] == [two.status(i) for i in range(50)]
    assert one.id_of(0) != other.id_of(0)


def test_a_device_is_found_by_its_id_alone():
    known = fleet()
    assert all(known.find(known.id_of(index)) == index for index in range(1000))
    assert known.find(fleet(2000).id_of(1500)) is None


def test_the_fleet_is_mixed():
    known = fleet()
    assert {known.status(i) for i in known} == set(STATUSES)
    assert {known.location(i) for i in known} == set(LOCATIONS)
    assert len({known.names(i) for i in known}) == 4


def test_filters_agree_with_the_devices_one_by_one():
    known = fleet()
    known.change(3, {"location": "Moon"})
    known.deleted.add(13)
    known.register({"deviceType": "WaterMeter", "manufacturerId": "Muster", "model": "MW100", "nodeId": "n"})
    for location in (*LOCATIONS, "Moon"):
        assert sorted(known.at(location)) == [i for i in known if known.location(i) == location]
    for kind in ("WaterMeter", "StreetLight", "Toaster"):
        assert sorted(known.of_type(kind, None, None)) == [i for i in known if known.names(i)[0] == kind]
    assert len(known.everything()) == len(known) == 1000


def test_a_registered_device_understands_its_profile():
    known = fleet()
    index = known.register(
        {"deviceType": "SmartLock", "manufacturerId": "Muster", "model": "LK7", "nodeId": "n"}
    )
    profile = known.profile(index)
    assert profile is not None
    assert profile.command("Lock", "UNLOCK") is not None
    assert known.profile(known.register({"nodeId": "m"})) is None


def test_groups_have_the_members_they_claim():
    known, groups = fleet(), Groups(1)
    for group in groups.by_id.values():
        assert list(group.members(known)) == [i for i in known if group.holds(i)]
        assert group.size(known) == len(group.members(known)) > 0
    pilot = groups.named("pilot")
    pilot.join([0, 3])
    pilot.leave([103])
    assert sorted(pilot.members(known)) == [i for i in known if pilot.holds(i)]
    assert 0 in pilot.members(known)
    assert 103 not in pilot.members(known)


def test_a_million_devices_and_a_broadcast_to_all_of_them_fit_in_40_megabytes():
    tracemalloc.start()
    try:
        platform = Platform(Config(devices=MILLION, mix=(0, 0, 0, 1, 0)))
        order = Order(
            "n", 10, "Broadcast", {}, {"serviceId": "s", "method": "m", "paras": {}}, None, (), None
        )
        found = resolved("Broadcast", {}, platform.fleet, platform.groups, platform.config)
        dispatch = platform.open_task(order, *found).dispatch
        for number in range(50_000):
            dispatch.set(number, 3)
        assert len(dispatch) == MILLION
        assert tracemalloc.get_traced_memory()[1] < 40 * 1024 * 1024
    finally:
        tracemalloc.stop()
