"""When the devices of a task answered, summed up from its tallies: columns of time, and times to answer.

One query sums every range that a picture needs. Each range is walked in the index alone, so that a task with all the
tallies it can have (17,280 buckets of every final status) takes milliseconds; grouping the rows would sort them first.
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

from django.db import connection

from dashboard import charts
from tasks.models import Tally, Task
from tasks.models.tally import SECONDS
from tasks.states import State

MOST_COLUMNS = 60

SIGHT = 0.25
"""A deadline so far beyond the last answer, as a part of the time so far, is still drawn."""

BINS: tuple[tuple[int, str], ...] = (
    (10, "10 s"),
    (30, "30 s"),
    (60, "1 min"),
    (300, "5 min"),
    (900, "15 min"),
    (3600, "1 h"),
    (6 * 3600, "6 h"),
    (86400, "1 day"),
    (2 * 86400, "2 days"),
)
"""Upper ends of the times to answer."""

RECENTLY = dt.timedelta(minutes=5)
FEW = 20
"""So few answers tell no pace."""


@dataclass(frozen=True)
class Column:
    """Answers from ``start`` until ``end``, and all answers until then."""

    start: dt.datetime
    end: dt.datetime
    successful: int
    others: int
    so_far: int

    @property
    def count(self) -> int:
        return self.successful + self.others


@dataclass(frozen=True)
class Bin:
    """Devices that spoke within this time and not within the one before."""

    words: str
    count: int


@dataclass(frozen=True)
class Answers:
    """Everything that is drawn and said of a task's final answers; there is at least one.

    ``spoke`` counts those that came from the device itself; only their times say how long devices take, since
    TIMEOUT and EXPIRED come from the platform's clock.
    """

    total: int
    step: dt.timedelta
    columns: list[Column]
    spoke: int
    bins: list[Bin]
    half_within: dt.timedelta
    most_within: dt.timedelta
    before: int
    recent: int

    @property
    def highest(self) -> Column:
        return max(self.columns, key=lambda column: column.count)

    @property
    def last(self) -> Column:
        return next(column for column in reversed(self.columns) if column.count)

    @property
    def per_minute(self) -> float | None:
        """The pace of the last minutes; None when it was not about as fast in the minutes before."""
        if min(self.before, self.recent) < FEW or not 0.5 <= self.recent / self.before <= 2:
            return None
        return self.recent / (RECENTLY.total_seconds() / 60)


def answers_of(task: Task, now: dt.datetime) -> Answers | None:
    """Two queries, whatever the size of the task; None while nobody has answered."""
    last = Tally.objects.filter(task=task).order_by("-at").values_list("at", flat=True).first()
    if last is None or task.submitted_at is None:
        return None
    start = charts.floor(task.submitted_at, SECONDS)
    end = max(last + dt.timedelta(seconds=SECONDS), start + dt.timedelta(minutes=1))
    over = end
    if task.state == State.RUNNING:
        over = max(over, now)
    if task.deadline and task.deadline <= over + SIGHT * (over - start):
        over = max(over, task.deadline)
    seconds = charts.step_for((over - start).total_seconds(), MOST_COLUMNS)
    step = dt.timedelta(seconds=seconds)
    edges = [charts.floor(start, seconds)]
    while edges[-1] < over:
        edges.append(edges[-1] + step)
    bounds = [start + dt.timedelta(seconds=upper) for upper, _ in BINS]
    cuts = sorted({*edges[1:], *(bound for bound in bounds if bound < edges[-1])})
    recent = [(now - 2 * RECENTLY, now - RECENTLY), (now - RECENTLY, now + RECENTLY)]
    summed = _sums(task, [*pairwise([edges[0] - FOREVER, *cuts]), *recent])
    ranges, (before, after) = summed[:-2], summed[-2:]
    so_far, well, failed = (list(accumulate(column)) for column in zip(*ranges, strict=True))
    if not so_far[-1]:
        return None
    spoke = [good + bad for good, bad in zip(well, failed, strict=True)]
    place = {cut: number for number, cut in enumerate(cuts)}

    def until(sums: list[int], moment: dt.datetime) -> int:
        return sums[place[moment]] if moment in place else 0 if moment <= edges[0] else sums[-1]

    def within(part: float) -> dt.timedelta:
        return min(cuts[bisect_left(spoke, part * spoke[-1])], end) - start

    columns = []
    for first, until_then in pairwise(edges):
        successful = until(well, until_then) - until(well, first)
        count = until(so_far, until_then) - until(so_far, first)
        columns.append(Column(first, until_then, successful, count - successful, until(so_far, until_then)))
    return Answers(
        total=so_far[-1],
        step=step,
        columns=columns,
        spoke=spoke[-1],
        bins=_bins([until(spoke, bound) for bound in bounds], spoke[-1]),
        half_within=within(0.5),
        most_within=within(0.9),
        before=before[0],
        recent=after[0],
    )


FOREVER = dt.timedelta(days=3650)
"""Answers that came before the task was known to be sent belong into the first column."""


def _bins(until: Sequence[int], total: int) -> list[Bin]:
    """From the shortest time to the longest that some device took."""
    names = [words for _, words in BINS]
    labels = [
        f"up to {names[0]}",
        *(f"{low} to {high}" for low, high in pairwise(names)),
        f"more than {names[-1]}",
    ]
    found = [
        Bin(label, upper - lower)
        for label, (lower, upper) in zip(labels, pairwise([0, *until, total]), strict=True)
    ]
    while found and not found[-1].count:
        found.pop()
    return found


ONE = (
    "SELECT %s, COALESCE(SUM(count), 0), COALESCE(SUM(CASE WHEN status = 'SUCCESSFUL' THEN count END), 0),"
    " COALESCE(SUM(CASE WHEN status = 'FAILED' THEN count END), 0)"
    " FROM tasks_tally WHERE task_id = %s AND at >= %s AND at < %s"
)


def _sums(task: Task, ranges: Sequence[tuple[dt.datetime, dt.datetime]]) -> list[tuple[int, int, int]]:
    """For each range of time its final answers, and how many of them were SUCCESSFUL and FAILED."""
    stored = connection.ops.adapt_datetimefield_value
    values: list[Any] = []
    for number, (first, end) in enumerate(ranges):
        values += [number, task.pk, stored(first), stored(end)]
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join([ONE] * len(ranges)), values)
        return [(int(all_), int(good), int(bad)) for _, all_, good, bad in sorted(cursor.fetchall())]
