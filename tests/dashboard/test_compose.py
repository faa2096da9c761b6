"""The composer: fields that follow the target type and the profile, and a request that holds just what applies."""

import html
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from dashboard.forms.compose_fields import TARGET_FIELDS
from dashboard.forms.known_targets import MOST_GROUPS
from dashboard.previews import INLINE
from tasks.models import Application, DeviceList, Group, Profile, Task
from tasks.profiles import schema
from tasks.profiles.schema import Service
from tasks.targets import MEMBERS, TargetType
from tests.factories import GroupFactory, ProfileFactory

from .pages import error_at, errors, fields, text_of, words

pytestmark = pytest.mark.django_db

Typed = Callable[..., dict[str, Any]]
ALL_TARGETS: dict[str, Any] = {
    "device_type": "Meter",
    "manufacturer_id": "m-1",
    "model": "X1",
    "device_location": "Hall A",
    "group_names": "night\nday",
    "group_ids": "g-1\ng-2",
}
# Target type -> the visible fields of its own, and its part of the request when ALL_TARGETS is filled in.
EXPECTED: dict[TargetType, tuple[set[str], dict[str, Any]]] = {
    TargetType.DEVICE_LIST: ({"device_ids", "device_file"}, {"deviceList": ["device-1", "device-2"]}),
    TargetType.DEVICE_TYPE: (
        {"device_type", "manufacturer_id", "model"},
        {"deviceType": "Meter", "manufacturerId": "m-1", "model": "X1"},
    ),
    TargetType.DEVICE_AREA: ({"device_location"}, {"deviceLocation": "Hall A"}),
    TargetType.GROUP_LIST: ({"group_names"}, {"groupList": ["night", "day"]}),
    TargetType.GROUP_ID_LIST: ({"group_ids"}, {"groupList": ["g-1", "g-2"]}),
    TargetType.BROADCAST: (set(), {}),
}
OWN = {name for names, _ in EXPECTED.values() for name in names}


def preview_of(answer: Any) -> dict[str, Any]:
    return json.loads(answer.context["preview"])


def sent(desk: Client, values: dict[str, Any]) -> dict[str, Any]:
    """The stored request after review and confirmation."""
    reviewed = desk.post("/compose/", values | {"review": "1"})
    assert reviewed.status_code == 302, errors(reviewed)
    page = desk.get(reviewed["Location"])
    given = {"typed": page.context["word"], "acknowledged": page.context["cautions"]}
    done = desk.post(reviewed["Location"], given)
    assert done.status_code == 302, words(done)
    return json.loads(Task.objects.latest("pk").request_body)


def test_every_target_type_has_its_fields() -> None:
    assert set(TARGET_FIELDS) == set(TargetType) == set(EXPECTED)
    for kind, names in TARGET_FIELDS.items():
        assert bool(names) == bool(MEMBERS[kind])


@pytest.mark.parametrize("kind", TargetType)
def test_only_the_fields_of_the_chosen_target_type_are_shown(
    kind: TargetType, desk: Client, typed: Typed
) -> None:
    page = desk.post("/compose/", typed(target_type=kind, device_ids="", **ALL_TARGETS))
    assert page.status_code == 200
    assert fields(page).visible & OWN == EXPECTED[kind][0]
    assert 'class="error"' not in text_of(page)


@pytest.mark.parametrize("kind", TargetType)
def test_what_belongs_to_the_target_type_is_required_and_nothing_else(
    kind: TargetType, desk: Client, typed: Typed
) -> None:
    page = desk.post("/compose/", typed(target_type=kind, device_ids="", review=1))
    expected = EXPECTED[kind][0] - {"device_file"}
    assert set(errors(page)) == expected
    assert "This field is required." not in words(page)
    assert page.status_code == (422 if expected else 302)
    assert Task.objects.count() == 0


@pytest.mark.parametrize("kind", TargetType)
def test_the_request_holds_what_applies_and_nothing_else(
    kind: TargetType, desk: Client, typed: Typed
) -> None:
    """All fields are filled in; those of other types are never sent."""
    body = sent(desk, typed(target_type=kind, group_tag="", max_retransmit="", **ALL_TARGETS))
    param = body["param"]
    assert param.pop("callbackUrl").startswith("http://127.0.0.1:8000/callbacks/")
    command = {"serviceId": "Valve", "method": "CLOSE", "paras": {"speed": 3}}
    assert param == {"type": kind, **EXPECTED[kind][1], "command": command}
    rest = {"appId": "app-1", "taskName": "Close the valves", "taskType": "DeviceCmd", "timeout": 60}
    assert body == rest | {"param": param}


def test_optional_members_are_sent_when_they_are_given(desk: Client, typed: Typed) -> None:
    values = typed(
        callback=None, max_retransmit="0", group_tag="east", paras="", tag_name=["site", "", "shift"],
        tag_value=["north", "", "night"],
    )  # fmt: skip
    body = sent(desk, values)
    assert body["param"]["maxRetransmit"] == 0
    assert body["param"]["groupTag"] == "east"
    assert "callbackUrl" not in body["param"]
    assert "paras" not in body["param"]["command"]
    assert body["tags"] == [
        {"tagName": "site", "tagValue": "north"},
        {"tagName": "shift", "tagValue": "night"},
    ]


