"""Devices and groups of an application: found by filters whatever their number, and words for every empty page."""

import itertools
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from dashboard import devices, paging
from dashboard.forms.devices import DeviceFilter
from tasks import fleet
from tasks.fleet import Choice, LastOutcome
from tasks.models import Application, Membership
from tasks.sync import census
from tests.factories import ApplicationFactory, DeviceFactory, GroupFactory, ResultFactory, TaskFactory

from .pages import text_of, words

pytestmark = pytest.mark.django_db


@pytest.fixture
def known(site_app: Application) -> Application:
    """Sixty devices of three kinds, four statuses and three locations; every third in a group, some commanded."""
    group = GroupFactory(application=site_app, group_id="g-1", name="night", size=20, known=20)
    task = TaskFactory(application=site_app)
    for n in range(60):
        device = DeviceFactory(
            application=site_app,
            device_id=f"d-{n:03}",
            node_id=f"8670{n:03}",
            name=f"{('Meter', 'Lamp', 'Lock')[n % 3]} {n}",
            device_type=("Meter", "Lamp", "Lock")[n % 3],
            model=f"v{n % 2}",
            status=("ONLINE", "ONLINE", "OFFLINE", "ABNORMAL", "INACTIVE")[n % 5],
            location=f"Hall-{'ABC'[n % 7 % 3]}",
        )
        if n % 3 == 0:
            Membership.objects.create(group=group, device=device, seen_in=1)
        if n % 4:
            status = ("SUCCESSFUL", "FAILED", "SENT")[n % 3]
            ResultFactory(task=task, device_id=device.device_id, status=status)
    census.take(site_app)
    return site_app


def shown(page: Any) -> list[str]:
    return [device.device_id for device in page.context["paging"].rows]


CHOICES = [
    {},
    {"status": "OFFLINE"},
    {"device_type": "Meter", "model": "v1"},
    {"model": "v0"},
    {"location": "Hall-A"},
    {"group": "g-1"},
    {"text": "d-00"},
    {"text": "Lam"},
    {"text": "8670"},
    {"outcome": "failed"},
    {"outcome": "never", "group": "g-1"},
    {"status": "ONLINE", "location": "Hall-B"},
    {"group": "g-1", "status": "ONLINE", "text": "Met"},
    {"device_type": "Lock", "status": "ONLINE", "location": "Hall-C", "outcome": "no-answer"},
    {"status": "BROKEN"},
    {"group": "none"},
]


@pytest.mark.parametrize(("few", "near"), [(10_000, 5_000), (5, 5_000), (5, 3)])
@pytest.mark.parametrize("reach", [1000, 7])
@pytest.mark.parametrize("asked", CHOICES, ids=str)
def test_pages_onwards_and_back_show_every_device_that_passes_once(
    known: Application,
    monkeypatch: pytest.MonkeyPatch,
    asked: dict[str, str],
    reach: int,
    few: int,
    near: int,
) -> None:
    """However few devices a page looks at, and whichever filter is read first."""
    monkeypatch.setattr(devices, "REACH", reach)
    monkeypatch.setattr(devices, "COSTLY_REACH", reach)
    monkeypatch.setattr("tasks.fleet.searching.FEW", few)
    monkeypatch.setattr("tasks.fleet.searching.SOME", few)
    monkeypatch.setattr("tasks.fleet.searching.NEAR", near)
    choice = Choice(**asked)
    expected = [device.device_id for device in fleet.select(known, choice)]
    assert expected == [
        d.device_id for d in known.devices.order_by("pk") if _passes(d, choice, is_large=few == 5)
    ]
    page = devices.find(known, choice, {}, 4)
    assert page.is_first
    if page.count is not None:
        assert page.count == len(expected)
    onwards = [page]
    while page.before is not None:
        page = devices.find(known, choice, {"before": str(page.before)}, 4)
        onwards.append(page)
    assert [device.device_id for page in onwards for device in page.rows] == expected
    back = [page]
    while page.after is not None:
        page = devices.find(known, choice, {"after": str(page.after)}, 4)
        back.append(page)
    pages = {page.rows[0].pk: page for page in back if page.rows}
    ids = [device.device_id for page in reversed(back) for device in page.rows]
    assert list(dict.fromkeys(sorted(ids))) == expected
    assert len(pages) == len([page for page in back if page.rows])


def _passes(device: Any, choice: Choice, *, is_large: bool) -> bool:
    exact = {
        name: value for name, value in choice.to_query().items() if name not in ("text", "group", "outcome")
    }
    if any(getattr(device, name) != value for name, value in exact.items()):
        return False
    if choice.group and not device.groups.filter(group_id=choice.group).exists():
        return False
    n = int(device.device_id[2:])
    if choice.outcome:
        came_to = ("successful", "failed", "no-answer")[n % 3] if n % 4 else "never"
        if came_to != choice.outcome:
            return False
    begins = any(value.startswith(choice.text) for value in (device.device_id, device.node_id, device.name))
    return begins or (not is_large and choice.text.lower() in device.name.lower())


