"""Progress moves while pushes arrive, asks ever more rarely when nothing does, and stops when the task is over."""

import datetime as dt
import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tasks.models import Application, Task
from tasks.states import FINAL, State
from tests.factories import TallyFactory, TaskFactory

from .pages import text_of, words

pytestmark = pytest.mark.django_db

HTMX = {"HTTP_HX_REQUEST": "true"}


def running(application: Application, **columns: Any) -> Task:
    given = {"state": State.RUNNING, "expected": 10, "counts": {"SUCCESSFUL": 4, "": 6}, "timeout": 60}
    return TaskFactory(application=application, **(given | columns))


def pulse(answer: Any) -> tuple[str, str] | None:
    """The address that a fragment asks next, and after how long."""
    found = re.search(r'<div id="pulse"\s+hx-get="([^"]+)"\s+hx-trigger="every ([^,"]+)', text_of(answer))
    return (found[1].replace("&amp;", "&"), found[2]) if found else None


def test_progress_counts_every_device_and_names_every_status(desk: Client, site_app: Application) -> None:
    counts = {"SUCCESSFUL": 5, "FAILED": 2, "SENT": 1, "ODD_NEW_WORD": 1, "": 1}
    task = running(site_app, counts=counts)
    page = desk.get(f"/tasks/{task.pk}/progress/", **HTMX)
    said = words(page)
    assert "7 of 10 devices gave a final answer 70 %" in said
    for share in ("5 Successful 50 %", "2 Failed 20 %", "1 Sent 10 %", "1 ODD_NEW_WORD", "1 No answer yet"):
        assert share in said
    widths = [float(width) for width in re.findall(r'width="([\d.]+)%" height="16"', text_of(page))]
    assert sum(widths) == pytest.approx(100)
    table = re.findall(r'<th scope="row">.*?</tr>', text_of(page), flags=re.DOTALL)
    assert len(table) == 6  # one for each status, and their sum


def test_a_single_device_is_singular(desk: Client, site_app: Application) -> None:
    task = running(site_app, expected=1, counts={"": 1})
    said = words(desk.get(f"/tasks/{task.pk}/progress/", **HTMX))
    assert "0 of 1 device gave a final answer 0 %" in said
    assert "1 device has not answered" in said


def test_nearly_all_is_never_shown_as_all(desk: Client, site_app: Application) -> None:
    task = running(site_app, expected=100_000, counts={"SUCCESSFUL": 99_999, "": 1})
    assert "99,999 of 100,000 devices gave a final answer > 99.9 %" in words(desk.get(f"/tasks/{task.pk}/"))


def test_how_many_it_reaches_is_not_invented(desk: Client, site_app: Application) -> None:
    task = running(site_app, kind="Broadcast", expected=None, counts={"SUCCESSFUL": 7})
    said = words(desk.get(f"/tasks/{task.pk}/progress/", **HTMX))
    assert "7 of the 7 devices heard of so far gave a final answer" in said


def test_without_news_it_asks_ever_more_rarely_and_hears_almost_nothing(
    desk: Client, site_app: Application
) -> None:
    task = running(site_app)
    address, pace = pulse(desk.get(f"/tasks/{task.pk}/"))
    paces, sizes, triggers = [pace], [], []
    for _ in range(3):
        answer = desk.get(address, **HTMX)
        assert (answer.status_code, answer["HX-Retarget"]) == (200, "#pulse")
        address, pace = pulse(answer)
        paces.append(pace)
        sizes.append(len(answer.content))
        triggers.append(answer.get("HX-Trigger"))
    assert paces == ["1s", "2s", "5s", "15s"]
    assert max(sizes) < 400
    assert triggers == [None, "rested", None]
    assert desk.get(address, **HTMX).status_code == 204


def test_news_makes_it_ask_fast_again_and_tells_the_pictures(desk: Client, site_app: Application) -> None:
    task = running(site_app)
    address, _ = pulse(desk.get(f"/tasks/{task.pk}/"))
    Task.objects.update(counts={"SUCCESSFUL": 5, "": 5})
    answer = desk.get(f"{address[:-1]}3", **HTMX)
    assert "5 of 10 devices" in words(answer)
    assert pulse(answer)[1] == "1s"
    assert answer["HX-Trigger"] == "counted"
    assert "HX-Retarget" not in answer


