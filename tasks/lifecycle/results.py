"""Merge what is observed of devices into their results: order-free and duplicate-free, with all that is counted."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any

from django.db import connection

from tasks.models import Result, Task
from tasks.models.tally import SECONDS, Tally
from tasks.targets import TargetType

from . import bulk
from .findings import Finding, Observation, finding, join, naive
from .shares import COLUMNS, Share, columns_of, settled

__all__ = ["News", "Observation", "apply", "merge", "reduced"]

News = dict[str, dict[str, Finding]]
"""Device -> command -> what is new of it."""


def apply(task: Task, observations: Iterable[Observation]) -> None:
    """Merge ``observations`` into the task's results, counts and tallies. Call with the task's row locked."""
    merge(task, reduced(observations))


def reduced(observations: Iterable[Observation]) -> News:
    """What the observations amount to. No lock is needed for it."""
    news: News = defaultdict(dict)
    for seen in observations:
        of_device, found = news[seen.device_id], finding(seen)
        known = of_device.get(seen.command_id)
        of_device[seen.command_id] = join(known, found) if known else found
    return news


def merge(task: Task, news: News) -> None:
    """Merge into the task's results, counts and tallies; without effect when they already are.

    Call with the task's row locked. Only what changes is written, and only its changed columns: a database then
    leaves the indexes of all others alone.
    """
    if not news or task.results_pruned_at:
        return
    by_list = task.target_type == TargetType.DEVICE_LIST
    before = _read(task, sorted(news))
    after = [
        share
        for device_id, of_device in news.items()
        for share in settled(before.get(device_id, ()), device_id, of_device, by_list=by_list)
    ]
    _write(task, [share for shares in before.values() for share in shares], after)


def _read(task: Task, device_ids: list[str]) -> dict[str, Sequence[Share]]:
    """The shares of these devices, as tuples: making model instances would take longer than all the rest."""
    those, parameter = bulk.among("device_id", device_ids, connection)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id, device_id, {_columns()} FROM {Result._meta.db_table}"  # noqa: S608
            f" WHERE task_id = %s AND {those} ORDER BY device_id, id",
            [task.pk, parameter],
        )
        shares = [
            Share(pk, device_id, command_id, unexpected, anonymous, _finding(*rest))
            for pk, device_id, command_id, unexpected, anonymous, *rest in cursor.fetchall()
        ]
    return {device_id: list(group) for device_id, group in groupby(shares, attrgetter("device_id"))}


def _columns() -> str:
    """PostgreSQL's times without a zone, as they are wanted: with one, each is read by code of Python's."""
    if connection.vendor != "postgresql":
        return ", ".join(COLUMNS)
    return ", ".join([*COLUMNS[:-3], *(f"{name} AT TIME ZONE 'UTC'" for name in COLUMNS[-3:])])


def _finding(*columns: Any) -> Finding:
    """A finding as it was kept; its last three columns are times."""
    return Finding(*columns[:-3], *map(naive, columns[-3:]))


def _write(task: Task, before: Sequence[Share], after: Sequence[Share]) -> None:
    kept = {share.id for share in after}
    if merged := [share.id for share in before if share.id and share.id not in kept]:
        task.results.filter(pk__in=merged).delete()
    new = [share for share in after if share.id is None]
    bulk.insert(
        Result,
        ("task_id", "device_id", *COLUMNS),
        [(task.pk, share.device_id, *columns_of(share)) for share in new],
    )
    for columns, rows in _changes(before, after).items():
        bulk.update(Result, columns, sorted(rows, key=lambda row: row[-1]))

    changes = _counted(after)
    changes.subtract(_counted(before))
    if any(changes.values()):
        counts = Counter(task.counts)
        for (status, _), change in changes.items():
            counts[status] += change
        task.counts = {status: count for status, count in counts.items() if count}
        task.save(update_fields=["counts"])
        _tally(task, changes)


def _changes(before: Sequence[Share], after: Sequence[Share]) -> dict[tuple[str, ...], list[tuple[Any, ...]]]:
    """The changed rows by which of their columns are to be written.

    PostgreSQL writes a row anew with all that points to it, so there it is all columns: one statement, not twelve.
    """
    together = connection.vendor == "postgresql"
    was = {share.id: share for share in before}
    changes: dict[tuple[str, ...], list[tuple[Any, ...]]] = defaultdict(list)
    for share in after:
        old = was.get(share.id)
        if old is None or old == share:
            continue
        differing = [
            (column, value)
            for column, value, kept in zip(COLUMNS, columns_of(share), columns_of(old), strict=True)
            if together or value != kept
        ]
        columns, values = zip(*differing, strict=True)
        changes[columns].append((*values, share.id))
    return changes


def _counted(shares: Iterable[Share]) -> Counter[tuple[str, dt.datetime | None]]:
    """How many shares that count have this status and finished within the same bucket."""
    return Counter(
        (share.finding.status, share.finding.finished_at and _bucket(share.finding.finished_at))
        for share in shares
        if not share.unexpected
    )


def _bucket(at: dt.datetime) -> dt.datetime:
    return at.replace(second=at.second // SECONDS * SECONDS, microsecond=0, tzinfo=dt.UTC)


def _tally(task: Task, changes: Counter[tuple[str, dt.datetime | None]]) -> None:
    moved = {(at, status): change for (status, at), change in changes.items() if at and change}
    known = {(tally.at, tally.status): tally for tally in task.tallies.filter(at__in={at for at, _ in moved})}
    for (at, status), change in moved.items():
        known.setdefault((at, status), Tally(task=task, at=at, status=status, count=0)).count += change
    tallies = [known[key] for key in moved]
    task.tallies.filter(pk__in=[tally.pk for tally in tallies if tally.pk and not tally.count]).delete()
    Tally.objects.bulk_create([tally for tally in tallies if tally.pk is None])
    Tally.objects.bulk_update(
        [tally for tally in tallies if tally.pk and tally.count], ["count"], batch_size=500
    )
