"""The list of tasks: filters, keyset pages, and pages that cost the same however long it is."""

import csv
import datetime as dt
import html
import io
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.http import QueryDict
from django.test import Client
from django.test.utils import CaptureQueriesContext

from dashboard import finding
from dashboard.paging import keyset
from tasks.models import Application, Task
from tasks.states import MEANING, State
from tests.factories import ApplicationFactory, TaskFactory, UserFactory

from .pages import error_at, text_of, words

pytestmark = pytest.mark.django_db


def names(answer: Any) -> list[str]:
    return [task.name for task in answer.context["tasks"]]


@pytest.fixture
def tasks(site_app: Application) -> dict[str, Task]:
    """Five tasks that differ in everything a filter looks at."""
    other, ann = ApplicationFactory(name="Lights"), UserFactory(username="ann")
    bob = UserFactory(username="bob")
    made = [
        TaskFactory(name="alpha", application=site_app, author=ann, state=State.QUEUED),
        TaskFactory(name="beta", application=other, author=ann, state=State.RUNNING, platform_task_id="p-77"),
        TaskFactory(name="gamma", application=site_app, author=bob, state=State.COMPLETE, kind="Broadcast"),
        TaskFactory(name="delta", application=other, author=bob, state=State.REFUSED, kind="GroupList"),
        TaskFactory(
            name="Alphabet", application=site_app, author=bob, state=State.UNCONFIRMED, kind="DeviceArea"
        ),
    ]
    for day, task in enumerate(made, 1):
        Task.objects.filter(pk=task.pk).update(
            created_at=dt.datetime(2026, 3, day, 23, 59, 59, tzinfo=dt.UTC)
        )
    return {task.name: task for task in made}


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, ["Alphabet", "delta", "gamma", "beta", "alpha"]),
        ({"state": "RUNNING"}, ["beta"]),
        ({"state": "open"}, ["Alphabet", "beta", "alpha"]),
        ({"application": "Lights"}, ["delta", "beta"]),
        ({"author": "bob"}, ["Alphabet", "delta", "gamma"]),
        ({"target_type": "Broadcast"}, ["gamma"]),
        ({"since": "2026-03-04"}, ["Alphabet", "delta"]),
        ({"until": "2026-03-02"}, ["beta", "alpha"]),
        ({"since": "2026-03-02", "until": "2026-03-03"}, ["gamma", "beta"]),
        ({"text": "alpha"}, ["Alphabet", "alpha"]),
        ({"text": "p-77"}, ["beta"]),
        ({"text": "p-7"}, []),
        ({"text": "100%"}, []),
        ({"author": "bob", "application": "Waterworks", "state": "COMPLETE", "text": "mm"}, ["gamma"]),
        ({"author": "ann", "state": "COMPLETE"}, []),
    ],
)
def test_each_filter_and_all_together_find_the_newest_first(
    asked: dict[str, str], found: list[str], desk: Client, tasks: dict[str, Task]
) -> None:
    ids = {"Lights": tasks["beta"].application_id, "Waterworks": tasks["alpha"].application_id}
    ids |= {"ann": tasks["alpha"].author_id, "bob": tasks["gamma"].author_id}
    query = {name: ids.get(value, value) for name, value in asked.items()}
    assert names(desk.get("/tasks/", query)) == found
    exported = list(csv.DictReader(io.StringIO(b"".join(desk.get("/tasks.csv", query)).decode("utf-8-sig"))))
    assert [row["name"] for row in exported] == found


def test_a_task_is_found_by_its_number(desk: Client, tasks: dict[str, Task]) -> None:
    assert "beta" in names(desk.get("/tasks/", {"text": f"#{tasks['beta'].pk}"}))
    assert "beta" in names(desk.get("/tasks/", {"text": str(tasks["beta"].pk)}))


@pytest.mark.parametrize(
    ("asked", "field", "problem"),
    [
        ({"since": "2026-02-30"}, "since", "Enter a valid date."),
        ({"until": "soon"}, "until", "Enter a valid date."),
        ({"since": "2026-03-05", "until": "2026-03-01"}, "until", "This day is before the first one."),
        ({"state": "LOST"}, "state", "Select a valid choice."),
        ({"application": "9" * 30}, "application", "Select a valid choice."),
        ({"author": "x"}, "author", "Select a valid choice."),
        ({"until": "9999-12-31"}, "", ""),
        ({"since": "0001-01-01"}, "", ""),
        ({"text": "9" * 5000}, "", ""),
        ({"text": "\x00"}, "text", "Null characters are not allowed."),
        ({"before": "x"}, "", ""),
        ({"before": "9" * 30}, "", ""),
        ({"after": "-1"}, "", ""),
    ],
)
def test_a_wrong_filter_is_named_and_never_breaks_the_page(
    asked: dict[str, str], field: str, problem: str, desk: Client, tasks: dict[str, Task]
) -> None:
    page = desk.get("/tasks/", asked)
    assert page.status_code == 200
    if field:
        assert error_at(page, field).startswith(problem)
        assert names(page) == ["Alphabet", "delta", "gamma", "beta", "alpha"] or field == "until"
    assert desk.get("/tasks.csv", asked).status_code == 200


