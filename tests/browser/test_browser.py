"""The site in Chromium: the main job with and without JavaScript, by keyboard, on a small screen, silently."""

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import expect

from tasks.models import Application, Task
from tasks.profiles import schema
from tasks.profiles.schema import Command, DataType, Parameter, Service
from tests.factories import (
    ApplicationFactory,
    GroupFactory,
    ProfileFactory,
    ResultFactory,
    TaskFactory,
)

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def fleet(db: None) -> Application:
    """An application with two groups and a profile."""
    application = ApplicationFactory(name="Waterworks", app_id="app-1")
    GroupFactory(application=application, name="night", group_id="g-1", size=7)
    GroupFactory(application=application, name="day", group_id="g-2", size=5)
    commands = (Command("SET", (Parameter("period", DataType.INT, required=True),)), Command("CLOSE"))
    definition = schema.Profile(
        "Meter", "m-1", "Maker", "X1", "CoAP", (Service("Valve", "Valve", commands=commands),)
    )
    ProfileFactory(
        device_type="Meter", manufacturer_name="Maker", model="X1", definition=schema.to_dict(definition)
    )
    Application.objects.update(catalogue_at="2026-01-01T00:00Z")
    return application


def swap(page: Any, act: Any) -> None:
    """Do something that asks the server for a part of the composer, and wait until it is there."""
    with page.expect_response(lambda answer: answer.url.endswith("/compose/")):
        act()
    expect(page.locator(".htmx-request, .htmx-swapping, .htmx-settling")).to_have_count(0)


def test_the_main_job_in_the_browser(visit_with: Any, operator: User, fleet: Application) -> None:
    visit = visit_with()
    visit.sign_in(operator)
    page = visit.page
    page.get_by_role("link", name="Compose", exact=True).click()
    page.get_by_label("Task name").fill("Night valves")
    swap(page, lambda: page.get_by_label("Send to").select_option("DeviceArea"))
    page.get_by_label("Location").fill("Hall A")
    swap(page, lambda: page.get_by_label("Send to").select_option("GroupList"))
    page.get_by_label("night").check()
    swap(page, lambda: page.get_by_label("Device profile").select_option(label="Meter · Maker · X1"))
    swap(page, lambda: page.locator("#id_method").select_option("SET"))
    page.get_by_label("period").fill("30")
    expect(page.locator("#preview > pre")).to_contain_text('"period": 30')
    preview = json.loads(page.locator("#preview > pre").inner_text())
    assert preview["taskName"] == "Night valves"
    assert preview["param"]["groupList"] == ["night"]
    swap(page, lambda: page.get_by_label("Send to").select_option("DeviceArea"))
    assert page.get_by_label("Location").input_value() == "Hall A"
    assert page.get_by_label("Task name").input_value() == "Night valves"
    assert page.get_by_label("period").input_value() == "30"
    swap(page, lambda: page.get_by_label("Send to").select_option("GroupList"))
    assert page.get_by_label("night").is_checked()

    page.locator("#more > summary").click()
    page.get_by_label("Timeout").fill("5")
    page.get_by_role("button", name="Review and send…").last.click()
    page.wait_for_selector("#id_timeout_error")
    assert "from 10 to 2880" in page.locator("#id_timeout_error").inner_text()
    assert page.get_by_label("night").is_checked()
    visit.complaints = [
        each for each in visit.complaints if "422" not in each
    ]  # Chromium names that status itself
    page.get_by_label("Timeout").fill("60")
    page.get_by_role("button", name="Review and send…").last.click()
    page.wait_for_selector("h1:has-text('Review and send')")
    assert "7 devices" in page.inner_text("main")
    page.get_by_role("button", name="Send to 7 devices").click()
    page.wait_for_url("**/tasks/*/")
    assert "Night valves" in page.inner_text("h1")
    assert "Queued" in page.inner_text("#progress")
    body = json.loads(Task.objects.get().request_body)
    assert body["param"]["command"] == {"serviceId": "Valve", "method": "SET", "paras": {"period": 30}}
    Task.objects.update(state="CANCELLED", reason="cancelled by a test")
    expect(page.locator("#progress")).to_contain_text("Cancelled")
    expect(page.locator("#pulse")).to_have_count(0)


def test_the_same_job_without_javascript(visit_with: Any, operator: User, fleet: Application) -> None:
    visit = visit_with(java_script_enabled=False)
    visit.sign_in(operator)
    page = visit.page
    visit.go("/compose/")
    page.get_by_label("Task name").fill("Night valves")
    page.get_by_label("Send to").select_option("GroupList")
    page.get_by_label("Device profile").select_option(label="Meter · Maker · X1")
    page.get_by_role("button", name="Update the fields").click()
    assert page.get_by_label("Task name").input_value() == "Night valves"
    page.get_by_label("night").check()
    page.get_by_label("period").fill("30")
    page.get_by_role("button", name="Review and send…").last.click()
    page.get_by_role("button", name="Send to 7 devices").click()
    page.wait_for_url("**/tasks/*/")
    body = json.loads(Task.objects.get().request_body)
    assert body["param"]["groupList"] == ["night"]
    assert body["param"]["command"]["paras"] == {"period": 30}


def test_from_signing_in_to_a_task_by_keyboard_alone(
    visit_with: Any, operator: User, fleet: Application
) -> None:
    visit = visit_with()
    page = visit.page
    visit.go("/")
    page.keyboard.type(operator.username)
    page.keyboard.press("Tab")
    page.keyboard.type("a-good-long-password")
    page.keyboard.press("Enter")
    page.wait_for_url("**/compose/")
    page.wait_for_load_state()
    values = {
        "id_name": "By keyboard",
        "id_device_ids": "device-1",
        "id_service_id": "Valve",
        "id_method": "CLOSE",
    }
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        here = page.evaluate("document.activeElement.id || document.activeElement.name || ''")
        if here in values and here not in reached:
            page.keyboard.type(values[here])
            reached.add(here)
        if here == "review" and len(reached) == 4 and page.evaluate("document.activeElement.tabIndex") >= 0:
            break
        page.wait_for_timeout(30)
        if here == "id_device_ids":
            page.wait_for_timeout(100)
    assert reached == set(values)
    assert page.evaluate("document.activeElement.name") == "review"
    page.keyboard.press("Enter")
    page.wait_for_selector("h1:has-text('Review and send')")
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.innerText") == "Send to 1 device":
            break
    assert page.evaluate("document.activeElement.matches(':focus-visible')")
    page.keyboard.press("Enter")
    page.wait_for_url("**/tasks/*/")


def test_a_strangers_script_does_not_run(visit_with: Any, superuser: User, fleet: Application) -> None:
    """C32, in a real browser."""
    text = '"><img src=x onerror="document.title=1"><script>document.title=1</script>'
    task = TaskFactory(application=fleet, author=superuser, name=text, state="COMPLETE", reason=text)
    ResultFactory(task=task, device_id=text, status="FAILED", detail=text, error_text=text)
    visit = visit_with()
    visit.sign_in(superuser)
    for path in (
        "/tasks/",
        f"/tasks/{task.pk}/",
        f"/compose/?repeat={task.pk}",
        f"/admin/tasks/task/{task.pk}/change/",
    ):
        visit.go(path)
        assert visit.page.title() != "1"
        assert not visit.page.locator("img[src=x]").count()
