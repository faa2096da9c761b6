"""Composing in Chromium: the first visit counted, drafts of two tabs, JSON and back; and without JavaScript."""

import functools
import json
import time
from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from tasks.models import Application, Draft, Group, Profile, Task
from tests.factories import make_template

from .test_browser import fleet, swap  # noqa: F401

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

MOST = 8


class Counted:
    """A person at a page: every field that is filled in and every click counts as one."""

    def __init__(self, page: Page) -> None:
        self.page, self.acts = page, 0

    def fill(self, label: str, text: str) -> None:
        self.acts += 1
        self.page.get_by_label(label).fill(text)

    def choose(self, label: str, value: str) -> None:
        self.acts += 1
        swap(self.page, lambda: self.page.get_by_label(label).select_option(value))

    def tick(self, label: str) -> None:
        self.acts += 1
        self.page.get_by_label(label).check()

    def press(self, name: str) -> None:
        self.acts += 1
        self.page.get_by_role("button", name=name).last.click()


def test_a_first_visit_ends_with_a_task_after_eight_interactions(
    visit_with: Any,
    operator: User,
    fleet: Application,  # noqa: F811
) -> None:
    """For a named group and a profile's command, signing in included, and reading nothing but the page."""
    visit = visit_with()
    visit.go("/")
    person = Counted(visit.page)
    person.fill("Username", operator.username)
    person.fill("Password", "a-good-long-password")
    person.press("Sign in")
    expect(visit.page.get_by_role("heading", name="Compose a task")).to_be_visible()
    person.choose("Send to", "GroupList")
    person.tick("night")
    person.fill("period", "30")
    person.press("Review and send…")
    person.press("Send to 7 devices")
    visit.page.wait_for_url("**/tasks/*/")
    body = json.loads(Task.objects.get().request_body)
    assert body["param"]["groupList"] == ["night"]
    assert body["param"]["command"] == {"serviceId": "Valve", "method": "SET", "paras": {"period": 30}}
    assert body["taskName"].startswith("SET · ")
    assert person.acts <= MOST


def test_what_is_typed_is_saved_without_a_click_and_survives_leaving(
    visit_with: Any,
    operator: User,
    fleet: Application,  # noqa: F811
) -> None:
    visit = visit_with()
    visit.sign_in(operator)
    page = visit.page
    visit.go("/compose/")
    page.get_by_label("Task name").fill("Night valves 水")
    expect(page.locator("#saved")).to_contain_text("Saved at")
    assert "?draft=" in page.url
    address = page.url
    page.get_by_label("period").fill("45")
    page.get_by_role(
        "link", name="Tasks", exact=True
    ).click()  # sooner than the pause after which it is saved
    page.wait_for_url("**/tasks/")
    expect(page.locator("h1")).to_have_text("Tasks")
    page.wait_for_timeout(300)
    page.goto(address)
    assert page.get_by_label("Task name").input_value() == "Night valves 水"
    assert page.get_by_label("period").input_value() == "45"
    page.reload()
    assert page.get_by_label("period").input_value() == "45"


def test_two_tabs_do_not_overwrite_each_other_silently(
    visit_with: Any,
    operator: User,
    fleet: Application,  # noqa: F811
) -> None:
    visit = visit_with()
    visit.sign_in(operator)
    one = visit.page
    visit.go("/compose/")
    one.get_by_label("Task name").fill("begun")
    expect(one.locator("#saved")).to_contain_text("Saved at")
    other = one.context.new_page()
    other.goto(one.url)
    one.get_by_label("Task name").fill("mine")
    expect(one.locator("#saved")).to_contain_text("Saved at")
    one.wait_for_timeout(1200)
    other.get_by_label("Task name").fill("theirs")
    expect(other.locator("#saved")).to_contain_text("another page changed this draft")
    assert Draft.objects.get().title == "mine"
    other.get_by_role("button", name="Keep mine as a copy").click()
    expect(other.locator("#saved")).to_contain_text("Saved at")
    assert {draft.title for draft in Draft.objects.all()} == {"mine", "theirs"}
    one.get_by_label("Task name").fill("mine, still")
    expect(one.locator("#saved")).to_contain_text("Saved at")
    one.wait_for_timeout(1200)
    assert {draft.title for draft in Draft.objects.all()} == {"mine, still", "theirs"}


