"""Templates: saved from the composer, used with what they lock, versioned, deleted and brought back."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from tasks.models import Application, DeviceList, Draft, Profile, Task, Template
from tests.factories import GroupFactory, ResultFactory, make_template

from .pages import error_at, errors, fields, text_of, words
from .test_compose import sent, with_profile

pytestmark = pytest.mark.django_db

Typed = Callable[..., dict[str, Any]]


@pytest.fixture
def writer(browser_of: Callable[..., Client]) -> Client:
    return browser_of("admin")


def saved_as(writer: Client, values: dict[str, Any], **given: Any) -> Template:
    """The template that the composer's page makes of these values."""
    page = writer.post("/compose/", values | {"as_template": "1"})
    assert page.status_code == 302, errors(page)
    done = writer.post(page["Location"], {"name": "Night", "locked": [], **given})
    assert done.status_code == 302, words(done)
    return Template.objects.latest("changed_at")


def started(desk: Client, template: Template, **changes: Any) -> dict[str, Any]:
    """What a page that begins with the template posts, with changes."""
    return fields(desk.get("/compose/", {"template": template.pk})).posted | changes


def test_a_template_is_saved_and_fills_in_the_composer_of_others(
    writer: Client, desk: Client, typed: Typed, meter: Profile
) -> None:
    values = with_profile(typed, meter, tag_name=["site"], tag_value=["north"], group_tag="east")
    template = saved_as(
        writer, values, name="Set count", description="Every spring", locked=["command", "para:count"]
    )
    assert Draft.objects.count() == 0
    page = desk.get("/compose/", {"template": template.pk})
    held = fields(page)
    assert "Composed with the template Set count , version 1" in words(page)
    assert held.value("name") == ""
    assert held.value("group_tag") == "east"
    assert {"timeout", "para:ratio"} <= held.visible
    assert not {"profile", "service_id", "method", "para:count"} & held.visible
    body = sent(desk, held.posted | {"para:ratio": ["0.75"]})
    task = Task.objects.get()
    assert body["param"]["command"] == {
        "serviceId": "Valve",
        "method": "SET",
        "paras": {"count": 4, "ratio": 0.75},
    }
    assert body["taskName"].startswith("Set count · 2")
    assert body["param"]["deviceList"] == ["device-1", "device-2"]
    assert task.template == template.newest
    assert f"{template.name}" in words(desk.get(task.get_absolute_url()))


@pytest.mark.parametrize(
    ("part", "change", "field"),
    [
        ("target", {"target_type": "DeviceArea", "device_location": "Hall"}, "target_type"),
        ("target", {"device_ids": "other"}, "target_type"),
        ("command", {"method": "CLOSE"}, "method"),
        ("command", {"profile": ""}, "profile"),
        ("para:count", {"para:count": "7"}, "para:count"),
        ("para:text", {"para:text": "x"}, "para:text"),
        ("timeout", {"timeout": "61"}, "timeout"),
        ("callback", {"callback": None}, "callback"),
        ("max_retransmit", {"max_retransmit": "3"}, "max_retransmit"),
        ("group_tag", {"group_tag": "west"}, "group_tag"),
    ],
)
def test_a_posted_change_of_what_is_locked_is_refused_in_words(
    part: str, change: dict[str, Any], field: str, writer: Client, desk: Client, typed: Typed, meter: Profile
) -> None:
    template = saved_as(writer, with_profile(typed, meter, group_tag="east"), locked=[part])
    posted = {name: each for name, each in started(desk, template, **change).items() if each is not None}
    refused = desk.post("/compose/", posted | {"review": "1"})
    assert refused.status_code == 422
    assert "The template Night (version 1) locks this" in words(refused)
    assert field in refused.context["form"].errors
    mended, untouched = sent(desk, fields(refused).posted), sent(desk, started(desk, template))
    for body in (mended, untouched):
        del body["taskName"]
        body["param"].pop("callbackUrl")
    assert mended == untouched


