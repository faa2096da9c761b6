"""Values by device in the composer: read from a table, checked by the profile, shown as tasks before they are sent."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from tasks.models import Application, DeviceList, Draft, Family, Profile, Task, ValueTable

from .pages import error_at, fields, text_of, words

pytestmark = pytest.mark.django_db

Typed = Callable[..., dict[str, Any]]
TABLE = "deviceId,count,mode\nd-1,1,ECO\nd-2,4,FULL\nd-3,1,ECO\n"


@pytest.fixture
def values(typed: Typed, meter: Profile) -> Typed:
    """A composer with a profile's command, whose devices come with their values."""

    def filled(**changes: Any) -> dict[str, Any]:
        return typed(**{"profile": meter.pk, "method": "SET", "paras": None, "device_ids": ""} | changes)

    return filled


def read(desk: Client, posted: dict[str, Any]) -> Any:
    return desk.post("/compose/", posted | {"read_values": "1"})


def ids_of(page: Any) -> list[str]:
    return list(page.context["form"].devices.ids)


def kept(page: Any, **changes: Any) -> dict[str, Any]:
    """What a browser posts of this page."""
    return {name: each[-1] for name, each in fields(page).posted.items()} | changes


def test_a_pasted_table_takes_the_place_of_devices_and_fields(desk: Client, values: Typed) -> None:
    page = read(desk, values(values_text=TABLE))
    said = words(page)
    assert "2 tasks : 2 different sets of count, mode for 3 devices, from the table of values." in said
    assert "The other parameters are the same for all devices: serial, ratio" in said
    assert not {"para:count", "para:mode"} & fields(page).visible
    assert "para:serial" in fields(page).visible
    assert fields(page).value("values_text").strip() == ""
    assert fields(page).value("device_list") == str(DeviceList.objects.get().pk)
    assert "3 devices from the table of values" in said


def test_the_number_of_tasks_is_said_first_with_every_set_of_values(desk: Client, values: Typed) -> None:
    Application.objects.update(unfinished_limit=1)
    page = read(desk, values(values_text=TABLE))
    preview = words(page).partition("Request of the first task")[0]
    assert "2 tasks one for each set of values 2 tasks; 1 at a time." in preview
    assert "the last one starts 5 minutes after the first" in preview
    assert '1 "ECO" 2 4 "FULL" 1' in preview
    reviewed = desk.post("/compose/", kept(page, review="1"), follow=True)
    said = words(reviewed)
    assert said.index("2 tasks one for each set") < said.index("3 devices")
    assert said.count("2 tasks one for each set") == 1
    assert "count differs by device mode differs by device" in said
    assert '"taskName": "Close the valves (1 of 2)"' in text_of(reviewed).replace("&quot;", '"')


def test_each_set_is_sent_as_a_task_of_one_family_and_only_once(desk: Client, values: Typed) -> None:
    page = read(desk, values(values_text=TABLE))
    address = desk.post("/compose/", kept(page, review="1", **{"para:serial": "7"}))["Location"]
    shown = desk.get(address)
    sent = desk.post(address, {"typed": shown.context["word"]}, follow=True)
    family = Family.objects.get()
    assert sent.redirect_chain[-1][0] == family.get_absolute_url()
    bodies = [json.loads(task.request_body) for task in Task.objects.order_by("pk")]
    assert [
        (body["taskName"], body["param"]["deviceList"], body["param"]["command"]["paras"]) for body in bodies
    ] == [
        ("Close the valves (1 of 2)", ["d-1", "d-3"], {"serial": 7, "count": 1, "mode": "ECO"}),
        ("Close the valves (2 of 2)", ["d-2"], {"serial": 7, "count": 4, "mode": "FULL"}),
    ]
    preview = json.loads(shown.context["preview"])
    assert preview["param"] | {"callbackUrl": ""} == bodies[0]["param"] | {"callbackUrl": ""}
    assert desk.post(address, follow=True).redirect_chain[-1][0] == family.get_absolute_url()
    assert Task.objects.count() == 2


def test_a_csv_file_is_read_with_the_review_itself(desk: Client, values: Typed) -> None:
    file = SimpleUploadedFile("meters.csv", TABLE.encode())
    reviewed = desk.post("/compose/", values(review="1") | {"values_file": file}, follow=True)
    assert "Review and send" in words(reviewed)
    assert DeviceList.objects.get().source == "meters.csv"
    assert "values_text" not in Draft.objects.get().values