@pytest.mark.parametrize(
    "change",
    [
        {"reason": "The platform cannot be asked"},
        {"expected": 11},
        {"platform_status": "Running"},
        {"platform_task_id": "p-9"},
        {"submitted_at": dt.datetime(2026, 1, 1, tzinfo=dt.UTC)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_whatever_the_fragment_shows_is_news(
    change: dict[str, Any], desk: Client, site_app: Application
) -> None:
    task = running(site_app)
    address, _ = pulse(desk.get(f"/tasks/{task.pk}/"))
    Task.objects.update(**change)
    assert 'id="progress"' in text_of(desk.get(address, **HTMX))


def test_a_new_transition_renews_the_timeline_too(desk: Client, site_app: Application) -> None:
    task = running(site_app)
    address, _ = pulse(desk.get(f"/tasks/{task.pk}/"))
    task.transitions.create(from_state="RUNNING", to_state="COMPLETE", reason="all")
    Task.objects.update(state=State.COMPLETE, finished_at=timezone.now())
    answer = desk.get(address, **HTMX)
    assert answer["HX-Trigger"] == "moved"
    assert pulse(answer) is None
    assert "This page no longer renews itself" in words(answer)


@pytest.mark.parametrize("state", sorted(FINAL))
def test_a_task_that_is_over_is_never_asked_for_again(
    state: State, desk: Client, site_app: Application
) -> None:
    task = TaskFactory(application=site_app, state=state, finished_at=timezone.now())
    page = desk.get(f"/tasks/{task.pk}/")
    assert pulse(page) is None
    assert f'hx-get="/tasks/{task.pk}/answers/"' not in text_of(page)
    assert "This page no longer renews itself" in words(page)


@pytest.mark.parametrize("step", ["", "-1", "9", "x", "²", "0123"])
def test_a_wrong_step_is_the_first_one(step: str, desk: Client, site_app: Application) -> None:
    task = running(site_app)
    address, _ = pulse(desk.get(f"/tasks/{task.pk}/"))
    answer = desk.get(address.replace("step=0", f"step={step}"), **HTMX)
    assert pulse(answer)[1] == "2s"


def test_without_javascript_there_is_a_link_and_a_whole_page(desk: Client, site_app: Application) -> None:
    task = running(site_app)
    page = desk.get(f"/tasks/{task.pk}/progress/")
    assert "<html" in text_of(page)
    assert re.search(rf'<noscript>\s*<p><a class="button" href="/tasks/{task.pk}/">Reload', text_of(page))


def test_what_is_read_aloud_changes_once_in_ten_per_cent(desk: Client, site_app: Application) -> None:
    said = set()
    for done in range(0, 1000, 7):
        task = running(site_app, expected=1000, counts={"SUCCESSFUL": done})
        page = text_of(desk.get(f"/tasks/{task.pk}/progress/", **HTMX))
        said.add(re.search(r'data-say="([^"]+)"', page)[1])
    assert len(said) == 10
    assert "Running. 40 % of 1,000 devices gave a final answer." in said


QUERIES = 7
"""Session, user, its rights, the task, its transitions; and where the database is a server, its clock."""


def test_progress_asks_the_same_few_questions_for_one_device_and_for_a_million(
    desk: Client, site_app: Application
) -> None:
    asked = []
    for many in (1, 1_000_000):
        task = running(site_app, expected=many, counts={"": many}, devices=["d-1"])
        with CaptureQueriesContext(connection) as queries:
            desk.get(f"/tasks/{task.pk}/progress/", **HTMX)
        asked.append(len(queries))
    assert asked[0] == asked[1] <= QUERIES
    tables = " ".join(query["sql"] for query in queries)
    assert "tasks_result" not in tables
    assert "tasks_tally" not in tables


def test_a_fragment_that_has_outlived_its_session_loads_the_whole_page(
    client: Client, site_app: Application
) -> None:
    task = running(site_app)
    answer = client.get(f"/tasks/{task.pk}/progress/", follow=True, **HTMX)
    assert answer["HX-Refresh"] == "true"
    assert "HX-Refresh" not in client.get("/login/")


# Silence and disagreement


def test_a_silent_task_says_who_is_asked_and_what_to_check(desk: Client, site_app: Application) -> None:
    task = running(
        site_app,
        submitted_at=timezone.now() - dt.timedelta(minutes=12),
        platform_task_id="p-1",
        platform_counts={"success": 6, "at": "2026-11-24T13:00:00+00:00"},
    )
    page = desk.get(f"/tasks/{task.pk}/progress/", **HTMX)
    said = words(page)
    assert "No push in the 12 minutes since it was sent; Muster asks the platform instead." in said
    assert "Last asked 2026-11-24 13:00:00 UTC" in said
    assert "The platform counts 2 final answers more than Muster: pushes get lost" in said
    assert "Pushes go to http://127.0.0.1:8000, an address that only this machine reaches." in said
    assert task.callback_token not in text_of(page)


@pytest.mark.parametrize(
    ("counts", "words_of_it"),
    [
        (
            {"success": 4, "at": "2026-11-24T13:00:00Z"},
            "most likely asleep or offline: there is nothing to mend.",
        ),
        ({}, "may be asleep or offline; the platform has not yet told what it counts."),
    ],
)
def test_a_pause_while_devices_sleep_is_not_called_stuck(
    counts: dict[str, Any], words_of_it: str, desk: Client, site_app: Application
) -> None:
    now = timezone.now()
    task = running(
        site_app,
        submitted_at=now - dt.timedelta(minutes=30),
        last_push_at=now - dt.timedelta(minutes=20),
        platform_task_id="p-1",
        platform_counts=counts,
    )
    page = desk.get(f"/tasks/{task.pk}/progress/", **HTMX)
    said = words(page)
    assert "No push for 20 minutes; Muster asks the platform instead." in said
    assert words_of_it in said
    assert f"pending until {task.deadline:%Y-%m-%d %H:%M:%S} UTC" in said
    assert 'class="notice warn"' not in text_of(page)


def test_after_its_time_a_task_waits_for_the_platforms_last_word(desk: Client, site_app: Application) -> None:
    task = running(site_app, submitted_at=timezone.now() - dt.timedelta(minutes=61))
    said = words(desk.get(f"/tasks/{task.pk}/progress/", **HTMX))
    assert "Its time is over since" in said
    assert "Muster asks the platform for its last word" in said
    assert "Devices that sleep" not in said


# Pictures


def test_the_pictures_have_a_title_words_and_tables(desk: Client, site_app: Application) -> None:
    sent = dt.datetime(2026, 11, 24, 13, 0, tzinfo=dt.UTC)
    task = TaskFactory(application=site_app, state=State.COMPLETE, submitted_at=sent, timeout=60)
    for seconds, status, count in ((0, "SUCCESSFUL", 1200), (30, "FAILED", 3)):
        TallyFactory(task=task, at=sent + dt.timedelta(seconds=seconds), status=status, count=count)
    page = desk.get(f"/tasks/{task.pk}/answers/", **HTMX)
    said = words(page)
    assert "Final answers, each 10 seconds 2026-11-24 , times in UTC" in said
    assert "1,203 from 2026-11-24 13:00:00 UTC to 2026-11-24 13:00:40 UTC." in said
    assert "Half of the answers came within 10 seconds , 90 % within 10 seconds ." in said
    assert "up to 10 s 1,200 99.8 %" in said
    assert "2026-11-24 13:00:30 0 3 1,203" in said
    for mark in ('role="img"', 'aria-labelledby="curve-title curve-desc"', "<desc", 'scope="row"'):
        assert mark in text_of(page)
    assert "every" not in text_of(page)


def test_a_steady_pace_tells_how_long_the_rest_would_take(desk: Client, site_app: Application) -> None:
    now = timezone.now().replace(microsecond=0)
    task = running(
        site_app, expected=1000, counts={"SUCCESSFUL": 200}, submitted_at=now - dt.timedelta(minutes=11)
    )
    for minutes in (3, 8):
        at = (now - dt.timedelta(minutes=minutes)).replace(second=0)
        TallyFactory(task=task, at=at, count=100)
    said = words(desk.get(f"/tasks/{task.pk}/answers/", **HTMX))
    assert "At the pace of the last 5 minutes the other devices would take about 40 minutes" in said


def test_while_nobody_has_answered_there_is_a_place_for_the_pictures(
    desk: Client, site_app: Application
) -> None:
    task = running(site_app)
    fragment = text_of(desk.get(f"/tasks/{task.pk}/answers/", **HTMX))
    assert '<div id="answers">' in fragment
    assert "<svg" not in fragment
    assert f'hx-get="/tasks/{task.pk}/answers/"' in text_of(desk.get(f"/tasks/{task.pk}/"))