def test_what_was_typed_for_one_target_type_survives_a_look_at_the_others(desk: Client, typed: Typed) -> None:
    """By the page alone, as without JavaScript: every redraw posts what the page before held."""
    page = desk.post("/compose/", typed(device_ids="", target_type="DeviceType", **ALL_TARGETS))
    for kind in (*TargetType, TargetType.DEVICE_TYPE):
        posted = fields(page).posted | {
            "target_type": kind,
            "redraw": "1",
        }
        page = desk.post("/compose/", posted)
    held = fields(page)
    assert {name: held.value(name) for name in ALL_TARGETS} == ALL_TARGETS
    assert held.value("name") == "Close the valves"
    assert held.value("paras") == '{"speed": 3}'


@pytest.mark.parametrize("ids", ["device-1\ndevice-2", "device-1\nbad\x07one"])
def test_typed_device_ids_survive_a_look_at_another_target_type(ids: str, desk: Client, typed: Typed) -> None:
    page = desk.post("/compose/", typed(device_ids=ids, target_type="Broadcast"))
    back = desk.post("/compose/", fields(page).posted | {"target_type": ["DeviceList"]})
    held = fields(back)
    assert held.value("device_list") or held.value("device_ids").splitlines() == ids.splitlines()


def test_the_preview_is_the_request_as_far_as_it_is_valid(desk: Client, typed: Typed) -> None:
    answer = desk.post(
        "/compose/preview/", typed(target_type="Broadcast", timeout="many"), HTTP_HX_REQUEST="true"
    )
    assert answer.status_code == 200
    preview = preview_of(answer)
    assert "timeout" not in preview or preview["timeout"] is None
    assert preview["param"]["type"] == "Broadcast"
    assert preview["param"]["callbackUrl"].endswith("/callbacks/…/")
    whole = preview_of(desk.post("/compose/preview/", typed(target_type="Broadcast")))
    stored = sent(desk, typed(target_type="Broadcast"))
    stored["param"]["callbackUrl"] = whole["param"]["callbackUrl"]
    assert whole == stored
    assert list(whole) == list(stored)


def test_a_long_device_list_is_cut_short_in_the_preview_alone(desk: Client, typed: Typed) -> None:
    ids = [f"device-{number}" for number in range(30)]
    values = typed(device_ids="\n".join(ids))
    page = desk.post("/compose/", values)
    assert preview_of(page)["param"]["deviceList"] == [*ids[:5], "… and 25 more"]
    assert sent(desk, values)["param"]["deviceList"] == ids


# The command


def with_profile(typed: Typed, meter: Profile, **changes: Any) -> dict[str, Any]:
    given = {"profile": meter.pk, "service_id": "Valve", "method": "SET", "paras": None, "para:count": "4"}
    return typed(**(given | changes))


def test_the_profile_decides_the_services_commands_and_parameter_fields(
    desk: Client, typed: Typed, meter: Profile
) -> None:
    page = desk.post("/compose/", with_profile(typed, meter))
    assert [choice[0] for choice in page.context["form"].fields["service_id"].choices] == ["Valve", "Clock"]
    assert [choice[0] for choice in page.context["form"].fields["method"].choices] == ["SET", "CLOSE"]
    shown = [name for name in fields(page).posted if name.startswith("para:")]
    assert shown == [
        f"para:{n}"
        for n in ("count", "serial", "ratio", "factor", "text", "mode", "open", "at", "extra", "names")
    ] or set(shown) >= {"para:count", "para:names"}
    assert "int · 1 to 10 · in steps of 3" in text_of(page)
    assert "decimal · 0.5 to 1.5 · unit: bar" in text_of(page)
    assert "at most 5 characters" in text_of(page)
    other = desk.post("/compose/", with_profile(typed, meter, service_id="Clock"))
    assert {name for name in fields(other).visible if name.startswith("para:")} == {"para:zone"}
    none = desk.post("/compose/", with_profile(typed, meter, method="CLOSE"))
    assert "This command has no parameters." in words(none)


VALUES: list[tuple[str, str, Any]] = [
    ("count", "7", 7),
    ("serial", "9223372036854775807", 2**63 - 1),
    ("ratio", "0.75", 0.75),
    ("ratio", "1", 1),
    ("factor", "-1e3", -1000.0),
    ("text", " a b ", " a b "),
    ("text", "5", "5"),
    ("mode", "ECO", "ECO"),
    ("open", "true", True),
    ("open", "false", False),
    ("at", "2026-12-31T23:59", "20261231T235900Z"),
    ("at", "20261231T235900Z", "20261231T235900Z"),
    ("extra", '{"a": [1, 2.5, null]}', {"a": [1, 2.5, None]}),
    ("names", "one\r\ntwo", ["one", "two"]),
]


