"""The devices of a task in Chromium: filters, columns, copying, reruns; with and without JavaScript."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import expect

from tasks.models import Result, Task
from tests.factories import ApplicationFactory, ResultFactory, TaskFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

LONG = {"压力": "正常" * 60, "deep": [1, {"a": None}]}


@pytest.fixture
def task(db: None) -> Task:
    task = TaskFactory(
        application=ApplicationFactory(name="Waterworks"), state="COMPLETE", listed=True, name="Night valves",
        devices=[f"meter-{n:03}" for n in range(120)], counts={"SUCCESSFUL": 60, "FAILED": 60},
    )  # fmt: skip
    for n in range(120):
        status = "FAILED" if n % 2 else "SUCCESSFUL"
        ResultFactory(
            task=task, device_id=f"meter-{n:03}", status=status, detail=LONG, finished_at="2026-01-01T00:00Z"
        )
    return task


def rows(page: Any) -> Any:
    return page.locator("#results tbody tr")


def test_filters_follow_the_hand_keep_the_focus_and_stand_in_the_address(
    visit_with: Any, operator: User, task: Task
) -> None:
    visit = visit_with()
    visit.sign_in(operator)
    page = visit.page
    visit.go(f"/tasks/{task.pk}/")
    page.get_by_label("Failed", exact=True).check()
    expect(page.locator("#results")).to_contain_text("60 devices pass the filter")
    page.get_by_label("Device id").press_sequentially("meter-00")
    expect(rows(page)).to_have_count(5)
    assert page.evaluate("document.activeElement.id") == "id_device"
    assert page.url.endswith(f"/tasks/{task.pk}/?status=FAILED&device=meter-00")
    page.reload()
    expect(rows(page)).to_have_count(5)
    assert page.get_by_label("Failed", exact=True).is_checked()
    page.get_by_label("Device id").fill("")
    expect(rows(page)).to_have_count(50)
    page.get_by_role("link", name="More →").focus()
    page.keyboard.press("Enter")
    expect(rows(page)).to_have_count(10)
    page.go_back()
    expect(rows(page)).to_have_count(50)
    page.get_by_label("Text").fill("no such words")
    expect(page.locator("#results")).to_contain_text("No device of this task passes the filter.")
    page.get_by_role("link", name="Clear the filter").click()
    expect(page.locator("#results")).to_contain_text("120 devices")


def test_columns_are_chosen_by_keyboard_and_remembered(visit_with: Any, operator: User, task: Task) -> None:
    visit = visit_with()
    visit.sign_in(operator)
    page = visit.page
    visit.go(f"/tasks/{task.pk}/?status=FAILED")
    page.locator("#columns summary").focus()
    page.keyboard.press("Enter")
    page.locator("#column-times").focus()
    page.keyboard.press("Space")
    expect(page.get_by_role("columnheader", name="Times")).to_have_count(0)
    assert page.evaluate("document.activeElement.id") == "column-times"
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    expect(page.get_by_role("columnheader", name="Source")).to_be_visible()
    expect(page.locator("#results")).to_contain_text("60 devices pass the filter")
    page.reload()
    expect(page.get_by_role("columnheader", name="Source")).to_be_visible()
    expect(page.get_by_role("columnheader", name="Times")).to_have_count(0)


def test_an_answer_is_copied_whole_and_stays_open_while_the_task_runs(
    visit_with: Any, operator: User, task: Task
) -> None:
    Task.objects.update(state="RUNNING")
    visit = visit_with(permissions=["clipboard-read", "clipboard-write"])
    visit.sign_in(operator)
    page = visit.page
    visit.go(f"/tasks/{task.pk}/")
    answer = page.locator("details.answer").first
    answer.locator("summary").click()
    answer.get_by_role("button", name="Copy").click()
    expect(answer.get_by_role("button")).to_have_text("Copied")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert page.evaluate("text => JSON.parse(text)", copied) == LONG
    page.wait_for_timeout(5000)
    expect(answer).to_have_attribute("open", "")
    answer.locator("summary").click()
    page.locator("h1").click()
    Result.objects.update(status="EXPIRED")
    expect(page.locator("#results tbody")).to_contain_text("Expired", timeout=10_000)


def test_failed_devices_are_rerun_by_keyboard(visit_with: Any, operator: User, task: Task) -> None:
    visit = visit_with()
    visit.sign_in(operator)
    page = visit.page
    visit.go(f"/tasks/{task.pk}/")
    expect(page.locator("#rerun")).to_contain_text("Rerun on 60 failed devices…")
    page.locator("#outcome-failed").focus()
    page.keyboard.press("Space")
    expect(page.locator("#rerun button")).to_be_disabled()
    assert page.evaluate("document.activeElement.id") == "outcome-failed"
    page.keyboard.press("Space")
    expect(page.locator("#rerun button")).to_be_enabled()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector("h1:has-text('Review and send')")
    page.get_by_role("button", name="Send to 60 devices").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/tasks/*/")
    expect(page.locator("dl.facts")).to_contain_text(f"#{task.pk}")
    assert task.reruns.get().rerun_outcomes == ["failed"]


def test_everything_works_without_javascript(visit_with: Any, operator: User, task: Task) -> None:
    visit = visit_with(java_script_enabled=False)
    visit.sign_in(operator)
    page = visit.page
    visit.go(f"/tasks/{task.pk}/")
    page.get_by_label("Failed", exact=True).check()
    page.get_by_label("Device id").fill("meter-0")
    page.get_by_role("button", name="Filter").click()
    assert "50 devices pass the filter" in page.inner_text("#results")
    page.locator("#columns summary").click()
    page.locator("#column-source").check()
    page.get_by_role("button", name="Show these").click()
    assert "Source" in page.inner_text("#results thead")
    assert "50 devices pass the filter" in page.inner_text("#results")
    page.get_by_role("button", name="Rerun on the 50 devices…").click()
    page.get_by_role("button", name="Send to 50 devices").click()
    page.wait_for_url("**/tasks/*/")
    assert task.reruns.get().rerun_filter == "status=FAILED&device=meter-0"
    visit.go(f"/tasks/{task.pk}/")
    page.get_by_role("link", name="meter-007").click()
    assert "Night valves" in page.inner_text("main")


@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_long_ids_answers_and_strangers_texts_fit_the_screen(
    width: int, scheme: Any, visit_with: Any, operator: User, task: Task
) -> None:
    """C32, and section 5: zero scripts of strangers, zero errors in the console."""
    nasty = '"><img src=x onerror="document.title=1">/?&#设备-' + "a" * 180
    for n, detail in enumerate(
        (nasty, {nasty: [nasty]}, {"deep": [[[[["行" * 3000]]]]]}, "<script>document.title=1</script>")
    ):
        ResultFactory(
            task=task, device_id=f"{n}{nasty}", status="FAILED", detail=detail, error_code="100428",
            error_text=nasty, conflict=True, unexpected=True,
        )  # fmt: skip
    visit = visit_with(viewport={"width": width, "height": 800}, color_scheme=scheme)
    visit.sign_in(operator)
    page = visit.page
    for path in (f"/tasks/{task.pk}/?flag=unexpected", "/devices/", "/devices/?id=nobody"):
        visit.go(path)
        for summary in page.locator("details.answer summary").all():
            summary.click()
        wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert page.evaluate(wide) == 0, path
        assert page.title() != "1"
    visit.go(f"/tasks/{task.pk}/?flag=conflict")
    page.locator("#results tbody a").first.click()
    page.wait_for_url("**/devices/**")
    assert page.evaluate(wide) == 0
    assert nasty in page.inner_text("h1")
