"""Lists, values by device and families in Chromium, each with JavaScript and without; and all of it by keyboard."""

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from tasks.models import Application, Family, Task
from tests.factories import ResultFactory, TaskFactory, make_list

from .test_browser import fleet  # noqa: F401

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

script = pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])


@pytest.fixture
def visit(visit_with: Any, operator: User, script: bool) -> Any:
    """A person who has signed in, with JavaScript or without."""
    visit = visit_with(java_script_enabled=script)
    visit.sign_in(operator)
    yield visit
    cut = "htmx:sendError"  # a page that is left cuts what it was asking
    visit.complaints = [each for each in visit.complaints if not each.startswith(cut)]


def press(page: Page, name: str) -> None:
    """Press a button that posts, and wait until its answer is on the page."""
    with page.expect_response(lambda answer: answer.request.method == "POST"):
        page.get_by_role("button", name=name, exact=True).last.click()
    page.wait_for_load_state()
    expect(page.locator(".htmx-request, .htmx-swapping, .htmx-settling")).to_have_count(0)


@script
def test_a_list_is_made_changed_and_commanded(
    visit: Any,
    fleet: Application,  # noqa: F811
) -> None:
    page = visit.page
    visit.go("/lists/new/")
    page.get_by_label("Name").fill("Valves, north")
    page.get_by_label("Device ids").fill("d-1 d-2\nd-2; d-3")
    page.get_by_label("Name").focus()
    press(page, "Save the list")
    page.wait_for_url("**/lists/*/")
    expect(page.locator("#holds")).to_have_text("3 devices")
    page.get_by_role("link", name="Change…").click()
    press(page, "Edit")
    page.get_by_label("Device ids").fill("d-1\nd-3\nd-4")
    page.get_by_role("heading", level=1).click()
    press(page, "Save as version 2")
    expect(page.locator("main")).to_contain_text("+1 d-4")
    expect(page.locator("main")).to_contain_text("−1 d-2")
    page.get_by_role("link", name="Compose for it").click()
    expect(page.locator("#devices")).to_contain_text("3 devices from the list Valves, north, version 2")
    page.locator("#id_method").select_option("CLOSE")
    press(page, "Review and send…")
    press(page, "Send to 3 devices")
    page.wait_for_url("**/tasks/*/")
    assert json.loads(Task.objects.get().request_body)["param"]["deviceList"] == ["d-1", "d-3", "d-4"]


@script
def test_a_table_of_values_becomes_a_family(
    visit: Any,
    fleet: Application,  # noqa: F811
) -> None:
    page = visit.page
    visit.go("/compose/?target_type=DeviceList&service_id=Valve&method=SET")
    page.get_by_text("Different values for each device…").click()
    page.get_by_label("Paste a table").fill("deviceId,period\nd-1,5\nd-2,x\nd-3,5\nd-4,9\n")
    press(page, "Read the table")
    expect(page.locator("#values")).to_contain_text("1 cell of the table cannot be used.")
    expect(page.get_by_role("region", name="Cells that cannot be used")).to_contain_text("x")
    assert "d-2,x" in page.get_by_label("Paste a table").input_value()
    page.get_by_label("Paste a table").fill("deviceId,period\nd-1,5\nd-2,7\nd-3,5\nd-4,9\n")
    press(page, "Read the table")
    expect(page.locator("#values")).to_contain_text("3 tasks")
    press(page, "Review and send…")
    expect(page.locator("#plan")).to_contain_text("one for each set of values")
    press(page, "Send to 4 devices")
    page.wait_for_url("**/families/*/")
    expect(page.locator("#sums")).to_have_text("3 tasks")
    expect(page.locator("[aria-labelledby=tasks-heading] tbody tr")).to_have_count(3)
    sent = [json.loads(task.request_body)["param"] for task in Task.objects.order_by("pk")]
    assert [(each["deviceList"], each["command"]["paras"]) for each in sent] == [
        (["d-1", "d-3"], {"period": 5}), (["d-2"], {"period": 7}), (["d-4"], {"period": 9}),
    ]  # fmt: skip