def test_free_json_is_no_way_around_a_locked_parameter(
    writer: Client, desk: Client, typed: Typed, meter: Profile
) -> None:
    template = saved_as(writer, with_profile(typed, meter), locked=["para:count", "command"])
    posted = started(desk, template, as_json="on", paras='{"count": 7}')
    refused = desk.post("/compose/", posted | {"review": "1"})
    assert refused.status_code == 422
    assert sent(desk, fields(refused).posted)["param"]["command"]["paras"] == {"count": 4}


def test_a_file_is_no_way_around_locked_devices(writer: Client, desk: Client, typed: Typed) -> None:
    template = saved_as(writer, typed(), locked=["target"])
    file = SimpleUploadedFile("other.txt", b"device-9")
    refused = desk.post("/compose/", started(desk, template, review="1", device_file=file))
    assert refused.status_code == 422
    assert sent(desk, fields(refused).posted)["param"]["deviceList"] == ["device-1", "device-2"]


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ("target", "The template Night (version 1) locks this"),
        ("para:count", "The template locks count: leave that out of the table."),
    ],
)
def test_a_table_of_values_is_no_way_around_a_lock(
    part: str, said: str, writer: Client, desk: Client, typed: Typed, meter: Profile
) -> None:
    template = saved_as(writer, with_profile(typed, meter), locked=[part])
    posted = started(desk, template, review="1", values_text="deviceId,count\ndevice-9,7\n")
    refused = desk.post("/compose/", posted)
    assert refused.status_code == 422
    assert said in words(refused)
    param = sent(desk, fields(refused).posted | {"values_text": ""})["param"]
    assert (param["deviceList"], param["command"]["paras"]["count"]) == (["device-1", "device-2"], 4)


@pytest.mark.parametrize("posted", [{}, {"values_file": b"deviceId,mode\nd-9,ECO\n"}])
def test_a_file_of_values_is_no_way_around_locked_devices(
    posted: dict[str, Any], writer: Client, desk: Client, typed: Typed, meter: Profile
) -> None:
    template = saved_as(writer, with_profile(typed, meter), locked=["target"])
    files = {name: SimpleUploadedFile("other.csv", data) for name, data in posted.items()}
    answer = desk.post("/compose/", started(desk, template, review="1") | files)
    assert answer.status_code == (422 if posted else 302)


# Values that differ by device

TABLE = "deviceId,count,mode\nd-1,1,ECO\nd-2,4,FULL\nd-3,1,ECO\n"


def with_table(typed: Typed, meter: Profile, **changes: Any) -> dict[str, Any]:
    empty = {f"para:{name}": "" for name in ("count", "mode")}
    return with_profile(typed, meter, device_ids="", values_text=TABLE, **empty, **changes)


def bodies_of(desk: Client, posted: dict[str, Any]) -> list[tuple[list[str], dict[str, Any]]]:
    """Devices and parameters of the tasks that these values of the form become."""
    address = desk.post("/compose/", posted | {"review": "1"})["Location"]
    page = desk.get(address)
    desk.post(address, {"typed": page.context["word"], "acknowledged": page.context["cautions"]})
    params = [json.loads(task.request_body)["param"] for task in Task.objects.order_by("pk")]
    return [(param["deviceList"], param["command"]["paras"]) for param in params]


ITS_OWN = [(["d-1", "d-3"], {"count": 1, "mode": "ECO"}), (["d-2"], {"count": 4, "mode": "FULL"})]


@pytest.mark.parametrize("locked", [["command"], ["command", "target"]])
def test_a_template_keeps_the_table_of_values_with_its_devices(
    locked: list[str], writer: Client, desk: Client, typed: Typed, meter: Profile
) -> None:
    template = saved_as(writer, with_table(typed, meter), locked=locked)
    said = words(desk.get(template.get_absolute_url()))
    assert "3 devices listed, each with its own count, mode: 2 sets of values" in said
    assert "count –" not in said
    page = desk.get("/compose/", {"template": template.pk})
    assert "2 tasks : 2 different sets of count, mode for 3 devices, from template Night." in words(page)
    assert ("Do without the table" in words(page)) == ("target" not in locked)
    link = desk.post("/compose/", fields(page).posted).context["saved"].link
    assert (link.left_out, f"template={template.pk}" in link.url) == ("", True)
    assert bodies_of(desk, fields(page).posted) == ITS_OWN
    assert {task.template for task in Task.objects.all()} == {template.newest}


