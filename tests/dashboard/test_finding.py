"""Tasks found by several filters: the same ones whichever index they are read from, however short the reach."""

import datetime as dt
import itertools
import random
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from dashboard import finding
from dashboard.finding import Wanted, filtered, find
from dashboard.forms.history import HistoryFilter
from tasks.models import Task
from tasks.states import State
from tests.factories import ApplicationFactory, TaskFactory, UserFactory

pytestmark = pytest.mark.django_db

SIZE = 7
DAY = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)


@pytest.fixture
def tasks(operator: User) -> list[Task]:
    """A hundred and fifty tasks, some gaps between their ids, three a day."""
    applications, authors = [ApplicationFactory() for _ in range(2)], [operator, UserFactory()]
    dice = random.Random(4)
    for number in range(170):
        TaskFactory(
            application=dice.choice(applications),
            author=dice.choice(authors),
            state=dice.choice([State.QUEUED, State.COMPLETE, State.COMPLETE, State.REFUSED]),
            kind=dice.choice(["DeviceList", "Broadcast"]),
            name=f"{dice.choice(['valve', 'light'])} {number}",
            counts={"FAILED": 1} if number % 5 == 0 else {"SUCCESSFUL": 2},
            created_at=DAY + dt.timedelta(hours=8 * number),
        )
    Task.objects.filter(pk__in=list(Task.objects.order_by("?").values_list("pk", flat=True)[:20])).delete()
    return list(Task.objects.order_by("-id"))


def pages(wanted: Wanted) -> list[int]:
    """The ids of all pages, one after another."""
    found = find(wanted, {}, SIZE)
    ids = [task.pk for task in found.rows]
    for _ in range(400 + Task.objects.latest("id").pk):  # PostgreSQL goes on counting where other tests ended
        if found.before is None:
            return ids
        found = find(wanted, {"before": str(found.before)}, SIZE)
        ids += [task.pk for task in found.rows]
    raise AssertionError("the pages never end")


def pages_back(wanted: Wanted, last: int) -> list[int]:
    """The same from the other end, in the same order."""
    found = find(wanted, {"after": str(last)}, SIZE)
    ids = [task.pk for task in found.rows]
    for _ in range(400 + Task.objects.latest("id").pk):  # PostgreSQL goes on counting where other tests ended
        if found.after is None:
            return ids
        found = find(wanted, {"after": str(found.after)}, SIZE)
        ids = [task.pk for task in found.rows] + ids
    raise AssertionError("the pages never end")


FILTERS: dict[str, list[str]] = {
    "state": ["", "COMPLETE", "open"],
    "author": ["", "operator"],
    "target_type": ["", "Broadcast"],
    "text": ["", "valve", "nothing"],
    "failures": ["", "on"],
    "days": ["", "some"],
}


@pytest.mark.parametrize(("few", "reach"), [(1000, 1000), (20, 30), (0, 10), (0, 1)])
def test_every_combination_gives_what_a_plain_filter_gives_both_ways(
    few: int, reach: int, tasks: list[Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "FEW", few)
    monkeypatch.setattr(finding, "REACH", reach)
    people = {"operator": User.objects.get(username="operator").pk}
    for values in itertools.product(*FILTERS.values()):
        asked: dict[str, Any] = dict(zip(FILTERS, values, strict=True))
        if reach == 1 and asked["days"]:
            continue  # with a longer reach they were beside each of the others
        if asked.pop("days"):
            asked |= {"since": "2026-03-10", "until": "2026-04-02"}
        asked["author"] = people.get(asked["author"], "")
        if reach == 1 and (asked["failures"] or not asked["text"]):
            continue  # a step for each task takes its time
        wanted = HistoryFilter(asked).wanted
        plain = list(filtered(Task.objects.order_by("-id"), wanted).values_list("pk", flat=True))
        assert pages(wanted) == plain, asked
        assert pages_back(wanted, 0) == plain, asked


def test_the_first_page_counts_what_passes_and_tells_how_far_back_it_looked(
    tasks: list[Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = HistoryFilter({"text": "valve"}).wanted
    whole = find(wanted, {}, SIZE)
    assert (whole.count, whole.searched_to) == (sum("valve" in task.name for task in tasks), None)
    monkeypatch.setattr(finding, "REACH", 30)
    part = find(wanted, {}, 50)
    looked_at = [task for task in tasks if task.pk > tasks[0].pk - 30]
    assert part.count == len(part.rows) == sum("valve" in task.name for task in looked_at)
    assert part.searched_to == looked_at[-1].created_at
    assert find(wanted, {"before": str(part.before)}, SIZE).count is None
    monkeypatch.setattr(finding, "MOST_COUNTED", 10)
    assert find(Wanted(), {}, SIZE).is_more_than_counted


def test_a_task_that_many_filters_let_pass_is_read_from_the_index_of_the_rarest(
    tasks: list[Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one step, however far back it is."""
    monkeypatch.setattr(finding, "FEW", 5)
    monkeypatch.setattr(finding, "REACH", 10)
    rare = tasks[-1]
    Task.objects.filter(pk=rare.pk).update(state=State.UNCONFIRMED)
    wanted = HistoryFilter(
        {"application": rare.application_id, "state": "UNCONFIRMED", "text": rare.name}
    ).wanted
    assert [task.pk for task in find(wanted, {}, SIZE).rows] == [rare.pk]


def test_a_clock_that_went_back_a_little_hides_no_task_from_a_day(operator: User) -> None:
    application = ApplicationFactory()
    times = [DAY + dt.timedelta(hours=hours) for hours in (30, 6, 29, 5, 31)]
    for at in times:
        TaskFactory(application=application, author=operator, created_at=at)
    found = find(HistoryFilter({"since": "2026-03-01", "until": "2026-03-01"}).wanted, {}, SIZE)
    assert sorted(task.created_at for task in found.rows) == sorted(times)[:2]


def test_the_rows_carry_what_the_list_shows_and_nothing_to_decrypt(tasks: list[Task]) -> None:
    with CaptureQueriesContext(connection) as queries:
        for task in find(Wanted(), {}, SIZE).rows:
            assert str(task.application)
            assert task.author.get_username()
            assert task.answered >= 0
    assert len(queries) == 3
    assert not [each["sql"] for each in queries if "request_body" in each["sql"] or "secret" in each["sql"]]
