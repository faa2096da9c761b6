"""Keep what the platform pushes: raw, durably, before it is answered. Nothing is parsed here."""

from __future__ import annotations

import datetime as dt
import re
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from functools import lru_cache
from itertools import chain
from typing import Any, NamedTuple

from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone

from tasks import clock
from tasks.models import Task, Transition
from tasks.models.callback import inbox

MOST_BYTES = 256 * 1024
"""The largest push that is kept; a larger one is not a command's answer."""

LATEST = dt.timedelta(hours=72)
"""So long after a task's own time answers to it are still taken."""

REMEMBERED_SECONDS = 60
"""A token that was looked up is not looked up again for so long: the longest that a revoked one still opens."""

MOST_REMEMBERED = 10_000

MOST_RECENT = 100_000
"""So many bodies this process knows to have kept: one that comes again is counted, and not kept again."""

ROWS = 1000
"""Rows of one statement: SQLite takes 32,766 values."""

refusals: Counter[str] = Counter()
"""Tokens that opened nothing since this process began: ``unknown`` and ``expired``."""

TOKEN = re.compile(r"[A-Za-z0-9_-]{1,64}")
# Databases refuse some texts outright (NUL, lone surrogates); one such token must not cost its neighbours.

_remembered: dict[str, tuple[int, float]] = {}

_recent: dict[int, Any] = {}
# Hash of task and body -> when it was kept. A hash that two bodies share costs a look, never a body.


class Arrival(NamedTuple):
    """A body that came to the address with this token."""

    token: str
    body: bytes
    remote_address: str = ""


def receive(arrivals: Sequence[Arrival]) -> list[int | None]:
    """Commit all arrivals in one transaction; for each, its task's id, or None for a token that opens nothing.

    A body that came to the task lately shares the row of the first. Raises what the database raises: then nothing
    may be answered 200.
    """
    tasks = _tasks({arrival.token for arrival in arrivals})
    kept = [tasks.get(arrival.token) for arrival in arrivals]
    known = [(task, each) for task, each in zip(kept, arrivals, strict=True) if task is not None]
    if known:
        _keep(known)
    return kept


def revoke(task: Task) -> None:
    """Take nothing more at the task's address: its secret may be known to others. Kept like a change of state."""
    with transaction.atomic():
        if Task.objects.filter(pk=task.pk, revoked_at=None).update(revoked_at=clock.now()):
            reason = "its callback address was revoked: no push is taken any more"
            Transition.objects.create(task=task, from_state=task.state, to_state=task.state, reason=reason)


def forget() -> None:
    """Look every token up again."""
    _remembered.clear()


def _tasks(tokens: Iterable[str]) -> dict[str, int]:
    """Token -> task. A token never changes its task, so it is remembered; one that opens nothing is not."""
    now = time.monotonic()
    tasks, unseen = {}, []
    for token in tokens:
        task_id, until = _remembered.get(token, (0, 0.0))
        if until > now:
            tasks[token] = task_id
        else:
            unseen.append(token)
    if unseen:
        found = _look_up(unseen)
        if len(_remembered) + len(found) > MOST_REMEMBERED:
            _remembered.clear()
        _remembered.update({token: (pk, now + REMEMBERED_SECONDS) for token, pk in found.items()})
        tasks |= found
    return tasks


def _look_up(tokens: list[str]) -> dict[str, int]:
    rows = Task.objects.filter(callback_token__in=[token for token in tokens if TOKEN.fullmatch(token)])
    columns = "callback_token", "pk", "finished_at", "submitted_at", "timeout", "revoked_at"
    found = list(rows.values_list(*columns))
    valid: dict[str, int] = {}
    if not found:
        refusals["unknown"] += len(tokens)
        return valid
    expired, now = 0, clock.now()
    for token, pk, finished_at, submitted_at, timeout, revoked_at in found:
        began = finished_at or submitted_at
        over = began is not None and began + dt.timedelta(minutes=timeout) + LATEST < now
        if over or revoked_at:
            expired += 1
        elif token:
            valid[token] = pk
    refusals["expired"] += expired
    refusals["unknown"] += len(tokens) - len(valid) - expired
    return valid


def _keep(known: list[tuple[int, Arrival]]) -> None:
    """One row for each body, in one statement: it is a transaction by itself, and leaves the interpreter to others."""
    connection = connections[inbox()]
    now = connection.ops.adapt_datetimefield_value(timezone.now())
    rows: dict[tuple[int, bytes], list[Any]] = {}
    for task_id, (_, body, address) in known:
        if row := rows.get((task_id, body)):
            row[-1] += 1
        else:
            rows[task_id, body] = [task_id, body, address[:64], now, 1]
    repeated = [key for key in rows if hash(key) in _recent]
    insert = _insert_arrays if connection.vendor == "postgresql" else _insert_rows
    with transaction.atomic(using=connection.alias) if repeated or len(rows) > ROWS else nullcontext():
        for key in repeated:
            if _count_again(connection, rows[key], _recent[hash(key)]):
                del rows[key]
        kept = list(rows.values())
        for start in range(0, len(kept), ROWS):
            insert(connection, kept[start : start + ROWS])
    if len(_recent) + len(rows) > MOST_RECENT:
        _recent.clear()
    _recent.update((hash(key), now) for key in rows)


def _count_again(connection: BaseDatabaseWrapper, row: list[Any], kept_at: Any) -> bool:
    """False when there is no such row: it was pruned, or another body has the same hash."""
    task_id, body, *_, seen = row
    with connection.cursor() as cursor:
        cursor.execute(AGAIN, [seen, kept_at, task_id, body])
        return cursor.rowcount > 0


AGAIN = "UPDATE tasks_callback SET seen = seen + %s WHERE received_at = %s AND task_id = %s AND body = %s"

COLUMNS = "task_id, body, remote_address, received_at, seen, state, problem"


def _insert_rows(connection: BaseDatabaseWrapper, rows: list[list[Any]]) -> None:
    """The driver's own statement: with a hundred values, translating it for every commit costs as much as parsing."""
    connection.ensure_connection()
    with connection.wrap_database_errors:
        connection.connection.execute(_statement(len(rows)), list(chain.from_iterable(rows)))


@lru_cache(100)
def _statement(rows: int) -> str:
    values = ", ".join(["(?, ?, ?, ?, ?, 'NEW', '')"] * rows)
    return f"INSERT INTO tasks_callback ({COLUMNS}) VALUES {values}"  # noqa: S608


def _insert_arrays(connection: BaseDatabaseWrapper, rows: list[list[Any]]) -> None:
    """A binary array for each column takes a quarter of the time that values written out as text take."""
    from psycopg import Cursor

    connection.ensure_connection()
    with connection.wrap_database_errors, Cursor(connection.connection) as cursor:
        cursor.execute(ARRAYS, [list(column) for column in zip(*rows, strict=True)])


ARRAYS = (
    f"INSERT INTO tasks_callback ({COLUMNS}) SELECT *, 'NEW', '' FROM unnest(%b::bigint[], %b::bytea[], %b::text[],"  # noqa: S608
    " %b::timestamptz[], %b::int[])"
)
