"""Keep what the platform pushes: raw, durably, before it is answered. Nothing is parsed here."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db import connections, transaction
from django.utils import timezone

from tasks.models import Callback, Task
from tasks.models.callback import inbox

MOST_BYTES = 256 * 1024
"""The largest push that is kept; a larger one is not a command's answer."""

_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,64}")
# Databases refuse some texts outright (NUL, lone surrogates); one such token must not cost its neighbours.


@dataclass(frozen=True)
class Arrival:
    """A body that came to the address with this token."""

    token: str
    body: bytes
    remote_address: str = ""


def receive(arrivals: Sequence[Arrival]) -> list[int | None]:
    """Commit all arrivals in one transaction; for each, its task's id, or None for a token nobody has.

    Equal bodies for one task share a row. Raises what the database raises: then nothing may be answered 200.
    """
    tokens = {arrival.token for arrival in arrivals if _TOKEN.fullmatch(arrival.token)}
    tasks = dict(Task.objects.filter(callback_token__in=tokens).values_list("callback_token", "pk"))
    known = [
        (tasks[arrival.token], arrival.body, arrival.remote_address)
        for arrival in arrivals
        if arrival.token in tasks
    ]
    if known:
        with transaction.atomic(using=inbox()):
            _keep(known)
    return [tasks.get(arrival.token) for arrival in arrivals]


def _keep(known: Iterable[tuple[int, bytes, str]]) -> None:
    connection = connections[inbox()]
    table = connection.ops.quote_name(Callback._meta.db_table)
    now = timezone.now()
    seen = Counter((task_id, body) for task_id, body, _ in known)
    addresses = {(task_id, body): address for task_id, body, address in known}
    adapt = connection.ops.adapt_datetimefield_value
    with connection.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO {table} (task_id, body, body_sha256, remote_address, received_at, seen, state, problem)"  # noqa: S608
            " VALUES (%s, %s, %s, %s, %s, %s, %s, '')"
            " ON CONFLICT (task_id, body_sha256) DO UPDATE SET seen = "
            f"{table}.seen + excluded.seen",
            [
                (
                    task_id,
                    body,
                    hashlib.sha256(body).hexdigest(),
                    addresses[task_id, body][:64],
                    adapt(now),
                    count,
                    Callback.State.NEW,
                )
                for (task_id, body), count in seen.items()
            ],
        )