def test_every_bad_cell_is_named_and_the_table_goes_back_for_correction(desk: Client, values: Typed) -> None:
    bad = "deviceId,count,mode\nd-1,99,ECO\nd-2,1,HALF\n"
    for posted in (
        values(values_text=bad),
        values() | {"values_file": SimpleUploadedFile("m.csv", bad.encode())},
    ):
        page = read(desk, posted)
        assert error_at(page, "values_text") == "2 cells of the table cannot be used."
        assert "2 count 99 Must be from 1 to 10 3 mode HALF Must be one of ECO, FULL" in words(page)
        assert fields(page).value("values_text") == bad
        assert fields(page).value("name") == "Close the valves"
    assert not DeviceList.objects.exists()
    refused = desk.post("/compose/", values(values_text=bad, review="1"))
    assert refused.status_code == 422
    assert error_at(refused, "values_text") == "2 cells of the table cannot be used."
    assert not Task.objects.exists()


def test_a_table_that_is_not_good_yet_is_kept_with_the_draft(desk: Client, values: Typed) -> None:
    bad = "deviceId,count\nd-1,99\n"
    page = read(desk, values(values_text=bad))
    draft = Draft.objects.get()
    again = desk.get("/compose/", {"draft": draft.pk})
    assert fields(again).value("values_text") == fields(page).value("values_text") == bad
    read(desk, kept(again, values_text="deviceId,count\nd-1,1\n"))
    assert "values_text" not in Draft.objects.get(pk=draft.pk).values


def test_looking_at_a_draft_reads_no_table(desk: Client, values: Typed) -> None:
    desk.post("/compose/save/", values(values_text=TABLE))
    assert fields(desk.get("/compose/", {"draft": Draft.objects.get().pk})).value("values_text") == TABLE
    assert not DeviceList.objects.exists()


def test_a_link_says_that_it_leaves_out_the_table(desk: Client, values: Typed) -> None:
    page = read(desk, values(values_text=TABLE))
    link = page.context["saved"].link
    assert link.left_out == "the table of values with its devices"
    assert "d-1" not in link.url


def test_columns_that_are_no_parameters_are_named_and_not_sent(desk: Client, values: Typed) -> None:
    page = read(desk, values(values_text="deviceId,count,hall\nd-1,1,A\n"))
    assert "Not sent: column hall, which is no parameter of the command." in words(page)
    page = read(desk, values(values_text="deviceId,hall\nd-1,A\n"))
    assert "Besides deviceId there is only hall. Name a column after a parameter of SET: count" in words(page)


def test_a_required_parameter_without_a_column_is_still_asked_for(desk: Client, values: Typed) -> None:
    page = desk.post("/compose/", values(values_text="deviceId,mode\nd-1,ECO\n", review="1"))
    assert page.status_code == 422
    assert "required" in error_at(page, "para:count")
    assert ValueTable.objects.get().columns == ["mode"]


def test_values_that_were_checked_for_another_command_are_checked_again_on_request(
    desk: Client, values: Typed
) -> None:
    page = read(desk, values(values_text=TABLE))
    other = desk.post("/compose/", kept(page, method="CLOSE"))
    assert "The values were checked for SET of Meter" in words(other)
    refused = desk.post("/compose/", kept(other, review="1"))
    assert refused.status_code == 422
    assert "CLOSE has no parameters" in words(read(desk, kept(other)))
    back = desk.post("/compose/", kept(other, method="SET"))
    assert "2 different sets of count, mode" in words(back)


def test_values_can_be_taken_away_and_come_back(desk: Client, values: Typed) -> None:
    page = read(desk, values(values_text=TABLE))
    left = desk.post("/compose/", kept(page, forget_values="1"))
    assert ids_of(left) == ["d-1", "d-3", "d-2"]
    assert "without values of their own" in words(left)
    assert "para:count" in fields(left).visible
    back = desk.post("/compose/", kept(left, undo_devices="1"))
    assert "2 different sets of count, mode for 3 devices" in words(back)


def test_a_table_comes_back_into_its_field_to_be_corrected(desk: Client, values: Typed) -> None:
    page = read(desk, values(values_text=TABLE))
    assert "edit_devices" not in text_of(page)  # it would part them from their values
    edited = desk.post("/compose/", kept(page, edit_values="1"))
    assert fields(edited).value("values_text").strip() == TABLE.strip()
    assert "autofocus" in edited.context["form"].fields["values_text"].widget.attrs
    assert ids_of(edited) == ["d-1", "d-3", "d-2"]
    corrected = read(desk, kept(edited, values_text=TABLE.replace("d-3,1,ECO", "d-4,7,ECO")))
    assert "3 different sets of count, mode for 3 devices" in words(corrected)
    assert ids_of(corrected) == ["d-1", "d-2", "d-4"]


