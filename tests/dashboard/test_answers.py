"""The curve and the histogram say what the tallies say, in two queries, whatever the size of the task."""

import datetime as dt

import pytest
from django.utils import timezone

from dashboard.answers import answers_of
from tasks.models import Tally, Task
from tasks.states import State
from tests.factories import TallyFactory, TaskFactory

pytestmark = pytest.mark.django_db

SENT = dt.datetime(2026, 11, 24, 13, 0, 4, tzinfo=dt.UTC)


def answered(*tallies: tuple[int, str, int], **columns: object) -> Task:
    """A complete task with its tallies as (seconds after the bucket in which it was sent, status, count)."""
    task = TaskFactory(**{"state": State.COMPLETE, "submitted_at": SENT, "timeout": 60} | columns)
    for seconds, status, count in tallies:
        at = SENT.replace(second=0) + dt.timedelta(seconds=seconds)
        TallyFactory(task=task, at=at, status=status, count=count)
    return task


def test_a_task_without_answers_has_no_pictures() -> None:
    assert answers_of(answered(), timezone.now()) is None
    assert answers_of(TaskFactory(), timezone.now()) is None


def test_columns_hold_every_answer_once_and_add_up() -> None:
    task = answered((0, "SUCCESSFUL", 5), (10, "SUCCESSFUL", 7), (10, "FAILED", 2), (50, "TIMEOUT", 1))
    TallyFactory(at=SENT, count=99)  # of another task
    found = answers_of(task, timezone.now())
    assert found is not None
    assert found.step == dt.timedelta(seconds=10)
    assert [(each.successful, each.others) for each in found.columns] == [
        (5, 0), (7, 2), (0, 0), (0, 0), (0, 0), (0, 1)
    ]  # fmt: skip
    assert [each.so_far for each in found.columns] == [5, 14, 14, 14, 14, 15]
    assert (found.total, found.spoke) == (15, 14)
    assert found.highest.count == 9
    assert found.last.end == SENT.replace(minute=1, second=0)


def test_an_answer_from_before_the_task_was_known_to_be_sent_is_in_the_first_column() -> None:
    found = answers_of(answered((-3600, "SUCCESSFUL", 3), (20, "SUCCESSFUL", 1)), timezone.now())
    assert found is not None
    assert (found.columns[0].count, found.total) == (3, 4)
    assert found.bins[0].count == 3


@pytest.mark.parametrize("hours", [0.01, 0.3, 2, 26, 48, 24 * 90, 24 * 365 * 4])
def test_there_are_about_sixty_columns_at_most_however_late_the_last_answer(hours: float) -> None:
    task = answered((0, "SUCCESSFUL", 1), (int(hours * 360) * 10, "SUCCESSFUL", 1))
    found = answers_of(task, timezone.now())
    assert found is not None
    assert 2 <= len(found.columns) <= 62
    assert sum(each.count for each in found.columns) == found.total == 2
    assert sum(each.count for each in found.bins) == 2


def test_times_to_answer_are_sorted_into_their_bins() -> None:
    found = answers_of(
        answered((0, "SUCCESSFUL", 1), (10, "FAILED", 2), (40, "SUCCESSFUL", 3), (240, "SUCCESSFUL", 4)),
        timezone.now(),
    )
    assert found is not None
    assert [(each.words, each.count) for each in found.bins] == [
        ("up to 10 s", 1), ("10 s to 30 s", 2), ("30 s to 1 min", 3), ("1 min to 5 min", 4)
    ]  # fmt: skip
    assert found.half_within == dt.timedelta(seconds=50)
    assert found.most_within == dt.timedelta(seconds=250)


def test_the_platforms_clock_says_nothing_of_how_long_devices_take() -> None:
    found = answers_of(answered((20, "SUCCESSFUL", 10), (3600, "TIMEOUT", 90)), timezone.now())
    assert found is not None
    assert [(each.words, each.count) for each in found.bins] == [("up to 10 s", 0), ("10 s to 30 s", 10)]
    assert found.most_within == dt.timedelta(seconds=30)
    silent = answers_of(answered((3600, "TIMEOUT", 90)), timezone.now())
    assert silent is not None
    assert (silent.bins, silent.total) == ([], 90)


def test_a_deadline_within_sight_belongs_to_the_picture() -> None:
    near = answers_of(answered((3000, "SUCCESSFUL", 1)), timezone.now())
    far = answers_of(answered((600, "SUCCESSFUL", 1)), timezone.now())
    assert near is not None
    assert far is not None
    deadline = SENT + dt.timedelta(minutes=60)
    assert near.columns[-1].end >= deadline
    assert far.columns[-1].end < deadline


def test_the_picture_of_a_running_task_ends_now() -> None:
    now = SENT + dt.timedelta(minutes=20)
    found = answers_of(answered((30, "SUCCESSFUL", 1), state=State.RUNNING), now)
    assert found is not None
    assert found.columns[-1].end >= now


@pytest.mark.parametrize(
    ("before", "recent", "pace"), [(100, 110, 22), (100, 500, None), (500, 100, None), (5, 5, None)]
)
def test_only_a_steady_pace_is_named(before: int, recent: int, pace: float | None) -> None:
    now = SENT + dt.timedelta(minutes=30)
    task = answered((60 * 23, "SUCCESSFUL", before), (60 * 28, "FAILED", recent), state=State.RUNNING)
    found = answers_of(task, now)
    assert found is not None
    assert found.per_minute == pace


def test_two_queries_whatever_the_size(django_assert_num_queries) -> None:
    task = answered((0, "SUCCESSFUL", 1))
    with django_assert_num_queries(2):
        answers_of(task, timezone.now())
    start = SENT.replace(second=0)
    Tally.objects.bulk_create(
        Tally(task=task, at=start + dt.timedelta(seconds=10 * n), status="FAILED", count=2)
        for n in range(3000)
    )
    with django_assert_num_queries(2):
        found = answers_of(task, timezone.now())
    assert found is not None
    assert found.total == 6001