@pytest.mark.parametrize(("name", "text", "value"), VALUES)
def test_a_parameter_is_sent_as_its_type(
    name: str, text: str, value: Any, desk: Client, typed: Typed, meter: Profile
) -> None:
    paras = sent(desk, with_profile(typed, meter, **{f"para:{name}": text}))["param"]["command"]["paras"]
    assert paras == {"count": 4} | {name: value}
    assert type(paras[name]) is type(value)


WRONG: list[tuple[str, str, str]] = [
    ("count", "", "This parameter is required by the profile."),
    ("count", "0", "count must be from 1 to 10"),
    ("count", "11", "count must be from 1 to 10"),
    ("count", "5", "count must go in steps of 3 from 1"),
    ("count", "4.0", "count must be a whole number"),
    ("count", "four", "count must be a whole number"),
    ("serial", "9223372036854775808", "serial must be from -9223372036854775808 to 9223372036854775807"),
    ("ratio", "1.6", "ratio must be from 0.5 to 1.5"),
    ("ratio", "NaN", "ratio must be a number"),
    ("factor", "1e999", "factor must be a number that a device can hold"),
    ("text", "123456", "text must have at most 5 characters, and has 6"),
    ("mode", "TURBO", "mode must be one of ECO, FULL"),
    ("open", "perhaps", "open must be true or false"),
    ("at", "2026-02-30T00:00", "at must be a time that exists"),
    ("at", "tomorrow", "at must be a time such as"),
    ("extra", "[1]", "extra must be a JSON object"),
    ("extra", '{"a": NaN}', "extra must be a JSON object: NaN is not a JSON value"),
    ("extra", '{"a": 1, "a": 2}', "extra must be a JSON object: the name 'a' comes twice"),
]


@pytest.mark.parametrize(("name", "text", "problem"), WRONG)
def test_a_wrong_parameter_is_told_at_its_field_and_kept(
    name: str, text: str, problem: str, desk: Client, typed: Typed, meter: Profile
) -> None:
    page = desk.post("/compose/", with_profile(typed, meter, review=1, **{f"para:{name}": text}))
    assert page.status_code == 422
    assert set(errors(page)) == {f"para:{name}"}
    assert problem in error_at(page, f"para:{name}")
    if name not in ("mode", "open"):
        assert fields(page).value(f"para:{name}") == text


def test_optional_parameters_left_out_are_not_sent(desk: Client, typed: Typed, meter: Profile) -> None:
    empty = {
        f"para:{parameter}": "" for parameter in ("serial", "text", "mode", "open", "at", "extra", "names")
    }
    assert sent(desk, with_profile(typed, meter, **empty))["param"]["command"]["paras"] == {"count": 4}
    without = sent(desk, with_profile(typed, meter, method="CLOSE"))
    assert without["param"]["command"] == {"serviceId": "Valve", "method": "CLOSE"}


def test_whoever_has_no_profile_is_told_where_to_get_one(
    desk: Client, site_app: Application, request: pytest.FixtureRequest
) -> None:
    assert "No profile is known yet. Import yours" in words(desk.get("/compose/"))
    request.getfixturevalue("meter")
    assert "No profile is known yet" not in words(desk.get("/compose/"))


@pytest.mark.parametrize("as_json", ["", "on"])
def test_a_profile_without_commands_asks_for_another_one_and_for_nothing_else(
    as_json: str, desk: Client, typed: Typed
) -> None:
    definition = schema.Profile("Odd", "m-1", "Maker", "O1", "CoAP", (Service("Raw", "Raw"),))
    empty = ProfileFactory(device_type="Odd", definition=schema.to_dict(definition))
    posted = typed(profile=empty.pk, as_json=as_json)
    said = "This profile has no commands. Choose another one, or none to type the command."
    looked_at = desk.post("/compose/", posted)
    assert (words(looked_at).count(said), errors(looked_at)) == (1, {})
    refused = desk.post("/compose/", posted | {"review": "1"})
    assert (refused.status_code, errors(refused)) == (422, {"profile": said})
    assert not fields(refused).visible & {"service_id", "method", "paras", "values_text"}
    assert fields(refused).value("paras") == posted["paras"]
    assert "As JSON" not in words(refused)
    assert "1 field needs your attention." in words(refused)