def test_ticked_groups_that_are_locked_are_sent_all(
    writer: Client, desk: Client, typed: Typed, site_app: Application
) -> None:
    for name in ("night", "day"):
        GroupFactory(application=site_app, name=name)
    ticked = typed(target_type="GroupList", group_names=["night", "day", ""])
    template = saved_as(writer, ticked, locked=["target"])
    posted = started(desk, template)
    assert 'type="checkbox" name="group_names"' not in text_of(desk.post("/compose/", posted))
    assert sorted(sent(desk, posted)["param"]["groupList"]) == ["day", "night"]


def test_where_devices_are_open_another_table_takes_the_place_of_the_templates(
    writer: Client, desk: Client, typed: Typed, meter: Profile
) -> None:
    template = saved_as(writer, with_table(typed, meter), locked=["command"])
    posted = started(desk, template, values_text="deviceId,count\nd-9,7\n")
    assert bodies_of(desk, posted) == [(["d-9"], {"count": 7})]
    assert "2 different sets of count, mode" in words(desk.get("/compose/", {"template": template.pk}))


def test_a_table_may_give_what_the_template_leaves_open(
    writer: Client, desk: Client, typed: Typed, meter: Profile
) -> None:
    template = saved_as(writer, with_profile(typed, meter), locked=["command", "para:count"])
    posted = started(desk, template, values_text="deviceId,mode\nd-1,ECO\nd-2,FULL\n")
    assert bodies_of(desk, posted) == [
        (["d-1"], {"count": 4, "mode": "ECO"}),
        (["d-2"], {"count": 4, "mode": "FULL"}),
    ]


def test_a_table_that_was_read_before_is_no_way_around_a_locked_parameter(
    writer: Client, desk: Client, typed: Typed, meter: Profile
) -> None:
    template = saved_as(writer, with_profile(typed, meter), locked=["command", "para:count"])
    other = desk.post("/compose/", with_table(typed, meter) | {"read_values": "1"})
    posted = started(desk, template, device_ids="", device_list=fields(other).value("device_list"))
    refused = desk.post("/compose/", posted | {"review": "1"})
    assert refused.status_code == 422
    assert "The template locks count: leave that out of the table." in words(refused)


def test_locked_values_need_their_command_locked(writer: Client, typed: Typed, meter: Profile) -> None:
    page = writer.post("/compose/", with_table(typed, meter, as_template="1"))
    refused = writer.post(page["Location"], {"name": "Night", "locked": ["target"]})
    assert refused.status_code == 422
    assert "Lock this, too: the values of the locked devices are for this command." in words(refused)
    assert not Template.objects.exists()


def test_an_older_version_comes_back_with_its_table(
    writer: Client, desk: Client, typed: Typed, meter: Profile
) -> None:
    template = saved_as(writer, with_table(typed, meter), locked=["command"])
    edited = fields(writer.get("/compose/", {"template": template.pk, "edit": ""})).posted
    save = writer.post("/compose/", edited | {"forget_values": "1"})
    without = fields(save).posted | {"para:count": "1", "para:mode": "ECO", "as_template": "1"}
    writer.post(writer.post("/compose/", without)["Location"], {"name": "Night", "locked": ["command"]})
    template.refresh_from_db()
    assert template.version == 2
    assert "different sets" not in words(desk.get("/compose/", {"template": template.pk}))
    writer.post(f"/templates/{template.pk}/adopt/", {"version": "1"})
    assert bodies_of(desk, started(desk, template)) == ITS_OWN


# Reruns


