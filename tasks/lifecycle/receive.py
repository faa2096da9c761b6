"""Keep what the platform pushes: raw, durably, before it is answered. Nothing is parsed here."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from functools import lru_cache
from itertools import chain
from typing import NamedTuple

from django.db import connections, transaction
from django.utils import timezone

from tasks import clock
from tasks.models import Callback, Task
from tasks.models.callback import inbox

MOST_BYTES = 256 * 1024
"""The largest push that is kept; a larger one is not a command's answer."""

LATEST = dt.timedelta(hours=72)
"""So long after a task's own time answers to it are still taken."""

REMEMBERED_SECONDS = 60
"""A token that was looked up is not looked up again for so long: the longest that a revoked one still opens."""

MOST_REMEMBERED = 10_000

ROWS = 1000
"""Rows of one statement: SQLite takes 32,766 values."""

refusals: Counter[str] = Counter()
"""Tokens that opened nothing since this process began: ``unknown`` and ``expired``."""

TOKEN = re.compile(r"[A-Za-z0-9_-]{1,64}")
# Databases refuse some texts outright (NUL, lone surrogates); one such token must not cost its neighbours.

_remembered: dict[str, tuple[int, float]] = {}


class Arrival(NamedTuple):
    """A body that came to the address with this token."""

    token: str
    body: bytes
    remote_address: str = ""


def receive(arrivals: Sequence[Arrival]) -> list[int | None]:
    """Commit all arrivals in one transaction; for each, its task's id, or None for a token that opens nothing.

    Equal bodies for one task share a row. Raises what the database raises: then nothing may be answered 200.
    """
    tasks = _tasks({arrival.token for arrival in arrivals})
    kept = [tasks.get(arrival.token) for arrival in arrivals]
    known = [(task, each) for task, each in zip(kept, arrivals, strict=True) if task is not None]
    if known:
        _keep(known)
    return kept


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
    columns = rows.values_list("callback_token", "pk", "finished_at", "submitted_at", "timeout", "revoked_at")
    now, valid, expired = clock.now(), {}, 0
    for token, pk, finished_at, submitted_at, timeout, revoked_at in columns:
        began = finished_at or submitted_at
        over = began is not None and began + dt.timedelta(minutes=timeout) + LATEST < now
        if over or revoked_at:
            expired += 1
        else:
            valid[token] = pk
    refusals["expired"] += expired
    refusals["unknown"] += len(tokens) - len(valid) - expired
    return valid


def _keep(known: list[tuple[int, Arrival]]) -> None:
    """One row for each body, in one statement: it is a transaction by itself, and leaves the interpreter to others."""
    seen = Counter((task_id, arrival.body) for task_id, arrival in known)
    addresses = {(task_id, arrival.body): arrival.remote_address for task_id, arrival in known}
    connection = connections[inbox()]
    now = connection.ops.adapt_datetimefield_value(timezone.now())
    rows = [
        (task_id, body, hashlib.sha256(body).hexdigest(), addresses[task_id, body][:64], now, count)
        for (task_id, body), count in seen.items()
    ]
    pieces = [rows[start : start + ROWS] for start in range(0, len(rows), ROWS)]
    together = transaction.atomic(using=connection.alias) if len(pieces) > 1 else nullcontext()
    with together, connection.cursor() as cursor:
        for piece in pieces:
            cursor.execute(_insert(len(piece)), list(chain.from_iterable(piece)))


@lru_cache(200)
def _insert(rows: int) -> str:
    table = connections[inbox()].ops.quote_name(Callback._meta.db_table)
    return (
        f"INSERT INTO {table}"  # noqa: S608
        " (task_id, body, body_sha256, remote_address, received_at, seen, state, problem) VALUES "
        + ", ".join([f"(%s, %s, %s, %s, %s, %s, '{Callback.State.NEW}', '')"] * rows)
        + f" ON CONFLICT (task_id, body_sha256) DO UPDATE SET seen = {table}.seen + excluded.seen"
    )