def test_a_device_type_is_prefilled_from_the_profile(desk: Client, typed: Typed, meter: Profile) -> None:
    page = desk.post("/compose/", with_profile(typed, meter, target_type="DeviceType"))
    held = fields(page)
    assert [held.value(name) for name in ("device_type", "manufacturer_id", "model")] == [
        "Meter",
        "m-1",
        "X1",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"a": 1,\n "b": }', "line 2, column 7"),
        ("{", "line 1, column 2"),
        ('{"a": 1, "a": 2}', "has the member 'a' twice"),
        ('{"a": NaN}', "has NaN, which JSON does not know"),
        ('{"a": 1e999}', "has a number that is too large"),
        ('{"a": 18446744073709551616}', "fit into 64 bits"),
        ("[1, 2]", "Must be a JSON object"),
        ('"text"', "Must be a JSON object"),
        ("3", "Must be a JSON object"),
        ("[]", "Must be a JSON object"),
        ("0", "Must be a JSON object"),
        ("false", "Must be a JSON object"),
        ("null", "Must be a JSON object"),
        ('""', "Must be a JSON object"),
        ("[" * 100_000, "nested more than"),
        ('{"a":' * 60 + "1" + "}" * 60, "nested more than 50 levels deep"),
        ('{"a": "\\u0000"}', "must not hold the character NUL"),
        ('{"a": "\\ud800"}', "must not hold half of a character"),
    ],
)
def test_parameters_typed_as_json_are_told_where_they_are_wrong(
    text: str, problem: str, desk: Client, typed: Typed
) -> None:
    page = desk.post("/compose/", typed(paras=text, review=1))
    assert page.status_code == 422
    assert problem.lower() in error_at(page, "paras").lower()
    assert fields(page).value("paras") == text


# Bad input

BAD_FIELDS: list[tuple[str, str, str]] = [
    ("name", "n" * 257, "Has 257 characters; at most 256."),
    ("name", "🚰" * 257, "Has 257 characters; at most 256."),
    ("name", "a\x07b", "Must not hold control characters."),
    ("name", "a\x00b", "Null characters are not allowed."),
    ("timeout", "9", "Must be a whole number from 10 to 2880 (minutes)."),
    ("timeout", "2881", "Must be a whole number from 10 to 2880 (minutes)."),
    ("timeout", "-10", "Must be a whole number from 10 to 2880 (minutes)."),
    ("timeout", "10.5", "Enter a whole number."),
    ("timeout", "true", "Enter a whole number."),
    ("timeout", '"10"', "Enter a whole number."),
    ("timeout", "9" * 5000, "Enter a whole number."),
    ("timeout", "", "Type a number of minutes."),
    ("max_retransmit", "-1", "Select a valid choice."),
    ("max_retransmit", "4", "Select a valid choice."),
    ("service_id", "s" * 65, "Has 65 characters; at most 64."),
    ("service_id", "", "Type a service, or choose a profile and one of its services."),
    ("method", "", "Type a command, or choose a profile and one of its commands."),
    ("method", "m" * 129, "Has 129 characters; at most 128."),
    ("group_tag", "t" * 1025, "Has 1,025 characters; at most 1,024."),
    ("application", "999", "Select a valid choice."),
    ("application", "9" * 5000, "Select a valid choice."),
    ("target_type", "Everything", "Select a valid choice."),
    ("profile", "999", "Select a valid choice."),
]


@pytest.mark.parametrize(("name", "text", "problem"), BAD_FIELDS)
def test_a_wrong_value_is_told_at_its_field_and_kept(
    name: str, text: str, problem: str, desk: Client, typed: Typed
) -> None:
    page = desk.post("/compose/", typed(review=1, **{name: text}))
    assert page.status_code == 422
    assert error_at(page, name).startswith(problem)
    assert set(errors(page)) == {name}
    if name in ("name", "timeout", "service_id", "method", "group_tag"):
        assert fields(page).value(name) == text
    assert Task.objects.count() == 0


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("name", "n"), ("name", "n" * 256), ("name", "🚰" * 256), ("timeout", "10"), ("timeout", "2880"),
        ("max_retransmit", "0"), ("max_retransmit", "3"), ("service_id", "s" * 64), ("method", "m" * 128),
    ],
)  # fmt: skip
def test_a_value_at_its_limit_is_good(name: str, text: str, desk: Client, typed: Typed) -> None:
    assert desk.post("/compose/", typed(review=1, **{name: text})).status_code == 302


def test_all_errors_come_at_once_and_everything_typed_stays(desk: Client, typed: Typed) -> None:
    values = typed(
        name="n" * 257, timeout="9", service_id="s" * 65, method="", paras="{", target_type="DeviceArea",
        group_tag="keep", tag_name=["n" * 129, "good"], tag_value=["v", "v" * 1025], review=1,
    )  # fmt: skip
    page = desk.post("/compose/", values)
    assert page.status_code == 422
    assert set(errors(page)) == {"name", "timeout", "service_id", "method", "paras", "device_location"}
    assert "Tag 1: the name has 129 characters; at most 128." in words(page)
    assert "Tag 2: the value has 1,025 characters; at most 1,024." in words(page)
    held = fields(page)
    assert held.value("timeout") == "9"
    assert held.value("group_tag") == "keep"
    assert held.posted["tag_name"] == ["n" * 129, "good"]
    assert "Nothing was sent." in words(page)