@pytest.mark.parametrize("locked", [[], ["application", "command", "target", "para:count", "timeout"]])
def test_a_rerun_keeps_the_template_of_its_parent_whatever_it_says_of_devices(
    locked: list[str], writer: Client, desk: Client, typed: Typed, meter: Profile
) -> None:
    template = saved_as(writer, with_profile(typed, meter), locked=locked)
    sent(desk, started(desk, template))
    parent = Task.objects.get()
    Task.objects.update(state="COMPLETE", counts={"FAILED": 1})
    ResultFactory(task=parent, device_id="device-2", status="FAILED")
    writer.post(f"/templates/{template.pk}/delete/")
    review = desk.post(f"/tasks/{parent.pk}/rerun/", {"outcome": "failed"}, follow=True)
    assert desk.post(review.redirect_chain[-1][0], {"known": "0"}).status_code == 302
    again = parent.reruns.get()
    assert again.template == parent.template == template.newest
    assert json.loads(again.request_body)["param"]["deviceList"] == ["device-2"]
    assert json.loads(again.request_body)["param"]["command"]["paras"] == {"count": 4}


def test_a_rerun_is_no_way_around_what_its_template_locks(
    writer: Client, desk: Client, typed: Typed, meter: Profile
) -> None:
    template = saved_as(writer, with_profile(typed, meter), locked=["command", "target", "para:count"])
    sent(desk, started(desk, template))
    parent = Task.objects.get()
    Task.objects.update(state="REFUSED")
    desk.post(f"/tasks/{parent.pk}/rerun/", {"outcome": "not-dispatched"})
    posted = fields(desk.get("/compose/", {"draft": Draft.objects.get().pk})).posted
    for change, field in (
        ({"para:count": "7"}, "para:count"),
        ({"device_list": "", "device_ids": "other"}, "target_type"),
    ):
        refused = desk.post("/compose/", posted | change | {"review": "1"})
        assert refused.status_code == 422
        assert "The template Night (version 1) locks this" in words(refused)
        assert field in refused.context["form"].errors


def test_locked_tags_stay_as_they_are(writer: Client, desk: Client, typed: Typed) -> None:
    template = saved_as(writer, typed(tag_name=["a"], tag_value=["1"]), locked=["tags"])
    posted = started(desk, template) | {"tag_name": ["a", "b"], "tag_value": ["1", "2"], "review": "1"}
    refused = desk.post("/compose/", posted)
    assert refused.status_code == 422
    assert sent(desk, fields(refused).posted)["tags"] == [{"tagName": "a", "tagValue": "1"}]


def test_what_is_locked_must_be_good_and_what_is_open_need_not(writer: Client, typed: Typed) -> None:
    values = typed(device_ids="", timeout="9")
    page = writer.post("/compose/", values | {"as_template": "1"})
    refused = writer.post(page["Location"], {"name": "N", "locked": ["timeout", "target"]})
    assert refused.status_code == 422
    assert "Must be a whole number from 10 to 2880 (minutes)." in words(refused)
    assert "Paste device ids or choose a file." in words(refused)
    assert writer.post(page["Location"], {"name": "N", "locked": ["command"]}).status_code == 302
    assert Template.objects.get().newest.device_list is None


def test_the_devices_of_a_template_are_its_own(writer: Client, desk: Client, typed: Typed) -> None:
    template = saved_as(writer, typed(), locked=["target"])
    assert DeviceList.objects.filter(templates__template=template).get().ids == ["device-1", "device-2"]
    body = sent(desk, started(desk, template))
    assert body["param"]["deviceList"] == ["device-1", "device-2"]
    assert not Task.objects.get().rerun_of.exists()


def test_a_name_is_used_once(writer: Client, typed: Typed) -> None:
    saved_as(writer, typed())
    page = writer.post("/compose/", typed(as_template="1"))
    refused = writer.post(page["Location"], {"name": "Night"})
    assert error_at(refused, "name") == "There is a template of this name already."
    empty = writer.post(page["Location"], {"name": " "})
    assert error_at(empty, "name") == "This field is required."
    assert Template.objects.count() == 1


