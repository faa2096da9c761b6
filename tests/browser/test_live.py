"""A task's page while pushes arrive: it moves, keeps what the reader has unfolded, survives a cut line, and stops."""

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import expect

from tasks.models import Task
from tests.factories import TallyFactory, TaskFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def running(operator: User) -> Task:
    return TaskFactory(
        author=operator,
        state="RUNNING",
        timeout=60,
        expected=1000,
        counts={"SUCCESSFUL": 120, "": 880},
        platform_task_id="p-1",
        devices=["d-1"],
    )


def arrive(task: Task, successful: int, **more: Any) -> None:
    Task.objects.filter(pk=task.pk).update(counts={"SUCCESSFUL": successful, "": 1000 - successful}, **more)


def test_progress_moves_and_stops(visit_with: Any, operator: User, running: Task) -> None:
    visit = visit_with()
    visit.sign_in(operator)
    page = visit.page
    visit.go(f"/tasks/{running.pk}/")
    page.locator("#shares-table summary").click()
    expect(page.locator("#answers svg")).to_have_count(0)
    TallyFactory(task=running, at=timezone.now().replace(second=0, microsecond=0), count=250)
    arrive(running, 250)
    expect(page.locator("#progress .tally")).to_contain_text("250 of 1,000 devices")
    expect(page.locator("#said")).to_have_text("Running. 20 % of 1,000 devices gave a final answer.")
    expect(page.locator("#shares-table table")).to_be_visible()
    expect(page.locator("#curve svg.columns")).to_be_visible()
    width = page.locator("#bar-1").evaluate("rect => rect.getAttribute('width')")
    assert width == "25.00%"
    running.transitions.create(from_state="RUNNING", to_state="COMPLETE", reason="every device answered")
    arrive(running, 1000, state="COMPLETE", finished_at=timezone.now())
    expect(page.locator("#progress")).to_contain_text("This page no longer renews itself", timeout=8000)
    expect(page.locator("#pulse")).to_have_count(0)
    expect(page.locator("#timeline")).to_contain_text("Every device answered")
    expect(page.locator("#said")).to_contain_text("Complete. 100 %")
    expect(page.locator("#shares-table table")).to_be_visible()


def test_the_pictures_are_drawn_every_few_seconds_and_not_for_every_push(
    visit_with: Any, operator: User, running: Task
) -> None:
    visit = visit_with()
    visit.sign_in(operator)
    page = visit.page
    visit.go(f"/tasks/{running.pk}/")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url.split("?")[0].split("/")[-2]))
    for done in (200, 300, 400):
        arrive(running, done)
        expect(page.locator("#progress .tally")).to_contain_text(f"{done} of 1,000")
    assert (asked.count("answers"), asked.count("progress")) == (1, 3)


def test_progress_goes_on_after_the_line_was_cut(visit_with: Any, operator: User, running: Task) -> None:
    visit = visit_with()
    visit.sign_in(operator)
    page = visit.page
    visit.go(f"/tasks/{running.pk}/")
    page.route("**/progress/**", lambda route: route.abort())
    expect(page.locator("html")).to_have_class("offline")
    page.unroute("**/progress/**")
    arrive(running, 500)
    expect(page.locator("#progress .tally")).to_contain_text("500 of 1,000", timeout=8000)
    expect(page.locator("html")).not_to_have_class("offline")
    visit.complaints = [each for each in visit.complaints if "ERR_FAILED" not in each and "htmx" not in each]


def test_a_hidden_tab_asks_nothing_and_a_seen_one_at_once(
    visit_with: Any, operator: User, running: Task
) -> None:
    visit = visit_with()
    visit.sign_in(operator)
    page = visit.page
    page.add_init_script(
        "Object.defineProperty(document, 'hidden', {get: () => window.away ?? false, configurable: true})"
    )
    visit.go(f"/tasks/{running.pk}/")
    page.evaluate("window.away = true")
    page.wait_for_timeout(300)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    arrive(running, 700)
    page.wait_for_timeout(2500)
    assert asked == []
    page.evaluate("window.away = false; document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.locator("#progress .tally")).to_contain_text("700 of 1,000", timeout=900)


@pytest.mark.parametrize(("motion", "moves"), [("reduce", False), ("no-preference", True)])
def test_the_bar_glides_only_for_those_who_like_it(
    motion: str, moves: bool, visit_with: Any, operator: User, running: Task
) -> None:
    visit = visit_with(reduced_motion=motion)
    visit.sign_in(operator)
    visit.go(f"/tasks/{running.pk}/")
    seconds = visit.page.locator("#bar-1").evaluate("rect => getComputedStyle(rect).transitionDuration")
    assert (seconds != "0s") is moves


def test_the_report_is_printed_on_white_paper_without_the_menu(
    visit_with: Any, operator: User, running: Task
) -> None:
    sent = timezone.now() - dt.timedelta(minutes=5)
    Task.objects.update(submitted_at=sent)
    TallyFactory(task=running, at=sent.replace(second=0, microsecond=0), count=120)
    visit = visit_with(color_scheme="dark")
    visit.sign_in(operator)
    visit.go(f"/tasks/{running.pk}/report/")
    page = visit.page
    expect(page.get_by_role("button", name="Print or save as PDF")).to_be_visible()
    page.emulate_media(media="print")
    expect(page.locator(".top")).to_be_hidden()
    expect(page.locator("#curve svg.columns")).to_be_visible()
    colours = page.evaluate(
        "[getComputedStyle(document.querySelector('.report')).color,"
        " getComputedStyle(document.documentElement).getPropertyValue('--card').trim()]"
    )
    assert colours == ["rgb(0, 0, 0)", "#ffffff"]


def test_times_are_the_readers_own_also_in_pictures_and_utc_on_paper(
    visit_with: Any, operator: User, running: Task
) -> None:
    sent = timezone.now().replace(second=0, microsecond=0) - dt.timedelta(minutes=12)
    there = sent.astimezone(ZoneInfo("Asia/Shanghai"))
    Task.objects.update(submitted_at=sent, created_at=sent)
    for minutes in (0, 5):
        TallyFactory(task=running, at=sent + dt.timedelta(minutes=minutes), count=60)
    visit = visit_with(timezone_id="Asia/Shanghai")
    visit.sign_in(operator)
    page = visit.page
    visit.go(f"/tasks/{running.pk}/")
    expect(page.locator("dl.facts time").first).to_have_text(f"{there:%Y-%m-%d %H:%M:%S}")
    expect(page.locator("#curve figcaption")).to_contain_text(f"{there:%Y-%m-%d}, times in Asia/Shanghai")
    assert (page.locator("#curve .tick text").first.text_content() or "").startswith(f"{there:%H:}")
    page.locator("#curve-table summary").click()
    expect(page.locator("#curve-table tbody th").first).to_have_text(f"{there:%Y-%m-%d %H:%M:%S}")
    TallyFactory(task=running, at=sent + dt.timedelta(minutes=9), count=60)
    arrive(running, 180)
    expect(page.locator("#curve-table tbody tr")).to_have_count(3, timeout=8000)
    expect(page.locator("#curve figcaption")).to_contain_text("times in Asia/Shanghai")
    visit.go(f"/tasks/{running.pk}/report/")
    expect(page.locator("#curve figcaption")).to_contain_text(f"{sent:%Y-%m-%d}, times in UTC")