@script
def test_a_table_of_values_is_offered_for_a_list_of_devices_alone(
    visit: Any,
    fleet: Application,  # noqa: F811
) -> None:
    page = visit.page
    visit.go("/compose/?target_type=DeviceList&service_id=Valve&method=SET")
    offered = page.get_by_text("Different values for each device…")
    expect(offered).to_be_visible()
    for target, is_offered in (("GroupList", False), ("DeviceList", True)):
        page.get_by_label("Send to").select_option(target)
        expect(page.locator(".htmx-request, .htmx-swapping, .htmx-settling")).to_have_count(0)
        expect(offered).to_be_visible(visible=is_offered)


@pytest.fixture
def family(fleet: Application, operator: User) -> Family:  # noqa: F811
    """Twelve tasks that are over; one device of each failed, and another one succeeded."""
    family = Family.objects.create(name="Night valves 夜", author=operator)
    for number in range(12):
        devices = [f"good-{number}", f"bad-{number}"]
        task = TaskFactory(
            application=fleet, author=operator, family=family, name=f"Night valves 夜 ({number + 1} of 12)",
            state="COMPLETE", listed=True, devices=devices, counts={"SUCCESSFUL": 1, "FAILED": 1},
            ask={"command": {"paras": {"period": number}}},
        )  # fmt: skip
        for status, device in zip(("SUCCESSFUL", "FAILED"), devices, strict=True):
            ResultFactory(task=task, device_id=device, status=status)
    return family


@script
def test_one_rerun_over_a_family_of_twelve(visit: Any, family: Family) -> None:
    page = visit.page
    visit.go(f"/families/{family.pk}/")
    expect(page.locator("#family .tally").first).to_contain_text("24 of 24 devices gave a final answer")
    page.locator("#family_rerun").get_by_role("button", name="Rerun on 12 failed devices…").click()
    expect(page.locator("h1")).to_have_text("Review the rerun and send")
    expect(page.locator("main")).to_contain_text("12 tasks; 10 at a time.")
    press(page, "Send to 12 devices")
    page.wait_for_url("**/families/*/")
    expect(page.locator("#sums")).to_have_text("12 tasks and 12 reruns")
    reruns = Task.objects.filter(family=family, rerun_of__isnull=False).order_by("pk")
    assert [json.loads(task.request_body)["param"]["deviceList"] for task in reruns] == [
        [f"bad-{number}"] for number in range(12)
    ]


@pytest.mark.parametrize("script", [True])
def test_a_familys_page_moves_while_its_tasks_do_and_keeps_what_is_unfolded(
    visit: Any, family: Family
) -> None:
    first = family.tasks.order_by("pk")[0]
    Task.objects.filter(pk=first.pk).update(state="RUNNING", counts={"": 2}, finished_at=None)
    page = visit.page
    visit.go(f"/families/{family.pk}/")
    page.locator("#shares-table summary").click()
    expect(page.locator("#family .tally").first).to_contain_text("22 of 24")
    Task.objects.filter(pk=first.pk).update(state="COMPLETE", counts={"SUCCESSFUL": 2})
    expect(page.locator("#family .tally").first).to_contain_text("24 of 24", timeout=8000)
    expect(page.locator("#shares-table table")).to_be_visible()
    expect(page.locator("#family")).to_contain_text("this page no longer renews itself")


@pytest.mark.parametrize("script", [True])
def test_devices_come_from_a_list_and_another_one_is_taken_away(
    visit: Any,
    fleet: Application,  # noqa: F811
    operator: User,
) -> None:
    make_list(fleet, [f"d-{n}" for n in range(30)], "All of them", operator)
    make_list(fleet, [f"d-{n}" for n in range(20, 40)], "In repair", operator)
    page = visit.page
    visit.go("/compose/?target_type=DeviceList&service_id=Valve&method=CLOSE")
    page.get_by_label("Saved list").check()
    page.get_by_label("List", exact=True).select_option(label="All of them (30)")
    press(page, "Use these 30 devices")
    page.locator("#combine > summary").click()
    page.locator("#combine").get_by_label("Saved list").check()
    page.locator("#combine").get_by_label("List", exact=True).select_option(label="In repair (20)")
    expect(page.locator(".operations li", has_text="Take them away")).to_contain_text("20 devices")
    press(page, "Take them away")
    expect(page.locator("#devices > .notice.good")).to_contain_text("20 devices")
    press(page, "Undo")
    expect(page.locator("#devices > .notice.good")).to_contain_text("30 devices")