def test_editing_makes_a_new_version_and_an_old_one_can_be_used_again(
    writer: Client, desk: Client, typed: Typed
) -> None:
    template = saved_as(writer, typed(), locked=["timeout"])
    page = writer.get("/compose/", {"template": template.pk, "edit": ""})
    assert "timeout" in fields(page).visible
    save = writer.post("/compose/", fields(page).posted | {"timeout": "90", "as_template": "1"})["Location"]
    asked = writer.get(save)
    assert "A new version of “Night”" in words(asked)
    writer.post(save, {"name": "Night shift", "locked": ["timeout"], "note": "longer"})
    template.refresh_from_db()
    assert (template.version, template.name) == (2, "Night shift")
    assert fields(desk.get("/compose/", {"template": template.pk})).value("timeout") == "90"
    old = writer.get(f"/templates/{template.pk}/?version=1")
    assert "This is an old version." in words(old)
    writer.post(f"/templates/{template.pk}/adopt/", {"version": "1"})
    assert fields(desk.get("/compose/", {"template": template.pk})).value("timeout") == "60"
    page = desk.get(f"/templates/{template.pk}/")
    assert "as version 1" in words(page)
    assert "longer" in words(page)


def test_a_composition_begun_with_an_older_version_keeps_it_and_says_so(desk: Client, typed: Typed) -> None:
    template = make_template(locked=["timeout"])
    posted = started(desk, template)
    template.add_version(template.author, values=template.newest.values | {"timeout": ["99"]}, locked=[])
    page = desk.post("/compose/", posted)
    assert "version 1; there is a newer one" in words(page)


def test_an_operator_uses_templates_and_writes_none(desk: Client, typed: Typed) -> None:
    template = make_template(locked=["timeout"])
    assert "Save as a template" not in words(desk.get("/compose/"))
    edited = fields(desk.get("/compose/", {"template": template.pk, "edit": ""}))
    assert "timeout" not in edited.visible
    page = words(desk.get("/templates/"))
    assert "Close valves" in page
    assert "Compose with it" in page
    for path in ("delete", "adopt", "restore"):
        assert desk.post(f"/templates/{template.pk}/{path}/", {"version": "1"}).status_code == 403


def test_templates_are_found_by_name_and_description(desk: Client) -> None:
    make_template("Close valves")
    other = make_template("Reboot")
    Template.objects.filter(pk=other.pk).update(description="when all VALVES hang")
    make_template("Else")
    found = words(desk.get("/templates/", {"text": "valve"}))
    assert "Close valves" in found
    assert "Reboot" in found
    assert "Else" not in found
    assert "No template has this" in words(desk.get("/templates/", {"text": "nothing"}))


def test_a_deleted_template_is_gone_and_can_be_brought_back(writer: Client, desk: Client) -> None:
    template = make_template(locked=["timeout"])
    gone = writer.post(f"/templates/{template.pk}/delete/", follow=True)
    assert "Deleted “Close valves”. Undo" in words(gone)
    assert "Composed with the template" not in words(desk.get("/compose/", {"template": template.pk}))
    other = make_template()
    refused = writer.post(f"/templates/{template.pk}/restore/", follow=True)
    assert "There is another template “Close valves” now" in words(refused)
    writer.post(f"/templates/{other.pk}/delete/")
    assert "Compose with it" in words(writer.post(f"/templates/{template.pk}/restore/", follow=True))


def test_a_version_is_never_changed(writer: Client, typed: Typed) -> None:
    template = saved_as(writer, typed())
    before = json.dumps(template.newest.values)
    writer.post(f"/templates/{template.pk}/adopt/", {"version": "1"})
    assert json.dumps(template.versions.get(number=1).values) == before
    assert template.versions.count() == 2


@pytest.mark.parametrize("odd", ["9" * 40, "-1", "x", "²", ""])
def test_odd_ids_never_break_a_page(odd: str, writer: Client) -> None:
    template = make_template()
    assert writer.get("/compose/", {"template": odd}).status_code == 200
    assert writer.get("/templates/", {"deleted": odd, "text": odd}).status_code == 200
    assert writer.get(f"/templates/{template.pk}/", {"version": odd}).status_code in (200, 404)
    assert writer.post(f"/templates/{template.pk}/adopt/", {"version": odd}).status_code == 404
    assert writer.get("/templates/save/", {"draft": odd}).status_code == 404