def test_reviewing_in_the_moment_after_typing_is_not_overtaken_by_its_own_save(
    visit_with: Any,
    operator: User,
    fleet: Application,  # noqa: F811
) -> None:
    visit = visit_with()
    visit.sign_in(operator)
    page = visit.page
    visit.go("/compose/?target_type=GroupList&group_names=night&para%3Aperiod=12")
    page.get_by_label("Task name").fill("begun")
    expect(page.locator("#saved")).to_contain_text("Saved at")
    saves: list[str] = []
    page.on("request", lambda request: saves.append(request.url) if request.url.endswith("/save/") else None)
    page.route(
        "**/compose/", lambda route: (time.sleep(1.5), route.continue_())
    )  # longer than the pause of a save
    page.get_by_label("Task name").fill("finished")
    page.get_by_role("button", name="Review and send…").last.click()
    page.wait_for_selector("h1:has-text('Review and send')")
    assert saves == []
    page.unroute("**/compose/")
    page.get_by_role("button", name="Send to 7 devices").click()
    page.wait_for_url("**/tasks/*/")
    assert Task.objects.get().name == "finished"


def test_a_preview_that_a_newer_one_overtakes_is_never_drawn(
    visit_with: Any,
    operator: User,
    fleet: Application,  # noqa: F811
) -> None:
    visit = visit_with()
    visit.sign_in(operator)
    page = visit.page
    visit.go("/compose/")
    held: list[Any] = []
    page.route("**/compose/preview/", lambda route: route.continue_() if held else held.append(route))
    with page.expect_request("**/compose/preview/"):
        page.get_by_label("Task name").fill("the first")
    page.get_by_label("Task name").fill("the second")
    expect(page.locator("#preview > pre")).to_contain_text("the second")
    held[0].continue_()
    page.wait_for_timeout(300)
    expect(page.locator("#preview > pre")).to_contain_text("the second")


@pytest.mark.parametrize(
    "choices",
    [
        [("Send to", "Broadcast"), ("Send to", "DeviceArea"), ("Device profile", "")],
        [("Device profile", ""), ("Send to", "DeviceArea")],
    ],
    ids=["in the same part", "in another part that the answer brings, too"],
)
def test_who_chooses_again_before_the_answer_has_come_keeps_the_newer_choice(
    choices: list[tuple[str, str]],
    visit_with: Any,
    operator: User,
    fleet: Application,  # noqa: F811
) -> None:
    visit = visit_with()
    visit.sign_in(operator)
    page = visit.page
    visit.go(f"/compose/?target_type=DeviceType&profile={Profile.objects.get().pk}")
    held: list[Any] = []
    page.route("**/compose/", lambda route: route.continue_() if held else held.append(route))
    (first, value), *others = choices
    with page.expect_request("**/compose/"):
        page.get_by_label(first).select_option(value)
    for label, value in others:
        page.get_by_label(label).select_option(value)
    held[0].continue_()
    expect(page.get_by_label("Location")).to_be_visible()
    expect(page.get_by_label("As JSON")).to_be_visible()
    assert page.get_by_label("Send to").input_value() == "DeviceArea"
    assert page.get_by_label("Device profile").input_value() == ""
    expect(page.locator("#preview > pre")).to_contain_text("DeviceArea")


def test_what_a_button_did_is_drawn_whatever_is_chosen_meanwhile(
    visit_with: Any,
    operator: User,
    fleet: Application,  # noqa: F811
) -> None:
    visit = visit_with()
    visit.sign_in(operator)
    page = visit.page
    visit.go("/compose/?target_type=DeviceList&device_ids=d-1%0Ad-2")
    page.locator("#combine > summary").click()
    held: list[Any] = []
    page.route("**/compose/", lambda route: route.continue_() if held else held.append(route))
    with page.expect_request("**/compose/"):
        page.get_by_role("button", name="Choose others").click()
    page.locator("#combine").get_by_label("Saved list").check()
    held[0].continue_()
    expect(page.locator("#devices .notice.devices")).to_have_count(0)
    expect(page.get_by_label("Device ids")).to_be_visible()