def walk(desk: Client, relation: str, address: str) -> Any:
    page = desk.get(address)
    nav = text_of(page).split('aria-label="Pages"')[1]
    link = nav.split(f'rel="{relation}" href="')[1].split('"')[0].replace("&amp;", "&")
    return desk.get("/tasks/" + link)


def test_pages_go_forth_and_back_without_gaps_while_tasks_are_added(
    desk: Client, site_app: Application
) -> None:
    for number in range(125):
        TaskFactory(name=f"t{number}", application=site_app)
    wanted = [f"t{number}" for number in reversed(range(125))]
    first = desk.get("/tasks/")
    assert names(first) == wanted[:50]
    assert 'rel="prev"' not in text_of(first)
    second = walk(desk, "next", "/tasks/")
    for number in range(3):
        TaskFactory(name=f"new{number}", application=site_app)
    third = walk(desk, "next", second.wsgi_request.get_full_path())
    assert names(second) + names(third) == wanted[50:]
    assert 'rel="next"' not in text_of(third)
    back = walk(desk, "prev", third.wsgi_request.get_full_path())
    assert names(back) == wanted[50:100]
    again = walk(desk, "prev", back.wsgi_request.get_full_path())
    assert names(again) == wanted[:50]
    top = walk(desk, "prev", again.wsgi_request.get_full_path())
    assert names(top)[:3] == ["new2", "new1", "new0"]


def test_a_page_keeps_the_filters(desk: Client, site_app: Application) -> None:
    for number in range(120):
        TaskFactory(name=f"{'even' if number % 2 else 'odd'}-{number}", application=site_app)
    second = walk(desk, "next", "/tasks/?text=even")
    assert len(names(second)) == 10
    assert all("even" in name for name in names(second))


@pytest.mark.parametrize("order", ["id", "-id"])
@pytest.mark.parametrize(("count", "size"), [(0, 1), (1, 1), (3, 1), (4, 2), (5, 2), (6, 3), (7, 3), (12, 5)])
def test_pages_of_any_size_show_every_row_once_both_ways(count: int, size: int, order: str) -> None:
    Group.objects.bulk_create(Group(name=f"page-{number}") for number in range(count))
    rows = Group.objects.filter(name__startswith="page-").order_by(order)
    page = keyset(rows, {}, size)
    pages = [[row.pk for row in page.rows]]
    assert page.is_first
    while page.before is not None:
        page = keyset(rows, {"before": str(page.before)}, size)
        pages.append([row.pk for row in page.rows])
        assert not page.is_first
    assert [pk for each in pages for pk in each] == [row.pk for row in rows]
    back = [pages[-1]]
    while page.after is not None:
        page = keyset(rows, {"after": str(page.after)}, size)
        back.append([row.pk for row in page.rows])
    assert list(reversed(back)) == pages


# The page


def test_an_empty_history_says_what_to_do(browser_of: Callable[..., Client], db: None) -> None:
    assert "First an admin adds the application" in words(browser_of("operator").get("/tasks/"))
    ApplicationFactory()
    assert "No task yet" in words(browser_of("operator").get("/tasks/"))
    assert 'href="/compose/"' in text_of(browser_of("operator").get("/tasks/"))
    assert 'href="/compose/"' not in text_of(browser_of("auditor").get("/tasks/"))
    nothing = words(browser_of("auditor").get("/tasks/", {"text": "x"}))
    assert "No task passes these filters" in nothing
    assert "Clear the filters" in nothing


def test_the_list_renews_itself_only_on_its_first_page_while_something_moves(
    desk: Client, site_app: Application
) -> None:
    moving = TaskFactory(application=site_app, state=State.RUNNING)
    assert 'hx-trigger="every 3s"' in text_of(desk.get("/tasks/"))
    for _ in range(60):
        TaskFactory(application=site_app, state=State.COMPLETE)
    assert 'hx-trigger="every 3s"' not in text_of(desk.get("/tasks/", {"before": moving.pk + 60}))
    Task.objects.update(state=State.COMPLETE)
    assert 'hx-trigger="every 3s"' not in text_of(desk.get("/tasks/"))


def test_a_live_list_backs_off_while_nothing_changes(desk: Client, site_app: Application) -> None:
    moving = TaskFactory(application=site_app, state=State.RUNNING)
    waits = []
    page = text_of(desk.get("/tasks/?state=open"))
    for _ in range(9):
        link = html.unescape(re.search(r'hx-get="(/tasks/\?[^"]*)" hx-trigger="every (\d+)s"', page)[1])  # type: ignore[index]
        waits.append(int(re.search(r'hx-trigger="every (\d+)s"', page)[1]))  # type: ignore[index]
        page = text_of(desk.get(link, HTTP_HX_REQUEST="true"))
    assert waits == [3, 4, 6, 9, 13, 19, 28, 30, 30]
    assert "state=open" in link
    Task.objects.filter(pk=moving.pk).update(counts={"SUCCESSFUL": 1})
    assert 'hx-trigger="every 3s"' in text_of(desk.get(link, HTTP_HX_REQUEST="true"))