@pytest.mark.parametrize(
    ("names", "values", "problem"),
    [
        (["", "site"], ["", ""], "Tag 2: the value must not be blank."),
        (["", "a"], ["b", "c"], "Tag 1: the name must not be blank."),
        (["n" * 129], ["v"], "Tag 1: the name has 129 characters; at most 128."),
        (["n"], ["v" * 1025], "Tag 1: the value has 1,025 characters; at most 1,024."),
        (["a\x07"], ["v"], "Tag 1: the name must not hold control characters."),
    ],
)
def test_a_wrong_tag_is_told_by_its_row(
    names: list[str], values: list[str], problem: str, desk: Client, typed: Typed
) -> None:
    page = desk.post("/compose/", typed(tag_name=names, tag_value=values, review=1))
    assert page.status_code == 422
    assert problem in words(page)
    assert 'class="tag invalid"' in text_of(page)


def test_tags_at_their_limits_are_good(desk: Client, typed: Typed) -> None:
    assert (
        desk.post("/compose/", typed(tag_name="n" * 128, tag_value="v" * 1024, review=1)).status_code == 302
    )


def test_tag_rows_are_added_and_removed_and_the_others_stay(desk: Client, typed: Typed) -> None:
    rows = typed(tag_name=["a", "b", "c"], tag_value=["1", "2", "3"])
    added = fields(desk.post("/compose/", rows | {"add_tag": "1"}))
    assert added.posted["tag_name"] == ["a", "b", "c", ""]
    assert text_of(desk.post("/compose/", rows)).count('name="remove_tag"') == 3
    removed = fields(desk.post("/compose/", rows | {"remove_tag": "1"}))
    assert (removed.posted["tag_name"], removed.posted["tag_value"]) == (["a", "c"], ["1", "3"])
    for odd in ("3", "-1", "x", "²", "9" * 5000, ""):
        kept = fields(desk.post("/compose/", rows | {"remove_tag": odd}))
        assert kept.posted["tag_name"] == ["a", "b", "c"]


def test_the_notice_of_errors_leads_to_each_of_them(desk: Client, typed: Typed, meter: Profile) -> None:
    wrong = {"timeout": "1", "tag_name": "n" * 129, "tag_value": "v", "para:count": "x"}
    page = desk.post("/compose/", with_profile(typed, meter, device_ids="", review=1, **wrong))
    places = page.context["form"].error_places
    assert {(place, label) for place, label, _ in places} == {
        ("id_para:count", "count"),
        ("devices", "Device ids"),
        ("id_timeout", "Timeout"),
        ("tags-part", "Tag 1"),
    }
    notice = text_of(page).split('role="alert"', 1)[1].split("</ul>", 1)[0]
    for place, label, error in places:
        assert f'<a href="#{place}">{label}:</a>' in notice
        assert f'id="{place}"' in text_of(page)
        assert error in html.unescape(notice)


@pytest.mark.parametrize("odd", ["9" * 5000, "9" * 30, "-1", "x", "²", "\x00", "'", ""])
def test_odd_values_of_any_field_never_break_a_page(
    odd: str, desk: Client, typed: Typed, meter: Profile
) -> None:
    names = (
        "application",
        "profile",
        "device_list",
        "copied_from",
        "target_type",
        "service_id",
        "method",
        "group_ids",
        "groups_like",
        "last",
    )
    for name in names:
        for kind in ("DeviceList", "GroupList"):
            values = typed(**{"target_type": kind, name: odd})
            for path, more in (("/compose/", {}), ("/compose/", {"review": 1}), ("/compose/preview/", {})):
                assert desk.post(path, values | more).status_code in (200, 302, 422), (name, path, more)
    for name in ("draft", "repeat", "application", "profile", "target_type"):
        assert desk.get("/compose/", {name: odd}).status_code == 200


# Groups


def test_known_groups_are_ticked_and_others_typed(desk: Client, typed: Typed, site_app: Application) -> None:
    GroupFactory(application=site_app, name="night", group_id="g-1", size=7)
    GroupFactory(application=site_app, name="day", group_id="g-2")
    values = typed(target_type="GroupList", group_names=["night", "extra\n\nextra\n other "])
    assert sent(desk, values)["param"]["groupList"] == ["night", "extra", "other"]
    page = desk.post("/compose/", values)
    held = fields(page)
    assert held.posted["group_names"] == ["night", "extra\nother"]
    assert "7 devices" in words(page)
    assert '<bdi>night</bdi> <span class="quiet">7 devices</span>' in text_of(page)
    by_id = typed(target_type="GroupIdList", group_ids=["g-2", "g-1"])
    assert sent(desk, by_id)["param"]["groupList"] == ["g-2", "g-1"]


def test_ticked_groups_survive_a_look_at_another_target(
    desk: Client, typed: Typed, site_app: Application
) -> None:
    GroupFactory(application=site_app, name="night")
    GroupFactory(application=site_app, name="day")
    ticked = typed(target_type="GroupList", group_names=["night", "day", ""])
    away = fields(desk.post("/compose/", ticked | {"target_type": "DeviceArea"}))
    assert "group_names" not in away.visible
    back = desk.post("/compose/", away.posted | {"target_type": "GroupList"})
    assert set(fields(back).posted["group_names"]) >= {"night", "day"}