def test_json_and_back_a_recent_command_and_the_last_values(
    visit_with: Any,
    operator: User,
    fleet: Application,  # noqa: F811
) -> None:
    visit = visit_with()
    visit.sign_in(operator)
    page = visit.page
    visit.go("/compose/?target_type=GroupList&group_names=night&para%3Aperiod=12")
    page.keyboard.press("Tab")
    page.get_by_label("period").focus()
    page.keyboard.press("Control+Enter")
    page.get_by_role("button", name="Send to 7 devices").click()
    page.wait_for_url("**/tasks/*/")
    visit.go("/compose/")
    swap(page, lambda: page.get_by_role("button", name="As last time").click())
    assert page.get_by_label("period").input_value() == "12"
    swap(page, lambda: page.get_by_role("button", name="JSON instead").click())
    page.locator("#id_paras").fill('{"period": 13}')
    swap(page, lambda: page.get_by_role("button", name="Fields instead").click())
    assert page.get_by_label("period").input_value() == "13"
    page.locator("#recent > summary").click()
    swap(page, lambda: page.locator("#recent").get_by_role("button", name="SET").click())
    assert page.get_by_label("period").input_value() == "12"


def test_drafts_json_and_a_template_without_javascript(
    visit_with: Any,
    operator: User,
    fleet: Application,  # noqa: F811
) -> None:
    visit = visit_with(java_script_enabled=False)
    visit.sign_in(operator)
    page = visit.page
    template = make_template(
        "Night", locked=["timeout"], target_type="GroupList", group_names="night", timeout="77"
    )
    visit.go(f"/compose/?template={template.pk}")
    page.get_by_label("Task name").fill("By hand")
    page.get_by_label("Device profile").select_option(label="Meter · Maker · X1")
    page.get_by_role("button", name="Update the fields").click()
    page.locator("#id_method").select_option("SET")
    page.get_by_role("button", name="Update the fields").click()
    page.get_by_label("period").fill("30")
    page.get_by_role("button", name="JSON instead").click()
    assert json.loads(page.locator("#id_paras").input_value()) == {"period": 30}
    page.get_by_role("button", name="Fields instead").click()
    visit.go("/drafts/")
    page.get_by_role("link", name="Continue").click()
    assert page.get_by_label("period").input_value() == "30"
    page.get_by_role("button", name="Review and send…").last.click()
    page.get_by_role("button", name="Send to 7 devices").click()
    page.wait_for_url("**/tasks/*/")
    task = Task.objects.get()
    assert (task.timeout, task.paras, task.name, task.template) == (
        77,
        {"period": 30},
        "By hand",
        template.newest,
    )
    assert Draft.objects.count() == 0


@pytest.mark.parametrize("has_script", [True, False])
def test_one_of_very_many_groups_is_found_with_and_without_javascript(
    has_script: bool,
    visit_with: Any,
    operator: User,
    fleet: Application,  # noqa: F811
) -> None:
    Group.objects.bulk_create(
        Group(application=fleet, group_id=f"g-{n:05d}", name=f"大厅 {n:05d}", size=n) for n in range(10_000)
    )
    visit = visit_with(java_script_enabled=has_script)
    visit.sign_in(operator)
    visit.go("/compose/?target_type=GroupList&method=SET&para%3Aperiod=12")
    page = visit.page
    for text, name in (("7777", "大厅 07777"), ("0012", "大厅 00012")):
        field = page.get_by_label("Find groups by name or id")
        if has_script:
            swap(page, functools.partial(field.fill, text))
            field.press("Enter")  # sends nothing
        else:
            field.fill(text)
            page.get_by_role("button", name="Find").click()
        page.get_by_label(name).check()
    page.get_by_role("button", name="Review and send…").last.click()
    page.get_by_role("heading", name="Review").wait_for()
    assert sorted("".join(Draft.objects.get().values["group_names"]).split("\n")) == [
        "",
        "大厅 00012",
        "大厅 07777",
    ]


def test_ids_that_are_pasted_are_taken_away_from_a_list(
    visit_with: Any,
    operator: User,
    fleet: Application,  # noqa: F811
) -> None:
    visit = visit_with()
    visit.sign_in(operator)
    page = visit.page
    visit.go("/compose/?device_ids=a%20b%20c")
    page.get_by_text("Add, take away or compare").click()
    page.locator("#id_from_ids").fill("b\nx")
    swap(page, lambda: page.locator("#id_from_ids").press("Tab"))
    expect(page.locator(".operations")).to_contain_text("Take them away 2 devices")
    swap(page, lambda: page.get_by_role("button", name="Take them away").click())
    expect(page.locator(".devices")).to_contain_text("2 devices")
    expect(page.locator(".devices")).to_contain_text("a, c")