def test_the_page_filters_by_all_its_fields(desk: Client, known: Application) -> None:
    page = desk.get("/catalogue/", {"device_type": "Meter", "status": "OFFLINE"})
    assert shown(page) == [f"d-{n:03}" for n in range(60) if n % 3 == 0 and n % 5 == 2]
    said = words(page)
    for part in ("Online (24)", "Meter (20)", "night (20)", "Hall-A", "4 devices", "Offline"):
        assert part in said
    assert {*page.context["form"].fields} == set(Choice.__dataclass_fields__)


def test_htmx_gets_the_fragment_alone(desk: Client, known: Application) -> None:
    text = text_of(desk.get("/catalogue/", {"text": "d-001"}, headers={"HX-Request": "true"}))
    assert text.strip().startswith('<div id="fleet">')
    assert "d-001" in text
    assert "d-002" not in text


def test_a_filter_that_nothing_passes_says_how_to_go_on(desk: Client, known: Application) -> None:
    page = desk.get("/catalogue/", {"status": "SLEEPING"})
    assert "No device matches" in words(page)
    assert '<option value="SLEEPING" selected>' in text_of(page)


def test_what_was_not_looked_at_is_said_and_can_be_looked_at(
    desk: Client, known: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "REACH", 5)
    page = desk.get(
        "/catalogue/", {"status": "ONLINE", "model": "v0", "device_type": "Lock", "location": "Hall-A"}
    )
    assert "There are more" in words(page) or "not known" in words(page)
    assert "Look at the next ones" in words(page)


def test_every_empty_page_says_what_to_do(desk: Client, browser_of: Any) -> None:
    assert "Ask an administrator" in words(desk.get("/catalogue/"))
    assert "Add an application" in words(browser_of("superuser").get("/catalogue/"))
    application = ApplicationFactory()
    said = words(desk.get("/catalogue/"))
    assert "Not read yet" in said
    assert "Read from the platform" in said
    census.take(application)
    assert "The platform reported no device" in words(desk.get("/catalogue/"))
    assert "The platform reported no group" in words(desk.get("/catalogue/groups/"))
    assert "No profile yet" in words(desk.get("/catalogue/profiles/"))


def test_each_application_has_its_own_devices(desk: Client, known: Application) -> None:
    other = ApplicationFactory(name="Zebra")
    DeviceFactory(application=other, device_id="zebra-1")
    assert shown(desk.get("/catalogue/", {"application": other.pk})) == ["zebra-1"]
    for wrong in ("", "x", "9" * 30, "-1"):
        assert shown(desk.get("/catalogue/", {"application": wrong}))[0] == "d-000"


def test_groups_show_how_many_of_their_members_are_known(desk: Client, known: Application) -> None:
    GroupFactory(application=known, name="day", size=7, known=5)
    page = desk.get("/catalogue/groups/")
    assert [(group.name, group.size, group.known) for group in page.context["groups"]] == [
        ("day", 7, 5),
        ("night", 20, 20),
    ]
    assert "group=g-1" in text_of(page)


def test_locations_are_typed_where_there_are_too_many_to_choose_from(known: Application) -> None:
    few = DeviceFilter({}, fleet.facets(known))
    assert len(few.fields["location"].choices) == 4
    assert few.suggestions == []
    known.census.other_locations = 3
    many = DeviceFilter({"location": "Hall-Z"}, fleet.facets(known))
    assert [place for place, _ in many.suggestions] == ["Hall-A", "Hall-B", "Hall-C"]
    assert many["location"].value() == "Hall-Z"


def test_groups_are_typed_where_there_are_too_many_to_choose_from(
    desk: Client, known: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.fleet.faceting.MOST_GROUPS", 2)
    for name in ("dawn", "dusk"):
        GroupFactory(application=known, name=name)
    page = desk.get("/catalogue/", {"group": "night"})
    assert len(shown(page)) == 20
    assert '<option value="dawn">' in text_of(page)
    assert page.context["form"]["group"].value() == "night"
    given = {"devices_from": "catalogue", "from_group": "night", "target_type": "DeviceList"}
    composer = desk.post("/compose/", given)
    assert "20 devices" in words(composer)
    assert "in the group night" in words(composer)


def test_the_page_asks_the_same_for_few_devices_and_for_many(desk: Client, known: Application) -> None:
    asked = []
    for more in (1, 2, 3):
        with CaptureQueriesContext(connection) as queries:
            desk.get("/catalogue/", {"status": "ONLINE", "text": "d"})
        asked.append(len(queries))
        for n in range(100):
            DeviceFactory(application=known, device_id=f"d-{more}{n:03}")
    assert asked[1] == asked[2] <= 12


@pytest.mark.parametrize(("one", "two"), list(itertools.combinations(LastOutcome, 2)))
def test_a_device_has_one_last_outcome(known: Application, one: LastOutcome, two: LastOutcome) -> None:
    first = set(fleet.select(known, Choice(outcome=one)).values_list("pk", flat=True))
    assert first.isdisjoint(fleet.select(known, Choice(outcome=two)).values_list("pk", flat=True))


def test_a_count_stops_where_the_other_pages_stop(
    known: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "MOST_COUNTED", 10)
    assert paging.MOST_COUNTED == 10_000
    assert devices.find(known, Choice(), {}, 4).count == 11