def test_groups_of_another_application_are_not_offered(desk: Client, typed: Typed) -> None:
    GroupFactory(name="foreign")
    page = desk.post("/compose/", typed(target_type="GroupList"))
    assert "foreign" not in text_of(page)


def test_ticked_groups_survive_a_look_at_another_target_type(desk: Client, typed: Typed) -> None:
    page = desk.post("/compose/", typed(target_type="Broadcast", group_names=["night", "day", ""]))
    assert fields(page).value("group_names").split() == ["night", "day"]
    back = desk.post("/compose/", fields(page).posted | {"target_type": ["GroupList"]})
    assert fields(back).value("group_names").split() == ["night", "day"]


@pytest.fixture
def many_groups(site_app: Application) -> None:
    Group.objects.bulk_create(
        Group(application=site_app, group_id=f"g-{n:04d}", name=f"Hall {n:04d}", size=n) for n in range(1200)
    )


@pytest.mark.parametrize(
    ("kind", "name", "stem"), [("GroupList", "group_names", "Hall "), ("GroupIdList", "group_ids", "g-")]
)
def test_of_very_many_groups_one_is_found_by_a_part_of_its_name_and_chosen_ones_stay(
    kind: str, name: str, stem: str, desk: Client, typed: Typed, many_groups: None
) -> None:
    """By the page alone, as without JavaScript."""
    page = desk.post("/compose/", typed(target_type=kind))
    assert len(page.context["form"][name].field.widget.known([]).rows) == MOST_GROUPS
    assert "The first of 1,200 groups." in words(page)
    found = desk.post("/compose/", fields(page).posted | {"groups_like": ["117"], "redraw": ["1"]})
    assert "12 of 1,200 groups." in words(found)
    assert "Hall 1179 1,179 devices" in words(found)
    chosen = fields(found).posted | {name: [f"{stem}1179"], "groups_like": ["by no name"]}
    none = desk.post("/compose/", chosen)
    assert "No group has “by no name” in its name or id." in words(none)
    assert fields(none).posted[name] == [f"{stem}1179", ""]
    more = fields(none).posted | {name: [f"{stem}1179", f"{stem}0003"], "groups_like": [""]}
    assert sent(desk, more)["param"]["groupList"] == [f"{stem}1179", f"{stem}0003"]


def test_very_many_groups_that_are_pasted_stay_a_text(desk: Client, typed: Typed, many_groups: None) -> None:
    pasted = "\n".join(f"Hall {n:04d}" for n in range(1000))
    page = desk.post("/compose/", typed(target_type="GroupList", group_names=pasted))
    ticked, text = fields(page).posted["group_names"][:-1], fields(page).posted["group_names"][-1]
    assert len(ticked) == MOST_GROUPS
    assert sorted([*ticked, *text.splitlines()]) == pasted.splitlines()


# Devices


def test_pasted_ids_are_kept_on_the_server_and_counted(desk: Client, typed: Typed) -> None:
    page = desk.post("/compose/", typed(device_ids="b, a\nb;c\t a"))
    kept = DeviceList.objects.get()
    assert (kept.ids, kept.duplicates) == (["b", "a", "c"], 2)
    assert fields(page).value("device_list") == str(kept.pk)
    assert "3 devices" in words(page)
    assert "2 duplicates removed" in words(page)


def test_an_uploaded_file_takes_the_place_of_the_text(desk: Client, typed: Typed) -> None:
    file = SimpleUploadedFile("fleet.csv", b"name,deviceId\nx,device-7\ny,device-8\n")
    body = sent(desk, typed(device_ids="", device_file=file))
    assert body["param"]["deviceList"] == ["device-7", "device-8"]
    assert DeviceList.objects.get().source == "fleet.csv"


def test_bad_lines_are_listed_with_their_numbers_and_the_good_ones_can_be_used(
    desk: Client, typed: Typed
) -> None:
    values = typed(device_ids="good-1\n\nbad\x07one\ngood-2\n" + "x" * 257)
    page = desk.post("/compose/", values)
    assert "must not hold control characters" in words(page)
    assert "has 257 characters; at most 256" in words(page)
    assert '<td class="number">3</td>' in text_of(page)
    assert '<td class="number">5</td>' in text_of(page)
    assert "2 of the lines cannot be used; 2 devices can." in words(page)
    assert "Use the 2 good ids" in words(page)
    assert "Use the good id" in words(desk.post("/compose/", typed(device_ids="good-1\nbad\x07one")))
    assert desk.post("/compose/", values | {"review": 1}).status_code == 422
    used = desk.post("/compose/", fields(page).posted | {"drop_bad": "1"})
    assert "2 bad lines left out" in words(used)
    assert sent(desk, fields(used).posted)["param"]["deviceList"] == ["good-1", "good-2"]


