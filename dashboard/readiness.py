"""Can this process do its work? Each dependency is asked in a thread, side by side, and none for long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from tasks.lifecycle import health
from tasks.models import Heartbeat

SECONDS = 1.5
"""A check that takes longer has failed. They run side by side."""

FRESH_SECONDS = 1.0
"""So long an answer serves everybody: whoever asks often costs nothing."""


@dataclass(frozen=True)
class Check:
    """What was asked, what is wrong with it ("" when nothing is), and how long it took."""

    name: str
    problem: str
    seconds: float


@dataclass
class _Latest:
    lock: threading.Lock = field(default_factory=threading.Lock)
    made: float = float("-inf")
    checks: list[Check] = field(default_factory=list)


def readiness() -> list[Check]:
    """The checks of this moment, or of the second before it."""
    with _latest.lock:
        if time.monotonic() - _latest.made > FRESH_SECONDS:
            _latest.checks = _asked()
            _latest.made = time.monotonic()
        return _latest.checks


def _asked() -> list[Check]:
    began = time.monotonic()
    asked = [(name, _pool.submit(_ask, check)) for name, check in CHECKS.items()]
    return [_check(name, future, began) for name, future in asked]


def _check(name: str, future: Future[tuple[str, float]], began: float) -> Check:
    try:
        return Check(name, *future.result(max(began + SECONDS - time.monotonic(), 0)))
    except TimeoutError:
        future.cancel()
        return Check(name, f"no answer within {SECONDS} s", time.monotonic() - began)


def _ask(check: Callable[[], str]) -> tuple[str, float]:
    began = time.monotonic()
    try:
        problem = check()
    except Exception as error:
        problem = f"{type(error).__name__}: {error}"[:300]
    finally:
        connection.close()
    return problem, time.monotonic() - began


def _database() -> str:
    health.beat(Heartbeat.WEB)
    return ""


def _migrations() -> str:
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return f"{len(plan)} not applied: run manage.py migrate" if plan else ""


def _worker() -> str:
    seen = health.worker_seen()
    if not health.is_gone(seen):
        return ""
    return f"none has looked for work since {seen:%Y-%m-%d %H:%M:%S} UTC" if seen else "none was ever seen"


def _settling() -> str:
    lag = health.settling_lag()
    return f"the oldest push waits for {lag.total_seconds():.0f} s" if lag > health.LAG else ""


CHECKS: dict[str, Callable[[], str]] = {
    "database": _database,
    "migrations": _migrations,
    "worker": _worker,
    "settling": _settling,
}

_pool = ThreadPoolExecutor(len(CHECKS), thread_name_prefix="readiness")
_latest = _Latest()