def test_what_a_renewal_carries_is_in_no_link(desk: Client, site_app: Application) -> None:
    TaskFactory.create_batch(60, application=site_app, state=State.RUNNING)
    page = text_of(desk.get("/tasks/?text=task&seen=x&waited=9", HTTP_HX_REQUEST="true"))
    for link in re.findall(r'href="(\?[^"]*)"', page):
        assert "seen" not in link
        assert "text=task" in link


def test_a_search_that_found_nothing_yet_goes_on_by_itself_and_says_how_far_it_is(
    desk: Client, site_app: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "REACH", 4)
    TaskFactory(application=site_app, name="needle")
    TaskFactory.create_batch(9, application=site_app, name="hay")
    page = desk.get("/tasks/?text=needle")
    steps = 0
    while not names(page):
        assert "Searching" in words(page)
        assert "No task passes these filters back to" in words(page)
        assert 'hx-trigger="load"' in text_of(page)
        link = re.search(r'hx-get="(/tasks/[^"]*)"\s+hx-trigger="load"', text_of(page))[1]  # type: ignore[index]
        page = desk.get(html.unescape(link), HTTP_HX_REQUEST="true")
        steps += 1
    assert (names(page), steps) == (["needle"], 2)
    nothing = desk.get("/tasks/?text=nothing&before=3")
    assert "No task passes these filters" in words(nothing)
    assert 'hx-trigger="load"' not in text_of(nothing)


def test_the_list_says_how_many_pass(
    desk: Client, tasks: dict[str, Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "5 tasks" in words(desk.get("/tasks/"))
    assert "2 tasks" in words(desk.get("/tasks/?text=alpha"))
    monkeypatch.setattr(finding, "MOST_COUNTED", 3)
    assert "More than" in words(desk.get("/tasks/"))


def test_a_task_is_found_by_its_command_and_by_its_failed_devices(
    desk: Client, site_app: Application
) -> None:
    TaskFactory(application=site_app, name="opens", ask={"command": {"method": "OPEN"}})
    for status in ("FAILED", "TIMEOUT", "EXPIRED", "CANCELED", "SUCCESSFUL", "DELIVERED"):
        TaskFactory(application=site_app, name=status, counts={status: 1, "": 3})
    assert names(desk.get("/tasks/?method=OPEN")) == ["opens"]
    assert names(desk.get("/tasks/?method=OPE")) == []
    assert names(desk.get("/tasks/?failures=on")) == ["CANCELED", "EXPIRED", "TIMEOUT", "FAILED"]
    assert names(desk.get("/tasks/?failures=on&text=OUT")) == ["TIMEOUT"]
    failed = Task.objects.get(name="FAILED")
    failed.counts = {"SUCCESSFUL": 1}
    failed.save(update_fields=["counts"])
    assert "FAILED" not in names(desk.get("/tasks/?failures=on"))


def test_a_fragment_is_what_the_page_holds(desk: Client, tasks: dict[str, Task]) -> None:
    fragment = text_of(desk.get("/tasks/", HTTP_HX_REQUEST="true"))
    assert fragment.startswith('\n<div id="history"') or fragment.lstrip().startswith('<div id="history"')
    assert "<html" not in fragment
    assert names(desk.get("/tasks/", HTTP_HX_REQUEST="true")) == names(desk.get("/tasks/"))


def test_every_state_is_shown_by_its_words(desk: Client, site_app: Application) -> None:
    for state in State:
        TaskFactory(application=site_app, state=state)
    page = words(desk.get("/tasks/"))
    for label, _ in MEANING.values():
        assert label in page
    assert "1 task whose outcome is not known" in page


QUERIES = 12
"""What the history page may ask the database, session and user included."""


def test_the_page_asks_the_database_the_same_for_five_tasks_and_for_two_hundred(
    desk: Client, site_app: Application
) -> None:
    counts = []
    for many in (5, 195):
        for number in range(many):
            TaskFactory(
                application=site_app, author=UserFactory(), state=State.RUNNING, name=f"{many}-{number}"
            )
        with CaptureQueriesContext(connection) as queries:
            desk.get("/tasks/")
        counts.append(len(queries))
    assert counts[0] == counts[1] <= QUERIES
    assert not [each["sql"] for each in queries if "tasks_request" in each["sql"]]


def test_query_strings_are_escaped_in_links(desk: Client, tasks: dict[str, Task]) -> None:
    page = text_of(desk.get("/tasks/", {"text": '"><script>alert(1)</script>', "odd": '"onload="x'}))
    assert "<script>alert" not in page
    assert '"onload="' not in page
    assert QueryDict("text=a").urlencode() == "text=a"
