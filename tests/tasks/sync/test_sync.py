"""Reading the fleet: whole, resumable at any moment, under the call budget, and honest about what it left out."""

import datetime as dt
import json
from functools import partial

import pytest
from django.db import connection
from django.db.models import Count
from django.test.utils import CaptureQueriesContext

from tasks import clock, lifecycle, sync
from tasks.lifecycle import budget
from tasks.lifecycle.asking import ask
from tasks.models import Application, Census, Device, Group, Membership, Profile, Sync
from tasks.platform import client
from tasks.sync import devices, groups, places, sections, turns
from tests.factories import ApplicationFactory, DeviceFactory, GroupFactory, TaskFactory, UserFactory
from tests.sandbox import API, running_sandbox
from tests.tasks.platform.servers import saying

pytestmark = pytest.mark.django_db

REGISTER = f"{API}/reg/v1.1.0/deviceCredentials"


@pytest.fixture
def small_pages(monkeypatch):
    monkeypatch.setattr(devices, "PAGE", 30)
    monkeypatch.setattr(groups, "MEMBER_PAGE", 15)
    monkeypatch.setattr(groups, "PAGE", 4)


def through(reading):
    """Go on with it until it is over, whatever it waits for."""
    for _ in range(200):
        reading.refresh_from_db()
        if reading.finished_at:
            return reading
        Sync.objects.filter(pk=reading.pk).update(due_at=clock.now())
        sync.go_on(reading.pk)
    raise AssertionError(f"it never ends: {reading.section} {reading.page} {reading.problem}")


def members_of(sandbox):
    groups = sandbox.platform.groups.by_id.values()
    fleet = sandbox.platform.fleet
    return {group.id: {fleet.id_of(index) for index in group.members(fleet)} for group in groups}


def memberships(application):
    pairs = Membership.objects.filter(group__application=application).values_list(
        "group__group_id", "device__device_id"
    )
    found = {}
    for group, device in pairs:
        found.setdefault(group, set()).add(device)
    return found


def test_devices_groups_members_and_profiles_are_read(sandbox, application, small_pages):
    gone = DeviceFactory(application=application, device_id="gone")
    lost = GroupFactory(application=application, group_id="lost")
    Membership.objects.create(group=lost, device=gone, seen_in=0)
    other = DeviceFactory()
    reading = through(sync.start(application, UserFactory()))
    assert (reading.ended, reading.problem, reading.remarks) == ("complete", "", [])
    assert reading.counts["devices"] == 100
    assert reading.counts["gone"] == 1
    application.refresh_from_db()
    assert application.catalogue_at == reading.started_at
    assert set(application.devices.values_list("device_id", flat=True)) == set(sandbox.devices(100))
    assert Device.objects.filter(pk=other.pk).exists()
    assert not Group.objects.filter(pk=lost.pk).exists()
    assert memberships(application) == members_of(sandbox)
    kinds = application.devices.exclude(device_type="").values("device_type", "manufacturer_id", "model")
    assert Profile.objects.count() == kinds.annotate(Count("pk")).count() == 4


def test_commands_can_be_chosen_before_the_many_members_of_groups_are_read(sandbox, application):
    reading = sync.start(application)
    taken = turns.take(reading.pk)
    while taken.section != Sync.Section.GROUPS:
        sections.step(taken, partial(ask, application))
    assert Profile.objects.count() == 4
    assert Census.objects.get(application=application).devices == 100
    assert not Group.objects.exists()


def test_a_device_is_kept_as_the_platform_describes_it(sandbox, application):
    sync.read(application)
    device_id = sandbox.devices(1)[0]
    told = sandbox.call("GET", f"{API}/dm/v1.4.0/devices/{device_id}").json()
    kept = Device.objects.get(application=application, device_id=device_id)
    info = told["deviceInfo"]
    assert (kept.name, kept.node_id, kept.location) == (info["name"], info["nodeId"], info["location"])
    assert (kept.status, kept.status_detail, kept.protocol) == (info["status"], info["statusDetail"], "CoAP")
    assert (kept.device_type, kept.manufacturer_id, kept.model) == ("WaterMeter", "Muster", "MW100")
    assert kept.gateway_id == ""
    assert f"{kept.registered_at:%Y%m%dT%H%M%SZ}" == told["createTime"]
    assert kept.modified_at is not None
    assert abs(kept.read_at - clock.now()) < dt.timedelta(minutes=1)