def test_a_kept_list_can_be_edited_and_replaced(desk: Client, typed: Typed) -> None:
    page = desk.post("/compose/", typed(device_ids="a\nb"))
    edited = desk.post("/compose/", fields(page).posted | {"edit_devices": "1"})
    assert fields(edited).value("device_ids") == "a\nb"
    assert fields(edited).value("device_list") == ""
    changed = desk.post("/compose/", fields(edited).posted | {"device_ids": ["a\nc"]})
    assert "2 devices" in words(changed)
    forgotten = desk.post("/compose/", fields(changed).posted | {"forget_devices": "1"})
    assert fields(forgotten).value("device_ids") == fields(forgotten).value("device_list") == ""
    refused = desk.post("/compose/", fields(forgotten).posted | {"review": "1"})
    assert error_at(refused, "device_ids") == "Paste device ids or choose a file."


def test_an_uploaded_file_that_is_no_list_is_told(desk: Client, typed: Typed) -> None:
    for name, data, problem in (
        ("a.csv", b"\xe9t\xe9", "a.csv is not UTF-8 text (line 1)."),
        ("a.txt", b"PK\x03\x04\x00", "a.txt is not a text file."),
        ("empty.txt", b"\n \n", "There is no device id in it."),
        ("nothing.txt", b"", ""),
    ):
        page = desk.post(
            "/compose/", typed(device_ids="", device_file=SimpleUploadedFile(name, data), review=1)
        )
        assert page.status_code == 422
        assert problem in error_at(page, "device_ids")
        assert error_at(page, "device_ids") or error_at(page, "device_file")


def test_many_bad_lines_stay_on_the_server_and_can_be_downloaded(desk: Client, typed: Typed) -> None:
    lines = [f"device-{number}" if number % 2 else f"=bad\x07{number}" for number in range(6000)]
    page = desk.post(
        "/compose/", typed(device_ids="", device_file=SimpleUploadedFile("l.txt", "\n".join(lines).encode()))
    )
    assert "3,000 lines that cannot be used" in words(page)
    assert len(page.content) < 400_000
    kept = DeviceList.objects.get()
    csv = b"".join(desk.get(f"/compose/devices/{kept.pk}/bad.csv")).decode("utf-8-sig").splitlines()
    assert len(csv) == 3001
    assert csv[1].startswith("1,'=bad")
    refused = desk.post("/compose/", fields(page).posted | {"review": "1"})
    assert refused.status_code == 422


