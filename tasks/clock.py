"""The one clock that leases, due times and budgets are measured by: the database server's, where there is one."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from django.db import connection
from django.utils import timezone

_moment: ContextVar[dt.datetime | None] = ContextVar("moment", default=None)


def now() -> dt.datetime:
    """The time all processes agree on. With SQLite they share this machine's clock anyway."""
    if moment := _moment.get():
        return moment
    if connection.vendor != "postgresql":
        return timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        return cursor.fetchone()[0]


@contextmanager
def standing() -> Iterator[None]:
    """All within happens at one moment, so the server is asked once: for what only tells how things stand."""
    token = _moment.set(now())
    try:
        yield
    finally:
        _moment.reset(token)