def test_a_second_reading_brings_up_to_date_what_changed(sandbox, application):
    sync.read(application)
    first, second = sandbox.devices(2)
    keys = dict(application.devices.values_list("device_id", "pk"))
    sandbox.call("PUT", f"{API}/dm/v1.4.0/devices/{first}", {"location": "Moon"})
    sandbox.call("DELETE", f"{API}/dm/v1.4.0/devices/{second}")
    pilot = sandbox.platform.groups.named("pilot")
    pilot.join([0])
    pilot.leave([3])
    through(sync.start(application))
    assert application.devices.get(device_id=first).location == "Moon"
    assert not application.devices.filter(device_id=second).exists()
    assert memberships(application) == members_of(sandbox)
    assert {pk: keys[device_id] for device_id, pk in application.devices.values_list("device_id", "pk")} == {
        pk: pk for pk in application.devices.values_list("pk", flat=True)
    }


def test_devices_are_counted_by_kind_location_and_status(sandbox, application):
    sync.read(application)
    census = Census.objects.get(application=application)
    assert census.devices == sum(kind[3] for kind in census.kinds) == 100
    assert sum(count for _, count in census.statuses) == sum(count for _, count in census.locations) == 100
    assert ("WaterMeter", "Muster", "MW100", 40) in census.kinds
    assert census.other_locations == 0