def test_a_kept_list_is_read_once_until_it_is_sent(
    desk: Client, typed: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long it is: what is typed in other fields, the preview and the confirm page know its beginning.

    The first preview reads it once, for the size of the request.
    """
    ids = [f"device-{number}" for number in range(INLINE + 30)]
    page = desk.post("/compose/", typed(device_ids="\n".join(ids)))
    posted = fields(page).posted
    whole = DeviceList.ids.fget  # type: ignore[attr-defined]
    reads: list[str] = []
    monkeypatch.setattr(DeviceList, "ids", property(lambda kept: reads.append("read") or whole(kept)))
    with CaptureQueriesContext(connection) as queries:
        desk.post("/compose/preview/", posted | {"name": ["Other"]})
        again = desk.post("/compose/", posted | {"target_type": ["Broadcast"]})
        back = desk.post("/compose/", fields(again).posted | {"target_type": ["DeviceList"]})
        address = desk.post("/compose/", posted | {"review": "1"})["Location"]
        confirm = desk.get(address)
    texts = [each["sql"] for each in queries if '"tasks_devicelist"."text"' in each["sql"]]
    assert (len(reads), len(texts)) == (0, 0)
    for answer in (back, confirm):
        assert preview_of(answer)["param"]["deviceList"] == [*ids[:5], f"… and {INLINE + 25} more"]
        assert "30 devices" in words(answer)
    desk.post(address, {"typed": str(len(ids))})
    assert reads == ["read"]
    assert json.loads(Task.objects.get().request_body)["param"]["deviceList"] == ids


# Confirm


@pytest.mark.parametrize(
    ("changes", "columns", "devices", "word"),
    [
        ({}, {}, 0, ""),
        ({}, {"confirm_above": 1}, 0, "2"),
        ({}, {"confirm_above": 2}, 0, ""),
        ({"target_type": "Broadcast"}, {}, 0, "Waterworks"),
        ({"target_type": "Broadcast"}, {"catalogue_at": "2026-01-01T00:00Z"}, 3, "3"),
        ({"target_type": "DeviceArea", "device_location": "Hall"}, {}, 0, "Waterworks"),
        (
            {"target_type": "DeviceArea", "device_location": "Hall"},
            {"catalogue_at": "2026-01-01T00:00Z"},
            3,
            "",
        ),
        (
            {"target_type": "DeviceArea", "device_location": "Hall"},
            {"catalogue_at": "2026-01-01T00:00Z", "confirm_above": 2},
            3,
            "3",
        ),
        (
            {"target_type": "GroupList", "group_names": "unknown"},
            {"catalogue_at": "2026-01-01T00:00Z"},
            0,
            "Waterworks",
        ),
    ],
)
def test_a_wide_reach_is_confirmed_by_typing_it(
    changes: dict[str, Any], columns: dict[str, Any], devices: int, word: str,
    desk: Client, typed: Typed, site_app: Application,
) -> None:  # fmt: skip
    Application.objects.update(**columns)
    for number in range(devices):
        site_app.devices.create(device_id=f"d-{number}", location="Hall")
    address = desk.post("/compose/", typed(review=1, **changes))["Location"]
    page = desk.get(address)
    assert page.context["word"] == word
    assert ('name="typed"' in text_of(page)) is bool(word)
    if word:
        for wrong in ("", "1", word + "0", word.lower() if word.isalpha() else "-" + word):
            refused = desk.post(address, {"typed": wrong})
            assert refused.status_code == 422
            assert f"That is not {word}. Nothing was sent." in words(refused)
        assert Task.objects.count() == 0
    done = desk.post(address, {"typed": f" {word} ", "acknowledged": page.context["cautions"]})
    assert done["Location"] == f"/tasks/{Task.objects.get().pk}/"


def test_a_number_may_be_typed_with_its_separators(desk: Client, typed: Typed) -> None:
    address = desk.post("/compose/", typed(device_ids="\n".join(f"d-{n}" for n in range(1234)), review=1))[
        "Location"
    ]
    assert desk.get(address).context["word"] == "1234"
    assert desk.post(address, {"typed": "1,234"}).status_code == 302


def test_an_application_whose_name_has_blanks_and_commas_can_be_confirmed(desk: Client, typed: Typed) -> None:
    Application.objects.update(name="Water, works 2")
    address = desk.post("/compose/", typed(target_type="Broadcast", review=1))["Location"]
    read = {"acknowledged": "broadcast"}
    assert desk.post(address, {"typed": "Water, works"} | read).status_code == 422
    assert desk.post(address, {"typed": "Water, works 2"} | read).status_code == 302


def test_sending_the_same_draft_twice_makes_one_task(desk: Client, typed: Typed) -> None:
    """S27: a double click, and the back button."""
    address = desk.post("/compose/", typed(review=1))["Location"]
    first, second, looked = desk.post(address), desk.post(address), desk.get(address)
    assert first["Location"] == second["Location"] == looked["Location"]
    assert Task.objects.count() == 1


def test_going_back_from_the_confirm_page_brings_everything_back(desk: Client, typed: Typed) -> None:
    values = typed(device_ids="a\nb", tag_name=["site"], tag_value=["north"], group_tag="east", callback=None)
    address = desk.post("/compose/", values | {"review": "1"})["Location"]
    page = desk.get("/compose/", {"draft": address.split("/")[-2]})
    held = fields(page)
    assert held.value("name") == "Close the valves"
    assert held.value("group_tag") == "east"
    assert "callback" not in held.posted
    assert held.posted["tag_value"] == ["north"]
    assert "2 devices" in words(page)


def test_the_confirm_page_shows_what_will_be_sent(desk: Client, typed: Typed) -> None:
    address = desk.post("/compose/", typed(paras='{"speed": 3, "why": "<b>"}', review=1))["Location"]
    page = desk.get(address)
    for expected in (
        "Close the valves",
        "Waterworks",
        "Valve · CLOSE",
        "2 devices",
        "60 minutes",
        "speed 3",
        'why "<b>"',
    ):
        assert expected in words(page), expected
    assert "<b>" not in text_of(page)


# Repeat


@pytest.mark.parametrize("kind", TargetType)
def test_repeating_a_task_prefills_everything_it_had(kind: TargetType, desk: Client, typed: Typed) -> None:
    values = typed(
        target_type=kind, max_retransmit="2", group_tag="east", tag_name=["site"], tag_value=["north"],
        **ALL_TARGETS,
    )  # fmt: skip
    first = sent(desk, values)
    task = Task.objects.get()
    page = desk.get("/compose/", {"repeat": task.pk})
    second = sent(desk, fields(page).posted)
    copy = Task.objects.latest("pk")
    assert copy.copied_from == task
    assert second.pop("taskName") != first.pop("taskName")
    assert second["param"].pop("callbackUrl") != first["param"].pop("callbackUrl")
    assert second == first


def test_repeating_keeps_numbers_numbers_and_the_profile(desk: Client, typed: Typed, meter: Profile) -> None:
    given = {"para:ratio": "0.75", "para:open": "false", "para:names": "one\ntwo", "para:extra": '{"a": 1}'}
    first = sent(desk, with_profile(typed, meter, callback=None, **given))
    page = desk.get("/compose/", {"repeat": Task.objects.get().pk})
    second = sent(desk, fields(page).posted)
    assert second["param"] == first["param"]
    assert Task.objects.latest("pk").profile == meter
    assert Task.objects.latest("pk").callback_token is None


def test_a_first_visit_without_an_application_says_what_to_do(
    browser_of: Callable[..., Client], db: None
) -> None:
    assert "Ask an admin to add one." in words(browser_of("operator").get("/compose/"))
    assert "Add an application" in words(browser_of("admin").get("/compose/"))
