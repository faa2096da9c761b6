"""Find tasks by several filters, newest first, at a cost that does not grow with the history.

One filter alone is answered from its own index. Of several, databases may begin with the wrong one and read a
million rows: here it is decided which index is read. Where every filter lets many tasks pass, ``REACH`` entries of the
index ``task_facets`` are read at a time, and the page says how far back it has searched.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import IntegerField, Max, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from dashboard.paging import MOST_COUNTED, Page, number
from tasks.models import Task

FEW = 10_000
"""Up to so many tasks are read one by one."""

REACH = 100_000
"""Tasks that one page searches through at the most; half as many where SQLite must look into the table itself."""

SLACK = dt.timedelta(days=1)
"""Ids follow the clock, but for clocks that differ by less than this."""


@dataclass(frozen=True)
class Wanted:
    """``exact``: indexed column -> the values that pass. ``others`` are read from ``task_facets``."""

    exact: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    others: Q = field(default_factory=Q)
    failures: bool = False
    since: dt.datetime | None = None
    until: dt.datetime | None = None

    @property
    def all_others(self) -> Q:
        return self.others & Q(has_failures=True) if self.failures else self.others


@dataclass(frozen=True)
class Found(Page):
    """``count`` is known on the first page only; ``searched_to`` is set when older tasks were not looked at."""

    count: int | None = None
    searched_to: dt.datetime | None = None

    @property
    def is_more_than_counted(self) -> bool:
        return self.count is not None and self.count > MOST_COUNTED


def find(wanted: Wanted, asked: Mapping[str, str], size: int) -> Found:
    """The page of tasks that ``asked`` (``before`` or ``after``) names; a wrong id gives the first one."""
    before, after = number(asked.get("before")), number(asked.get("after"))
    whole = span = _span(wanted)
    if after is not None:
        span = range(max(span.start, after + 1), span.stop)
    elif before is not None:
        span = range(span.start, min(span.stop, before))
    tasks, is_bounded = _passing(wanted, span)
    upwards = after is not None
    looked_at = span
    if not is_bounded:
        reach = max(REACH // 2, 1) if wanted.failures else REACH
        stop = min(span.stop, span.start + reach) if upwards else span.stop
        looked_at = range(span.start if upwards else max(span.start, span.stop - reach), stop)
    most = MOST_COUNTED if span == whole else size
    ids = list(
        _within(tasks, looked_at)
        .order_by("id" if upwards else "-id")
        .values_list("pk", flat=True)[: most + 1]
    )
    there_is_more = len(ids) > size
    edge = (looked_at.stop - 1 if upwards else looked_at.start) if looked_at != span else None
    """The last task that was looked at, when there are others behind it."""
    shown = sorted(ids[:size], reverse=True)
    onward = ids[size - 1] if there_is_more else edge
    newer: int | None
    older: int | None
    if upwards:
        newer, older = onward, shown[-1] if shown else span.start
    elif span == whole:
        newer, older = None, onward
    else:
        newer, older = shown[0] if shown else span.stop - 1, onward
    # One statement whatever was found, and with the edge when there is one.
    read = list(Task.objects.for_lists().filter(pk__in={*shown, edge or span.start}).order_by("-id"))
    return Found(
        rows=[task for task in read if task.pk in shown],
        before=older,
        after=newer,
        is_first=newer is None,
        count=len(ids) if span == whole else None,
        searched_to=_composed(edge, read) if edge is not None and not there_is_more else None,
    )


def filtered(tasks: QuerySet[Task], wanted: Wanted) -> QuerySet[Task]:
    """All of ``tasks`` that pass, for readers of the whole history."""
    tasks = tasks.filter(
        wanted.all_others, **{f"{column}__in": values for column, values in wanted.exact.items()}
    )
    if wanted.since:
        tasks = tasks.filter(created_at__gte=wanted.since)
    if wanted.until:
        tasks = tasks.filter(created_at__lt=wanted.until)
    return _within(tasks, _span(wanted)) if wanted.since or wanted.until else tasks


def _span(wanted: Wanted) -> range:
    """The ids that tasks of the wanted time can have."""
    first, last = 1, Task.objects.aggregate(newest=Max("pk"))["newest"] or 0
    ids = Task.objects.values_list("pk", flat=True)
    if wanted.since:
        earlier = ids.filter(created_at__lt=wanted.since - SLACK)
        first = next(iter(earlier.order_by("-created_at")[:1]), 0) + 1
    if wanted.until:
        later = ids.filter(created_at__gte=wanted.until + SLACK)
        last = next(iter(later.order_by("created_at")[:1]), last + 1) - 1
    return range(first, last + 1)


def _passing(wanted: Wanted, span: range) -> tuple[QuerySet[Task], bool]:
    """The tasks that pass, and whether the index they are read from holds few others."""
    exact = dict(wanted.exact)
    tasks = Task.objects.all()
    begin = next(iter(exact), None) if len(exact) == 1 and not wanted.all_others else _rarest(exact, span)
    if begin:
        tasks = tasks.filter(**{f"{begin}__in": exact.pop(begin)})
    # Wrapped, so that no database takes the index of one of these columns instead.
    names = [*exact, "created_at"]
    tasks = tasks.alias(**{f"own_{name}": Coalesce(name, name) for name in names}).filter(wanted.all_others)
    tasks = tasks.filter(**{f"own_{column}__in": values for column, values in exact.items()})
    times = {"own_created_at__gte": wanted.since, "own_created_at__lt": wanted.until}
    tasks = tasks.filter(**{lookup: moment for lookup, moment in times.items() if moment})
    return tasks, bool(begin) or not (exact or wanted.all_others)


def _rarest(exact: Mapping[str, Sequence[Any]], span: range) -> str | None:
    """The first filter that few tasks pass; all are counted in one query."""
    some = (
        _within(Task.objects.filter(**{f"{column}__in": values}), span) for column, values in exact.items()
    )
    counts = [_Counted(tasks.order_by().values("pk")[: FEW + 1]) for tasks in some]
    found = Task.objects.order_by().values_list(*counts)[:1] if counts else ()
    return next(
        (column for row in found for column, count in zip(exact, row, strict=True) if count <= FEW), None
    )


class _Counted(Subquery):
    """How many rows a query has."""

    template = "(SELECT COUNT(*) FROM (%(subquery)s) AS counted)"
    output_field = IntegerField()


def _within(tasks: QuerySet[Task], ids: range) -> QuerySet[Task]:
    return tasks.filter(pk__gte=ids.start, pk__lt=ids.stop)


def _composed(task_id: int, read: Sequence[Task]) -> dt.datetime | None:
    """When the task was composed; when it is no more, the next one."""
    if known := next((task.created_at for task in read if task.pk == task_id), None):
        return known
    return Task.objects.filter(pk__gte=task_id).order_by("pk").values_list("created_at", flat=True).first()