@pytest.mark.parametrize("dies_after", range(1, 30))
def test_a_worker_that_dies_costs_one_page_at_most(
    sandbox, application, small_pages, monkeypatch, dies_after
):
    """kill -9 after any answer of the platform, before it is stored: the next worker asks for the same page again."""
    asked = 0

    class Killed(BaseException):
        pass

    def dying(read):
        def ask(*args, **kwargs):
            nonlocal asked
            asked += 1
            found = read(*args, **kwargs)
            if asked == dies_after:
                raise Killed
            return found

        return ask

    for name in ("devices", "groups", "group_members", "capabilities"):
        monkeypatch.setattr(client, name, dying(getattr(client, name)))
    reading = sync.start(application)
    try:
        sync.go_on(reading.pk)
    except Killed:
        before = Sync.objects.get()
        sync.go_on(reading.pk)
        assert (before.section, before.page) == (Sync.objects.get().section, Sync.objects.get().page), (
            "its lease"
        )
    assert through(reading).ended == "complete"
    whole = 4 + 2 + sum(-(-len(ids) // 15) for ids in members_of(sandbox).values()) + 4
    assert asked == whole + (dies_after <= whole)
    assert application.devices.count() == 100
    assert memberships(application) == members_of(sandbox)


def test_a_page_of_250_devices_costs_at_most_ten_statements():
    """All are counted: what reads, locks or writes a row, asks for the time, begins and ends a transaction."""
    with running_sandbox(devices=1000) as sandbox:
        application = ApplicationFactory(url=sandbox.url, app_id=sandbox.app_id, secret=sandbox.secret)
        taken = turns.take(sync.start(application).pk)
        question = partial(ask, taken.application)
        sections.step(taken, question)  # logs in
        for page in (1, 2):
            with CaptureQueriesContext(connection) as queries:
                sections.step(taken, question)
            assert len(queries) <= 10, "\n".join(query["sql"][:200] for query in queries)
            assert (taken.page, application.devices.count()) == (page + 1, 250 * (page + 1))


def test_only_new_devices_and_changed_groups_are_read_when_that_is_asked_for(sandbox, application):
    assert sync.since_of(application) is None
    sync.read(application)
    calls = sandbox.ledger()["calls"]
    body = {"nodeId": "n-1", "deviceInfo": {"deviceType": "WaterMeter", "name": "the new one"}}
    made = sandbox.call("POST", REGISTER, body).json()["deviceId"]
    sandbox.call("PUT", f"{API}/dm/v1.4.0/devices/{sandbox.devices(100)[-1]}", {"location": "Moon"})
    old_one = DeviceFactory(application=application, device_id="gone")
    sandbox.platform.groups.named("pilot").join([0])
    application.refresh_from_db()
    reading = through(sync.start(application, only_new=True))
    assert reading.since == application.catalogue_at - turns.OVERLAP
    assert application.devices.filter(device_id=made, name="the new one").exists()
    assert Device.objects.filter(pk=old_one.pk).exists(), "what is gone shows in a whole reading only"
    assert not application.devices.filter(location="Moon").exists(), "nor do changes"
    assert memberships(application) == members_of(sandbox)
    now = sandbox.ledger()["calls"]
    assert {name: now[name] - calls.get(name, 0) for name in ("devices", "groups", "members")} == {
        "devices": 2, "groups": 1, "members": 1,
    }, "the first was refused: this test's own login made the token invalid"  # fmt: skip
    application.refresh_from_db()
    assert application.catalogue_at < reading.started_at
    assert sync.since_of(application) == reading.started_at - turns.OVERLAP


def test_nothing_is_taken_for_gone_when_the_platform_shows_fewer_than_it_counts(serve):
    devices = [{"deviceId": "d1"}, {"deviceId": "d1", "deviceInfo": {"name": "later"}}]
    answers = {
        "login": {"accessToken": "t", "expiresIn": 3600},
        "pageNo=0&": {"totalCount": 10**12, "devices": devices, "list": []},
        "": {"totalCount": 10**12, "devices": [], "list": []},
    }
    server = serve(lambda sock, over: _answer(server, answers, sock, over))
    application = ApplicationFactory(url=server.url)
    DeviceFactory(application=application, device_id="d0")
    reading = through(sync.start(application))
    assert application.devices.get(device_id="d1").name == "later"
    assert application.devices.count() == 2
    assert "none was taken for gone" in reading.remarks[0]
    assert len(server.requests) <= 8


def _answer(server, answers, sock, over):
    line = server.requests[-1].split(b"\r\n")[0].decode()
    body = next(answer for part, answer in answers.items() if part in line)
    saying(200, json.dumps(body).encode())(sock, over)


def test_a_reading_that_fails_is_explained_and_goes_on_by_itself(sandbox, application, bells):
    sync.read(application)
    sandbox.faults({"route": "any", "action": "html"})
    reading = sync.start(application)
    sync.go_on(reading.pk)
    reading.refresh_from_db()
    assert reading.problem
    assert (reading.failures, reading.finished_at) == (1, None)
    assert reading.due_at > clock.now()
    assert application.devices.count() == 100
    lifecycle.sweep()
    assert ("read_catalogue", reading.pk) not in bells[1:]
    sandbox.faults()
    Sync.objects.update(due_at=clock.now())
    Application.objects.update(open_until=None, failures=0)
    bells.clear()
    lifecycle.sweep()
    assert ("read_catalogue", reading.pk) in bells
    done = through(reading)
    assert (done.ended, done.problem, done.failures) == ("complete", "", 0)


def test_a_bell_that_nobody_heard_costs_seconds(application, bells):
    """The click is in the database; the sweep finds it."""
    reading = sync.start(application)
    bells.clear()
    lifecycle.sweep()
    assert bells == [("read_catalogue", reading.pk)]


def test_a_refusal_ends_it_with_what_to_do(sandbox, application):
    Application.objects.update(app_id="another")
    application.refresh_from_db()
    reading = sync.start(application)
    sandbox.faults({"route": "devices", "action": "error", "code": "100217", "status": 403})
    Application.objects.update(app_id=sandbox.app_id)
    sync.go_on(reading.pk)
    reading.refresh_from_db()
    assert reading.ended == "failed"
    assert "authoris" in reading.problem
    application.refresh_from_db()
    assert application.catalogue_at is None


def test_a_platform_without_groups_gives_its_devices_all_the_same(sandbox, application):
    sandbox.faults(
        {"route": "groups", "action": "error", "code": "100028", "status": 401, "times": 10},
    )
    reading = through(sync.start(application))
    assert (reading.ended, application.devices.count()) == ("complete", 100)
    assert "Groups were not read" in reading.remarks[0]
    assert Census.objects.get().devices == 100


def test_a_token_that_was_refused_is_not_used_again(sandbox, application):
    sync.read(application)
    sandbox.login()
    reading = sync.start(application)
    sync.go_on(reading.pk)
    reading.refresh_from_db()
    assert "token" in reading.problem
    assert through(reading).ended == "complete"


def test_two_clicks_are_one_reading(application):
    first = sync.start(application)
    assert sync.start(application, only_new=True) == first
    assert sync.cancel(first, UserFactory())
    assert sync.start(application) != first


def test_a_reading_can_be_stopped_between_two_pages(sandbox, application, small_pages):
    reading, operator = sync.start(application), UserFactory()

    def cancelling(read):
        sync.cancel(reading, operator)
        return ask(application, read)

    taken = turns.take(reading.pk)
    with pytest.raises(turns.Lost):
        sections.step(taken, cancelling)
    assert application.devices.count() == 0
    assert not sync.cancel(reading, UserFactory())
    sync.go_on(reading.pk)
    reading.refresh_from_db()
    assert (reading.ended, reading.cancelled_by, reading.page) == ("cancelled", operator, 0)


def test_it_waits_for_the_budget_and_leaves_a_share_to_submissions(application, times, monkeypatch):
    """Of 100 calls in any minute 80 at most, and 50 while a submission waits for one."""
    monkeypatch.setattr(devices, "PAGE", 3)
    Application.objects.update(calls_per_minute=20)
    application.refresh_from_db()
    reading = sync.start(application)
    sync.go_on(reading.pk)
    reading.refresh_from_db()
    assert budget.used(application) == 16
    assert reading.due_at > times.now + turns.PATIENCE
    assert (reading.problem, reading.failures) == ("", 0)
    times.on(70)
    TaskFactory(application=application, due_at=times.now)
    sync.go_on(reading.pk)
    assert budget.used(application) == 10


def test_the_turn_is_kept_while_what_is_gone_is_removed_part_by_part(application, times, monkeypatch):
    """A worker that is taken for dead meanwhile would lose its turn."""
    monkeypatch.setattr(devices, "CHUNK", 2)
    for _ in range(5):
        DeviceFactory(application=application, read_at=times.now - dt.timedelta(days=1))
    reading = sync.start(application)
    Sync.objects.update(section=Sync.Section.GONE, counts={"devices reported": 0})
    taken = turns.take(reading.pk)
    times.on(60)
    sections.step(taken, partial(ask, application))
    assert taken.due_at == Sync.objects.get().due_at == times.now + places.LEASE
    assert (taken.section, application.devices.count()) == (Sync.Section.COUNT, 0)


def test_short_waits_are_waited_for(sandbox, application, small_pages, times):
    Application.objects.update(calls_per_minute=2)
    application.refresh_from_db()
    begun, reading = times.now, sync.start(application)
    sync.go_on(reading.pk)
    Sync.objects.update(due_at=times.on(60))
    page = Sync.objects.get().page
    sync.go_on(reading.pk)
    assert Sync.objects.get().page == page + 1
    assert times.now >= begun + budget.WINDOW


def test_a_worker_lets_others_have_their_turn(sandbox, application, small_pages, monkeypatch, bells):
    monkeypatch.setattr(turns, "TURN_SECONDS", 0)
    reading = sync.start(application)
    bells.clear()
    sync.go_on(reading.pk)
    reading.refresh_from_db()
    assert (reading.page, reading.due_at <= clock.now()) == (1, True)
    assert bells == [("read_catalogue", reading.pk)]


def test_only_profiles_that_the_platform_told_are_asked_for_again(sandbox, application):
    through(sync.start(application))
    kept = Profile.objects.first()
    Profile.objects.filter(pk=kept.pk).update(source="meters.zip")
    calls = sandbox.ledger()["calls"]["capabilities"]
    through(sync.start(application))
    assert sandbox.ledger()["calls"]["capabilities"] == calls + 3
    assert set(Profile.objects.values_list("version", flat=True)) == {1}
    application.refresh_from_db()
    through(sync.start(application, only_new=True))
    assert sandbox.ledger()["calls"]["capabilities"] == calls + 3
