"""Devices chosen from lists, the catalogue and tasks; those in doubt; and the pages of named lists."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from dashboard.forms import device_ids
from tasks.models import Application, DeviceList, NamedList, Profile, Task
from tests.factories import ApplicationFactory, ResultFactory, make_list

from .pages import error_at, fields, text_of, words

pytestmark = pytest.mark.django_db

Typed = Callable[..., dict[str, Any]]


@pytest.fixture(autouse=True)
def nothing_is_known_from_before() -> None:
    cache.clear()


def again(desk: Client, page: Any, path: str = "/compose/", **changes: Any) -> Any:
    """What a browser posts of the page as it stands, with changes."""
    posted = fields(page).posted | {name: str(value) for name, value in changes.items()}
    return desk.post(path, posted)


def ids_of(page: Any) -> list[str]:
    return DeviceList.objects.get(pk=fields(page).value("device_list")).ids


def test_a_saved_list_is_taken_as_it_is(desk: Client, typed: Typed, site_app: Application) -> None:
    named = make_list(site_app, ["a", "b", "c"], "北厅")
    make_list(ApplicationFactory(), ["x"], "Of another application")
    page = desk.post("/compose/", typed(device_ids="", devices_from="list"))
    assert "北厅 (3)" in text_of(page)
    assert "Of another application" not in text_of(page)
    chosen = again(desk, page, from_list=named.pk)
    assert "Use these 3 devices" in words(chosen)
    taken = again(desk, chosen, take="instead")
    assert fields(taken).value("device_list") == str(named.newest.devices_id)
    assert "3 devices from the list 北厅, version 1" in words(taken)


def test_a_filter_over_the_catalogue_becomes_a_list_with_its_number_first(
    desk: Client, typed: Typed, fleet: Application
) -> None:
    page = desk.post("/compose/", typed(device_ids="", devices_from="catalogue", from_status="OFFLINE"))
    assert "Use these 2 devices" in words(page)
    assert DeviceList.objects.count() == 0
    taken = again(desk, page, take="instead")
    assert ids_of(taken) == ["meter-2", "meter-3"]
    assert "2 devices from the catalogue as of" in words(taken)
    assert "OFFLINE" in DeviceList.objects.get().query


def test_what_is_chosen_and_counted_is_taken_by_review_too(
    desk: Client, typed: Typed, fleet: Application
) -> None:
    answer = desk.post(
        "/compose/",
        typed(device_ids="", devices_from="catalogue", from_kind='["Lamp", "m-1", "L1"]', review=1),
    )
    assert answer.status_code == 302
    assert DeviceList.objects.get().ids == ["lamp-1"]


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("list", "Choose a list."),
        ("catalogue", "Choose at least one filter."),
        ("task", "Name a task, and which of its devices."),
    ],
)
def test_a_source_without_a_choice_says_what_is_missing(
    source: str, problem: str, desk: Client, typed: Typed, fleet: Application
) -> None:
    refused = desk.post("/compose/", typed(device_ids="", devices_from=source, review=1))
    assert refused.status_code == 422
    assert problem in words(refused)


def test_the_tabs_say_how_to_begin(desk: Client, typed: Typed, fleet: Application) -> None:
    hint = "Choose at least one filter: how many devices pass"
    unset = typed(device_ids="", devices_from="catalogue")
    assert hint in words(desk.post("/compose/", unset))
    assert hint not in words(desk.post("/compose/", unset | {"from_status": "OFFLINE"}))
    task = desk.post("/compose/", typed(device_ids="", devices_from="task"))
    assert "Its number, which stands beside its name (#12)." in words(task)


@pytest.fixture
def over(make_task: Callable[..., Task]) -> Task:
    task = make_task(state="COMPLETE", counts={"SUCCESSFUL": 1, "FAILED": 1}, listed=True)
    ResultFactory(task=task, device_id="device-1", status="SUCCESSFUL")
    ResultFactory(task=task, device_id="device-2", status="FAILED")
    return task


@pytest.mark.parametrize(
    ("operation", "ids"),
    [
        ("add", ["a", "b", "c", "d"]),
        ("without", ["a"]),
        ("both", ["b", "c"]),
        ("others", ["d"]),
        ("instead", ["b", "c", "d"]),
    ],
)
def test_lists_are_combined_and_the_step_can_be_undone(
    operation: str, ids: list[str], desk: Client, typed: Typed, site_app: Application
) -> None:
    named = make_list(site_app, ["b", "c", "d"])
    page = desk.post("/compose/", typed(device_ids="a\nb\nc", devices_from="list", from_list=named.pk))
    results = {each: count for each, count, _ in page.context["form"].source.results}
    taken = again(desk, again(desk, page, from_list=named.pk), take=operation)
    assert ids_of(taken) == ids
    assert results.get(operation, len(ids)) == len(ids)
    if operation != "instead":
        undone = again(desk, taken, undo_devices=1)
        assert ids_of(undone) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("operation", "ids"),
    [
        ("add", ["a", "b", "c", "d"]),
        ("without", ["a"]),
        ("both", ["b", "c"]),
        ("others", ["d"]),
        ("instead", ["b", "c", "d"]),
    ],
)
@pytest.mark.parametrize("is_file", [False, True])
def test_pasted_ids_and_files_are_combined_with_a_list_like_any_other(
    is_file: bool, operation: str, ids: list[str], desk: Client, typed: Typed, site_app: Application
) -> None:
    page = desk.post("/compose/", typed(device_ids="a\nb\nc"))
    given = (
        {"from_file": SimpleUploadedFile("x.csv", b"deviceId\nb\nc\nd\n")}
        if is_file
        else {"from_ids": "b c\nd"}
    )
    counted = desk.post("/compose/", fields(page).posted | {"devices_from": ["ids"]} | given)
    assert f"3 devices from {'x.csv' if is_file else 'what was pasted'}" in words(counted)
    results = {each: count for each, count, _ in counted.context["form"].source.results}
    assert results[operation] == len(ids)
    taken = again(desk, counted, take=operation)
    assert ids_of(taken) == ids
    assert fields(taken).value("from_pasted") == fields(taken).value("from_ids") == ""
    if operation != "instead":
        assert ids_of(again(desk, taken, undo_devices=1)) == ["a", "b", "c"]


def test_what_is_pasted_to_be_taken_away_is_corrected_before_it_counts(
    desk: Client, typed: Typed, site_app: Application
) -> None:
    page = desk.post("/compose/", typed(device_ids="a\nb\nc"))
    wrong = again(desk, page, devices_from="ids", from_ids="b\nc\x07c\nd")
    assert "1 of the lines cannot be used; 2 devices can." in words(wrong)
    assert fields(wrong).value("from_ids").splitlines() == ["b", "c\x07c", "d"]
    assert wrong.context["form"].source.results == []
    assert ids_of(again(desk, wrong, take="without")) == ["a", "b", "c"]
    good = again(desk, wrong, drop_bad="others")
    assert ids_of(again(desk, good, take="without")) == ["a", "c"]
    assert ids_of(good) == ["a", "b", "c"]


def test_what_is_pasted_to_be_taken_away_is_kept_with_the_draft(
    desk: Client, typed: Typed, site_app: Application
) -> None:
    page = desk.post("/compose/", typed(device_ids="a\nb\nc"))
    file = {"devices_from": ["ids"], "from_file": SimpleUploadedFile("x.txt", b"b\n")}
    saved = desk.post("/compose/", fields(page).posted | file).context["saved"]
    back = desk.get("/compose/", {"draft": saved.key})
    assert "1 device from x.txt" in words(back)
    assert ids_of(again(desk, back, take="without")) == ["a", "c"]


@pytest.mark.parametrize("device_ids", ["", "a\nb"])
def test_a_filter_survives_a_look_at_the_other_tabs(
    device_ids: str, desk: Client, typed: Typed, fleet: Application, over: Task
) -> None:
    """By the page alone, as without JavaScript."""
    named = make_list(fleet, ["a", "b", "c"])
    chosen = {
        "from_text": "meter",
        "from_status": "OFFLINE",
        "from_list": str(named.pk),
        "from_task": str(over.pk),
    }
    page = desk.post("/compose/", typed(device_ids=device_ids, devices_from="catalogue", **chosen))
    page = again(desk, page, devices_from="task")
    page = desk.post("/compose/", fields(page).posted | {"from_came_to": ["failed", "successful"]})
    for tab in ("list", "ids", "catalogue", "task", "list", "catalogue"):
        page = again(desk, page, devices_from=tab)
        held = fields(page)
        assert {name: held.value(name) for name in chosen} == chosen
        assert sorted(held.posted["from_came_to"]) == ["failed", "successful"]
    assert page.context["form"].source.offer.count == 2


def test_taking_everything_away_is_refused_and_loses_nothing(
    desk: Client, typed: Typed, site_app: Application
) -> None:
    named = make_list(site_app, ["a", "b"])
    page = desk.post("/compose/", typed(device_ids="a\nb"))
    refused = again(desk, page, devices_from="list", from_list=named.pk, take="without")
    assert "No device would be left." in words(refused)
    assert ids_of(refused) == ["a", "b"]


def test_devices_of_a_task_by_outcome_are_its_rerun(desk: Client, typed: Typed, over: Task) -> None:
    page = desk.post("/compose/", typed(device_ids="", devices_from="task", from_task=f"#{over.pk}"))
    assert "failed 1 device" in words(page)
    taken = again(desk, again(desk, page, from_came_to="failed"), take="instead")
    assert ids_of(taken) == ["device-2"]
    assert DeviceList.objects.get().rerun_of == over
    both = again(desk, page, from_came_to="every", take="instead")
    assert ids_of(both) == ["device-1", "device-2"]
    assert DeviceList.objects.get(pk=fields(both).value("device_list")).rerun_of is None


def test_a_task_that_is_not_there_is_told(desk: Client, typed: Typed, site_app: Application) -> None:
    page = desk.post("/compose/", typed(device_ids="", devices_from="task", from_task="999"))
    assert "There is no task of this number" in words(page)


@pytest.mark.parametrize(
    "name", ["from_list", "from_kind", "from_group", "from_task", "from_last", "from_came_to", "kind"]
)
@pytest.mark.parametrize("odd", ["9" * 5000, "-1", "²", "\x00", "[1]", "[", "null"])
def test_odd_choices_never_break_the_page(
    name: str, odd: str, desk: Client, typed: Typed, fleet: Application
) -> None:
    for source in ("list", "catalogue", "task", "nonsense"):
        answer = desk.post("/compose/", typed(device_ids="", devices_from=source, **{name: odd}))
        assert answer.status_code == 200


def test_devices_in_doubt_are_told_by_number_and_line_and_removed_at_one_click(
    desk: Client, typed: Typed, fleet: Application, meter: Profile
) -> None:
    given = "\n\nmeter-0\nstranger-1\n\nmeter-0\nlamp-1\nforeign-1\nstranger-2"
    page = desk.post(
        "/compose/", typed(device_ids=given, profile=meter.pk, service_id="Valve", method="CLOSE")
    )
    found = {doubt.key: doubt.first for doubt in page.context["form"].doubts}
    assert found["unknown"] == [(4, "stranger-1"), (9, "stranger-2")]
    assert found["foreign"] == [(8, "foreign-1")]
    assert "2 devices not in the catalogue" in words(page)
    left = again(desk, page, drop_doubts="unknown")
    assert ids_of(left) == ["meter-0", "lamp-1", "foreign-1"]
    assert "without 2 not in the catalogue" in words(left)
    assert ids_of(again(desk, left, undo_devices=1)) == ids_of(page)
    none = again(desk, page, drop_doubts="unknown foreign incompatible")
    assert "stranger" not in "".join(ids_of(none))
    assert "foreign-1" not in ids_of(none)


def test_without_a_catalogue_nothing_is_in_doubt(desk: Client, typed: Typed) -> None:
    page = desk.post("/compose/", typed(device_ids="anything"))
    assert page.context["form"].doubts == []


def test_a_very_long_list_is_compared_when_that_is_asked_for(
    desk: Client, typed: Typed, fleet: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.reach.survey.LOOKED_UP", 1)
    page = desk.post("/compose/", typed(device_ids="meter-0\nstranger-1"))
    assert "Compare with the catalogue" in words(page)
    assert page.context["reach"].sampled == 2
    compared = again(desk, page, check_devices=1)
    assert "1 device not in the catalogue" in words(compared)
    assert (compared.context["reach"].sampled, compared.context["reach"].unknown) == (1, 1)


def test_a_kind_that_exists_fills_in_the_three_fields_and_typing_stays(
    desk: Client, typed: Typed, fleet: Application
) -> None:
    page = desk.post("/compose/", typed(target_type="DeviceType", device_ids=""))
    assert "Meter · m-1 · X1 (4)" in text_of(page)
    chosen = again(desk, page, kind='["Lamp", "m-1", "L1"]')
    assert [fields(chosen).value(name) for name in ("device_type", "manufacturer_id", "model")] == [
        "Lamp",
        "m-1",
        "L1",
    ]
    typed_over = again(desk, chosen, model="L2")
    assert fields(typed_over).value("model") == "L2"
    assert again(desk, page, kind='["Meter", "m-1", "X1"]', review=1).status_code == 302


def test_known_locations_come_with_their_sizes(desk: Client, typed: Typed, fleet: Application) -> None:
    page = desk.post("/compose/", typed(target_type="DeviceArea", device_ids="", device_location="大厅 A"))
    assert '<option value="大厅 A">5 devices</option>' in text_of(page)
    assert "5 devices in the catalogue are at this location." in words(page)
    assert "No device in the catalogue is at exactly" in words(again(desk, page, device_location="大厅 B"))


@pytest.mark.parametrize(
    ("column", "ids", "problem"),
    [
        ("", ["m1", "m2"], ""),
        ("IMEI", ["861", "862"], ""),
        ("2", ["861", "862"], ""),
        ("serial", [], "There is no column “serial”. The first row has: name, imei."),
    ],
)
def test_the_column_of_a_table_can_be_chosen(
    column: str, ids: list[str], problem: str, desk: Client, site_app: Application
) -> None:
    file = SimpleUploadedFile("fleet.csv", b"name,imei\nm1,861\nm2,862\n")
    posted = {
        "name": "Meters",
        "application": site_app.pk,
        "device_file": file,
        "from_column": column,
        "save": 1,
    }
    answer = desk.post("/lists/new/", posted)
    if problem:
        assert error_at(answer, "device_ids") == problem
    else:
        assert NamedList.objects.get().newest.devices.ids[-2:] == ids


def test_a_list_is_saved_from_the_composer_found_and_composed_for(
    desk: Client, typed: Typed, site_app: Application
) -> None:
    page = desk.post("/compose/", typed(device_ids="a\nb"))
    link = f"/lists/new/?application={site_app.pk}&device_list={fields(page).value('device_list')}"
    assert link.replace("&", "&amp;") in text_of(page)
    saved = again(desk, desk.get(link), "/lists/new/", name=" 北厅  valves ", save=1)
    named = NamedList.objects.get()
    assert (saved["Location"], named.name, named.count) == (f"/lists/{named.pk}/", "北厅 valves", 2)
    assert "北厅 valves" in words(desk.get("/lists/", {"text": "VALVES"}))
    assert "No list has this in its name" in words(desk.get("/lists/", {"text": "nothing"}))
    composed = desk.get("/compose/", {"list": named.pk})
    assert ids_of(composed) == ["a", "b"]


def test_a_list_is_changed_by_what_it_has_and_an_old_version_comes_back(
    desk: Client, site_app: Application
) -> None:
    named, other = make_list(site_app, ["a", "b"]), make_list(site_app, ["b"], "Other")
    path = f"/lists/{named.pk}/change/"
    page = again(desk, desk.get(path), path, devices_from="list", from_list=other.pk, take="without")
    assert ids_of(page) == ["a"]
    assert again(desk, page, path, save=1).status_code == 302
    shown = words(desk.get(f"/lists/{named.pk}/"))
    assert "version 2" in shown
    assert "+0 −1" in shown
    desk.post(f"/lists/{named.pk}/adopt/", {"version": 1})
    named.refresh_from_db()
    assert (named.version, named.newest.devices.ids) == (3, ["a", "b"])
    assert "as version 1 was" in words(desk.get(f"/lists/{named.pk}/"))
    refused = again(desk, desk.get(path), path, save=1)
    assert error_at(refused, "device_ids") == ""
    assert "exactly these devices already" in words(refused)


def test_a_list_is_downloaded_version_by_version(desk: Client, site_app: Application) -> None:
    named = make_list(site_app, ["=a", "设备"])
    answer = desk.get(f"/lists/{named.pk}/version-1.csv")
    assert b"".join(answer.streaming_content).decode() == "\ufeffdeviceId\r\n'=a\r\n设备\r\n"
    assert desk.get(f"/lists/{named.pk}/version-2.csv").status_code == 404


def test_deleting_a_list_can_be_undone_unless_its_name_is_taken(desk: Client, site_app: Application) -> None:
    named = make_list(site_app, ["a"])
    kept = named.newest.devices_id
    deleted = desk.post(f"/lists/{named.pk}/delete/", follow=True)
    assert "Deleted “Valves”. Undo" in words(deleted)
    gone = desk.get("/compose/", {"list": named.pk})
    assert fields(gone).value("device_list") == ""
    assert "1 device" not in words(desk.post("/compose/", {"device_list": kept, "target_type": "DeviceList"}))
    make_list(site_app, ["b"])
    assert "another list" in words(desk.post(f"/lists/{named.pk}/restore/", follow=True))
    NamedList.objects.exclude(pk=named.pk).delete()
    desk.post(f"/lists/{named.pk}/restore/")
    assert NamedList.objects.usable().get() == named


def test_a_new_name_is_refused_with_its_reason(desk: Client, site_app: Application) -> None:
    named, _ = make_list(site_app, ["a"]), make_list(site_app, ["b"], "Other")
    refused = desk.post(f"/lists/{named.pk}/rename/", {"name": "Other"}, follow=True)
    assert "There is a list “Other” already." in words(refused)
    assert "Locks" in words(desk.post(f"/lists/{named.pk}/rename/", {"name": "Locks"}, follow=True))
    taken = desk.post(
        "/lists/new/", {"name": "Locks", "application": site_app.pk, "device_ids": "x", "save": 1}
    )
    assert error_at(taken, "name") == "There is a list “Locks” already. Open it to give it a new version."
    assert "1 device" in words(taken)


def test_the_first_visit_says_what_a_list_is(desk: Client) -> None:
    assert "No lists yet" in words(desk.get("/lists/"))


def test_lines_are_kept_in_few_runs_however_long_the_list() -> None:
    many = "\n".join(f"d-{number}" for number in range(50_000)) + "\nd-7\nlast"
    parsed = device_ids.parse_text(many)
    assert parsed.lines == [(50_000, 50_002)]