def test_what_is_corrected_in_a_table_is_sent_without_another_click(desk: Client, values: Typed) -> None:
    edited = desk.post("/compose/", kept(read(desk, values(values_text=TABLE)), edit_values="1"))
    fewer = kept(edited, values_text="deviceId,count\nd-9,7\n", review="1")
    reviewed = desk.post("/compose/", fewer | {"para:mode": "ECO"}, follow=True)
    param = json.loads(reviewed.context["preview"])["param"]
    assert (param["deviceList"], param["command"]["paras"]) == (["d-9"], {"count": 7, "mode": "ECO"})


def test_what_another_table_leaves_out_is_asked_for_at_once_in_its_place(desk: Client, values: Typed) -> None:
    page = read(desk, values(values_text=TABLE))
    fewer = read(desk, kept(page, values_text="deviceId,mode\nd-9,ECO\n"))
    asked = [field.name for field in fewer.context["form"].parameter_fields]
    assert asked[:2] == ["para:count", "para:serial"]
    assert "para:mode" not in asked


def test_a_long_table_is_read_anew_instead_of_edited(
    desk: Client, values: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dashboard.forms.values.LONG", 3)
    assert "edit_values" not in text_of(read(desk, values(values_text=TABLE)))


def test_devices_that_a_table_took_the_place_of_come_back(desk: Client, values: Typed) -> None:
    page = desk.post("/compose/", values(device_ids="a b c"))
    taken = read(desk, kept(page, values_text=TABLE))
    assert ids_of(taken) == ["d-1", "d-3", "d-2"]
    back = desk.post("/compose/", kept(taken, undo_devices="1"))
    assert ids_of(back) == ["a", "b", "c"]
    assert "para:count" in fields(back).visible


def test_without_a_profile_cells_are_read_as_json_or_text(desk: Client, typed: Typed) -> None:
    page = read(desk, typed(device_ids="", values_text="deviceId,speed\nd-1,5\nd-2,fast\n"))
    assert '5 1 "fast" 1' in words(page)
    assert json.loads(page.context["preview"])["param"]["command"]["paras"] == {"speed": 5}


def test_a_list_over_the_size_says_how_many_tasks_it_becomes(
    desk: Client, typed: Typed, settings: Any
) -> None:
    settings.FAMILY_DEVICES = 2
    page = desk.post("/compose/", typed(device_ids="a\nb\nc"))
    assert "2 tasks of at most 2 devices each" in words(page)
    address = desk.post("/compose/", kept(page, review="1"))["Location"]
    desk.post(address)
    assert Family.objects.get().tasks.count() == 2
    assert desk.post("/compose/", typed(device_ids="a\nb")).context["plan"] is None


def test_a_list_that_would_become_too_many_tasks_is_refused(
    desk: Client, typed: Typed, settings: Any
) -> None:
    settings.FAMILY_DEVICES = 1
    ids = "\n".join(f"d-{n}" for n in range(1001))
    page = desk.post("/compose/", typed(device_ids=ids, review="1"))
    assert page.status_code == 422
    assert "This would become 1,001 tasks; at most 1,000" in words(page)
    assert not Task.objects.exists()


def test_a_keystroke_elsewhere_keeps_no_further_lists(desk: Client, values: Typed) -> None:
    page = read(desk, values(values_text=TABLE))
    posted = kept(page)
    del posted["values_text"]
    preview = desk.post("/compose/preview/", posted, HTTP_HX_REQUEST="true")
    assert "2 tasks" in words(preview)
    assert DeviceList.objects.count() == 1


def test_somebody_elses_values_are_not_taken(
    desk: Client, browser_of: Callable[..., Client], values: Typed
) -> None:
    page = read(desk, values(values_text=TABLE))
    other = browser_of("admin").post("/compose/", kept(page))
    assert "different sets" not in words(other)


def test_devices_in_doubt_go_with_their_rows_and_the_others_keep_their_values(
    desk: Client, values: Typed, fleet: Application
) -> None:
    table = "deviceId,count,mode\nmeter-0,1,ECO\nstranger-1,4,FULL\nlamp-1,4,FULL\nmeter-1,1,ECO\nstranger-2,7,ECO\n"
    page = read(desk, values(values_text=table))
    doubts = {doubt.key: doubt.first for doubt in page.context["form"].doubts}
    assert doubts["unknown"] == [(3, "stranger-1"), (6, "stranger-2")]
    left = desk.post("/compose/", kept(page, drop_doubts="unknown"))
    assert "2 different sets of count, mode for 3 devices" in words(left)
    assert "without 2 not in the catalogue" in words(left)
    given = ValueTable.objects.get(pk=left.context["form"].devices.kept.pk)
    assert given.sets == [[{"count": 1, "mode": "ECO"}, 2], [{"count": 4, "mode": "FULL"}, 1]]
    assert given.devices.text == "meter-0\nmeter-1\nlamp-1"
    assert given.text == "deviceId,count,mode\nmeter-0,1,ECO\nlamp-1,4,FULL\nmeter-1,1,ECO\n"
    undone = desk.post("/compose/", kept(left, undo_devices="1"))
    assert "3 different sets of count, mode for 5 devices" in words(undone)
    assert undone.context["form"].devices.kept.pk == page.context["form"].devices.kept.pk


def test_what_is_sent_after_that_is_each_device_with_its_own_values(
    desk: Client, values: Typed, fleet: Application
) -> None:
    page = read(desk, values(values_text="deviceId,count\nmeter-0,1\nstranger-1,4\nmeter-1,7\n"))
    left = desk.post("/compose/", kept(page, drop_doubts="unknown", **{"para:mode": "ECO"}))
    address = desk.post("/compose/", kept(left, review="1"))["Location"]
    cautions = desk.get(address).context
    desk.post(
        address, {"typed": cautions["word"], "acknowledged": cautions.get("acknowledged", "")}, follow=True
    )
    sent = [json.loads(task.request_body)["param"] for task in Task.objects.order_by("pk")]
    assert [(param["deviceList"], param["command"]["paras"]["count"]) for param in sent] == [
        (["meter-0"], 1),
        (["meter-1"], 7),
    ]


def test_parameters_of_a_table_are_asked_for_when_the_target_is_no_list(desk: Client, values: Typed) -> None:
    page = read(desk, values(values_text="deviceId,count\nmeter-0,1\n"))
    asked = {"HX-Request": "true", "HX-Target": "where-part"}
    part = desk.post("/compose/", kept(page, target_type="Broadcast"), headers=asked)
    assert fields(part).visible >= {"para:count"}
    untouched = desk.post("/compose/", values(target_type="Broadcast"), headers=asked)
    assert 'id="what-part"' not in text_of(untouched)


@pytest.mark.parametrize(("pressed", "devices"), [("undo_devices", 2), ("forget_devices", 0)])
def test_the_command_is_drawn_anew_with_the_devices_when_their_values_changed(
    pressed: str, devices: int, desk: Client, values: Typed, fleet: Application
) -> None:
    page = read(desk, values(values_text="deviceId,count\nmeter-0,1\nstranger-1,4\n"))
    posted = kept(page, drop_doubts="unknown")
    asked = {"HX-Request": "true", "HX-Target": "devices"}
    part = desk.post("/compose/", posted, headers=asked)
    assert "1 different set of count for 1 device" in words(part)
    again = desk.post("/compose/", kept(desk.post("/compose/", posted), **{pressed: "1"}), headers=asked)
    assert ("sets of count for 2 devices" in words(again)) == (devices == 2)
    assert 'id="what-part"' in text_of(again)
    assert ('name="para:count"' in text_of(again)) == (devices == 0)


def test_the_rest_is_checked_for_another_command_without_those_that_were_removed(
    desk: Client, values: Typed, fleet: Application
) -> None:
    page = read(desk, values(values_text="deviceId,count\nmeter-0,1\nstranger-1,4\n"))
    left = desk.post("/compose/", kept(page, drop_doubts="unknown"))
    other = desk.post("/compose/", kept(left, method="CLOSE"))
    assert "The values were checked for" in words(other)
    free = desk.post("/compose/", kept(other, profile="", service_id="Valve", method="SET"))
    again = desk.post("/compose/", kept(free, read_values="1"))
    assert again.context["form"].devices.kept.text == "meter-0"


def test_devices_with_values_are_compared_with_others_and_none_without_values_is_added(
    desk: Client, values: Typed, fleet: Application
) -> None:
    page = read(desk, values(values_text="deviceId,count\nmeter-0,1\nmeter-3,4\nstranger-1,7\n"))
    asked = {"devices_from": "catalogue", "from_status": "OFFLINE"}
    offered = desk.post("/compose/", kept(page, **asked))
    results = {str(operation): count for operation, count, _ in offered.context["form"].source.results}
    assert results == {"without": 2, "both": 1, "instead": 2}
    left = desk.post("/compose/", kept(offered, take="both"))
    assert "1 different set of count for 1 device" in words(left)
    assert ValueTable.objects.get(pk=left.context["form"].devices.kept.pk).sets == [[{"count": 4}, 1]]
    instead = desk.post("/compose/", kept(offered, take="instead"))
    assert left.context["form"].devices.kept.text == "meter-3"
    assert "1 different set" not in words(instead)
