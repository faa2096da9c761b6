"""What saves typing: names, recent commands, last values, links, and JSON instead of fields."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.test import Client

from tasks.models import Application, Draft, Profile, Task
from tests.factories import ApplicationFactory, ProfileFactory, make_template

from .pages import error_at, errors, fields, text_of, words
from .test_compose import ALL_TARGETS, preview_of, sent, with_profile

pytestmark = pytest.mark.django_db

Typed = Callable[..., dict[str, Any]]


def link_on(answer: Any) -> str:
    return answer.context["saved"].link.url


# Defaults


def test_a_task_without_a_name_is_called_after_its_command_and_the_time(desk: Client, typed: Typed) -> None:
    reviewed = desk.post("/compose/", typed(name=" ", review="1"))["Location"]
    named = desk.get(reviewed).context["wanted"]["taskName"]
    assert (named[:10], named[-4:]) == ("CLOSE · 20", " UTC")
    desk.post(reviewed)
    assert Task.objects.get().name == named


def test_a_very_long_command_still_makes_a_name(desk: Client, typed: Typed) -> None:
    assert len(sent(desk, typed(name="", method="m" * 128))["taskName"]) <= 256


def test_how_long_commands_are_kept_is_said_as_people_do(desk: Client, typed: Typed) -> None:
    for timeout, said in [
        ("1440", "kept for 1 day"),
        ("90", "kept for 1 hour 30 minutes"),
        ("x", "a timeout of your own"),
    ]:
        assert f"{said}, with pushes" in words(desk.post("/compose/", typed(timeout=timeout)))


def test_the_only_profile_is_chosen_and_of_several_none(
    desk: Client, meter: Profile, site_app: Application
) -> None:
    assert fields(desk.get("/compose/")).value("profile") == str(meter.pk)
    ProfileFactory()
    assert fields(desk.get("/compose/")).value("profile") == ""


def test_the_application_used_last_is_chosen(desk: Client, typed: Typed) -> None:
    other = ApplicationFactory(name="A first one")
    assert fields(desk.get("/compose/")).value("application") == str(other.pk)
    sent(desk, typed())
    assert fields(desk.get("/compose/")).value("application") != str(other.pk)


def test_what_is_folded_away_opens_when_it_is_set_or_wrong(desk: Client, typed: Typed) -> None:
    closed, opened = '<details class="card" id="more">', '<details class="card" id="more" open>'
    assert closed in text_of(desk.get("/compose/"))
    usual = typed(timeout="1440", priority="0")
    assert closed in text_of(desk.post("/compose/", usual))
    for change in (
        {"timeout": "60"}, {"timeout": "x"}, {"group_tag": "a"}, {"max_retransmit": "0"}, {"priority": "1"},
        {"callback": None}, {"tag_name": "a", "tag_value": "b"}, {"add_tag": "1"},
    ):  # fmt: skip
        values = {name: each for name, each in (usual | change).items() if each is not None}
        assert opened in text_of(desk.post("/compose/", values)), change
    assert opened in text_of(desk.post("/compose/", usual | {"timeout": "", "review": "1"}))


# Recent commands


def test_recent_commands_are_distinct_ones_own_and_come_by_one_click(
    desk: Client, browser_of: Callable[..., Client], typed: Typed, meter: Profile
) -> None:
    sent(desk, with_profile(typed, meter, **{"para:count": "7", "para:names": "a\nb"}))
    first = Task.objects.get()
    sent(desk, typed(paras='{"speed": 3}'))
    sent(desk, typed(paras='{"speed": 3}', name="again"))
    sent(browser_of("admin"), typed(method="FOREIGN"))
    page = desk.get("/compose/")
    assert [each.method for each in page.context["recent"]] == ["CLOSE", "SET"]
    assert f'name="recent" value="{first.pk}"' in " ".join(text_of(page).split())
    taken = desk.post("/compose/", typed(device_ids="", target_type="Broadcast", recent=first.pk))
    held = fields(taken)
    assert held.value("target_type") == "Broadcast"
    assert (held.value("service_id"), held.value("method")) == ("Valve", "SET")
    assert (held.value("para:count"), held.value("para:names")) == ("7", "a\nb")
    assert sent(desk, held.posted)["param"]["command"]["paras"] == {"count": 7, "names": ["a", "b"]}


def test_the_last_values_of_a_command_are_offered_to_whoever_sent_it(
    desk: Client, browser_of: Callable[..., Client], typed: Typed, meter: Profile
) -> None:
    sent(desk, with_profile(typed, meter, **{"para:count": "7", "para:ratio": "0.75"}))
    page = desk.post("/compose/", with_profile(typed, meter, **{"para:count": "1", "para:text": "new"}))
    assert "As last time count 7, ratio 0.75" in words(page)
    used = fields(desk.post("/compose/", fields(page).posted | {"recent": [str(page.context["last"].task)]}))
    assert (used.value("para:count"), used.value("para:ratio"), used.value("para:text")) == ("7", "0.75", "")
    assert "As last time" not in words(desk.post("/compose/", with_profile(typed, meter, method="CLOSE")))
    assert "As last time" not in words(browser_of("admin").post("/compose/", with_profile(typed, meter)))


def test_the_last_value_of_each_parameter_is_offered_beside_it_and_taken_by_one_click(
    desk: Client, browser_of: Callable[..., Client], typed: Typed, meter: Profile
) -> None:
    """The last one that was sent for it, by whichever task; not where it is what is typed already."""
    sent(desk, with_profile(typed, meter, **{"para:count": "7", "para:ratio": "0.75", "para:mode": "ECO"}))
    sent(desk, with_profile(typed, meter, **{"para:count": "10", "para:names": "a\nb"}))
    page = desk.post("/compose/", with_profile(typed, meter, **{"para:count": "10", "para:text": "new"}))
    offered = {name: last for _, name, last in page.context["parameters"] if last}
    assert offered == {"ratio": "0.75", "mode": "ECO", "names": "a\nb"}
    assert "Last: 0.75" in words(page)
    for name, text in offered.items():
        page = desk.post("/compose/", fields(page).posted | {"last": [name]})
        assert fields(page).value(f"para:{name}") == text
    assert fields(page).value("para:text") == "new"
    assert "Last: " not in words(page)
    assert "Last: " not in words(browser_of("admin").post("/compose/", with_profile(typed, meter)))


def test_a_last_value_that_the_field_cannot_hold_is_not_offered(
    desk: Client, typed: Typed, meter: Profile
) -> None:
    """The command had another profile then."""
    sent(desk, typed(method="SET", paras='{"count": 99, "mode": "TURBO", "text": 5, "ratio": 1}'))
    page = desk.post("/compose/", with_profile(typed, meter))
    assert {name: last for _, name, last in page.context["parameters"] if last} == {"ratio": "1"}
    assert fields(desk.post("/compose/", with_profile(typed, meter, last="mode"))).value("para:mode") == ""


@pytest.mark.parametrize("odd", ["", "x", "-1", "9" * 40, "²", "999"])
def test_a_recent_command_that_is_none_changes_nothing(odd: str, desk: Client, typed: Typed) -> None:
    assert fields(desk.post("/compose/", typed(recent=odd))).value("method") == "CLOSE"


# Links


@pytest.mark.parametrize(
    "kind", ["DeviceList", "DeviceType", "DeviceArea", "GroupList", "GroupIdList", "Broadcast"]
)
def test_a_link_fills_in_everything_and_sends_nothing(
    kind: str, desk: Client, browser_of: Callable[..., Client], typed: Typed, meter: Profile
) -> None:
    values = with_profile(
        typed, meter, target_type=kind, tag_name=["site"], tag_value=["north & south"], group_tag="east",
        max_retransmit="2", **ALL_TARGETS, **{"para:names": "a\nb", "para:text": "ü 水"},
    )  # fmt: skip
    link = link_on(desk.post("/compose/", values))
    before = Draft.objects.count(), Task.objects.count()
    page = browser_of("admin").get(link)
    assert (Draft.objects.count(), Task.objects.count()) == before
    mine, other = sent(desk, values), sent(browser_of("admin"), fields(page).posted)
    for body in (mine, other):
        body["param"].pop("callbackUrl")
    assert other == mine


def test_a_link_can_switch_pushes_off_and_begin_with_a_template(desk: Client, typed: Typed) -> None:
    template = make_template(locked=["timeout"])
    posted = fields(desk.get("/compose/", {"template": template.pk})).posted
    del posted["callback"]
    link = link_on(desk.post("/compose/", posted | {"method": ["OPEN"]}))
    assert f"template={template.pk}" in link
    page = desk.get(link)
    assert "callback" not in fields(page).posted
    assert fields(page).value("method") == "OPEN"
    assert page.context["form"].locks.version.template == template


def test_a_link_names_an_application_by_its_name_too(desk: Client, site_app: Application) -> None:
    other = ApplicationFactory(name="Züri, Süd")
    assert fields(desk.get("/compose/", {"application": "Züri, Süd"})).value("application") == str(other.pk)
    assert desk.get("/compose/", {"application": "none of this name"}).status_code == 200


def test_a_link_says_what_it_cannot_hold(desk: Client, typed: Typed) -> None:
    many = desk.post("/compose/", typed(device_ids="\n".join(f"device-{n}" for n in range(101))))
    assert "Link to this without the 101 device ids" in words(many)
    assert "device-" not in link_on(many)
    long = desk.post("/compose/", typed(paras=json.dumps({"text": "x" * 9000})))
    assert link_on(long) == ""
    assert len(urlsplit(link_on(many)).query) < 1000


@pytest.mark.parametrize("odd", ["9" * 40, "-1", "x", "²", "\x00", "'"])
def test_an_odd_link_never_breaks_a_page(
    odd: str, desk: Client, meter: Profile, site_app: Application
) -> None:
    for name in (
        "service_id",
        "timeout",
        "callback",
        "tag_name",
        "para:count",
        "template_version",
        "edits",
        "as_json",
    ):
        assert desk.get("/compose/", {"profile": meter.pk, name: odd}).status_code == 200, name


# JSON instead of fields


def test_going_to_json_and_back_loses_nothing(desk: Client, typed: Typed, meter: Profile) -> None:
    given = {
        "para:count": "seven", "para:serial": "99999999999999999999", "para:ratio": "0.75",
        "para:names": "a\nb", "para:extra": '{"a": [1]}',
        "para:text": " x ", "para:mode": "ECO", "para:open": "false", "para:at": "20261231T235900Z",
    }  # fmt: skip
    page = desk.post("/compose/", with_profile(typed, meter, to_json="1", **given))
    held = fields(page)
    assert not {name for name in held.visible if name.startswith("para:")}
    assert json.loads(held.value("paras")) == {
        "count": "seven", "serial": 99999999999999999999, "ratio": 0.75, "names": ["a", "b"],
        "extra": {"a": [1]}, "text": " x ", "mode": "ECO",
        "open": False, "at": "20261231T235900Z",
    }  # fmt: skip
    back = fields(desk.post("/compose/", held.posted | {"to_fields": "1"}))
    assert {name: back.value(name) for name in given} == given


def test_free_json_is_checked_against_the_profile_all_at_once(
    desk: Client, typed: Typed, meter: Profile
) -> None:
    text = '{"count": 11, "ratio": "1", "foreign": 1}'
    page = desk.post("/compose/", with_profile(typed, meter, as_json="on", paras=text, review="1"))
    assert set(errors(page)) == {"paras"}
    told = error_at(page, "paras")
    assert "count must be from 1 to 10." in told
    assert "ratio must be a number." in told
    assert "foreign is not a parameter of SET." in told
    assert fields(page).value("paras") == text
    missing = desk.post("/compose/", with_profile(typed, meter, as_json="on", paras="", review="1"))
    assert error_at(missing, "paras") == "count is required."
    good = sent(desk, with_profile(typed, meter, as_json="on", paras='{"count": 4}'))
    assert good["param"]["command"]["paras"] == {"count": 4}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "this is not JSON yet"),
        ("[1]", "this is not a JSON object"),
        ('{"count": 4, "foreign": 1}', "foreign is not a parameter of SET"),
        ('{"count": "4"}', "count must be a whole number"),
        ('{"count": 4, "text": "a\\nb"}', "text has a value that only JSON can hold"),
        ('{"count": 4, "text": ""}', "text has a value that only JSON can hold"),
        ('{"count": null}', "count must be a whole number"),
        ('{"count": 4, "mode": "TURBO"}', "mode must be one of ECO, FULL"),
    ],
)
def test_json_that_fields_cannot_hold_stays_and_says_why(
    text: str, reason: str, desk: Client, typed: Typed, meter: Profile
) -> None:
    page = desk.post("/compose/", with_profile(typed, meter, as_json="on", paras=text, to_fields="1"))
    assert f"Fields cannot hold this: {reason}" in words(page)
    held = fields(page)
    assert held.value("paras") == text
    assert "paras" in held.visible


def test_a_copied_task_whose_values_fit_no_field_is_shown_as_json(
    desk: Client, typed: Typed, meter: Profile
) -> None:
    sent(desk, with_profile(typed, meter, as_json="on", paras='{"count": 4, "text": "a\\nb"}'))
    page = desk.get("/compose/", {"repeat": Task.objects.get().pk})
    assert "paras" in fields(page).visible
    copy = sent(desk, fields(page).posted)
    assert copy["param"]["command"]["paras"] == {"count": 4, "text": "a\nb"}


def test_what_was_typed_for_another_command_or_without_a_profile_comes_back(
    desk: Client, typed: Typed, meter: Profile
) -> None:
    page = desk.post("/compose/", with_profile(typed, meter, paras='{"speed": 3}', **{"para:text": "abc"}))
    for change in ({"method": "CLOSE"}, {"profile": ""}, {"profile": str(meter.pk)}, {"method": "SET"}):
        page = desk.post("/compose/", fields(page).posted | change)
    held = fields(page)
    assert (held.value("para:text"), held.value("para:count")) == ("abc", "4")
    assert held.value("paras") == '{"speed": 3}'
    assert preview_of(page)["param"]["command"]["paras"] == {"count": 4, "text": "abc"}
