"""What a live page costs: progress of a task for a million devices beside one for a single device, the curve of a
task with every tally it can have beside one with sixty, and the same sums by GROUP BY. Server time, all middleware."""

from __future__ import annotations

import datetime as dt
import gc
import json
import time
from collections.abc import Callable

from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Sum
from django.db.models.functions import TruncHour
from django.test import Client
from django.utils import timezone

from dashboard.answers import answers_of
from tasks.models import Tally, Task
from tasks.platform.pushes import FINAL_STATUSES
from tests.bench.report import line, ratio, spread
from tests.factories import TaskFactory

ROUNDS = 30
BUCKETS = 2880 * 6


def run() -> None:
    connection.creation.create_test_db(verbosity=0)
    try:
        _measure()
    finally:
        connection.creation.destroy_test_db(":memory:", verbosity=0)


def _measure() -> None:
    client = Client(headers={"host": "127.0.0.1", "hx-request": "true"})
    client.force_login(User.objects.create_superuser("bench"))
    small, large = _task(1, 1), _task(1_000_000, BUCKETS)
    few = _task(1000, 60)

    def get(task: Task, part: str) -> Callable[[], object]:
        address = f"/tasks/{task.pk}/{part}"
        assert client.get(address).status_code == 200
        return lambda: client.get(address)

    ours, base = _turns(get(large, "progress/"), get(small, "progress/"))
    _row("progress, a million devices", ours, base, "beside one device", 10)
    ours, base = _turns(get(large, "answers/"), get(few, "answers/"))
    _row(f"pictures, {Tally.objects.filter(task=large).count():,} tallies", ours, base, "beside 60", None)
    now = timezone.now()
    ours, base = _turns(lambda: answers_of(large, now), lambda: _grouped(large))
    _row("their sums alone", ours, base, "beside GROUP BY hour, status", 20)


def _task(devices: int, buckets: int) -> Task:
    sent = timezone.now() - dt.timedelta(minutes=2880)
    task = TaskFactory(
        state="RUNNING",
        submitted_at=sent,
        timeout=2880,
        expected=devices,
        counts={"": devices},
        devices=["x"],
    )
    body = json.loads(task.request_body)
    body["param"]["deviceList"] = [f"{number:036}" for number in range(devices)]
    Task.objects.filter(pk=task.pk).update(request_body=json.dumps(body))
    start = sent.replace(second=0, microsecond=0)
    rows = (
        Tally(task=task, at=start + dt.timedelta(seconds=10 * number), status=status, count=3)
        for number in range(buckets)
        for status in sorted(FINAL_STATUSES)
    )
    Tally.objects.bulk_create(rows, batch_size=5000)
    return task


def _grouped(task: Task) -> object:
    hours = Tally.objects.filter(task=task).annotate(hour=TruncHour("at")).order_by()
    return list(hours.values_list("hour", "status").annotate(Sum("count")))


def _turns(first: Callable[[], object], second: Callable[[], object]) -> tuple[list[float], list[float]]:
    """Milliseconds of both, in turns."""
    spent: tuple[list[float], list[float]] = ([], [])
    gc.collect()
    for _ in range(ROUNDS):
        for act, into in zip((first, second), spent, strict=True):
            began = time.perf_counter()
            act()
            into.append((time.perf_counter() - began) * 1000)
    return spent


def _row(what: str, ours: list[float], base: list[float], beside: str, goal: float | None) -> None:
    middle = sorted(ours)[len(ours) // 2]
    met = None if goal is None else middle < goal
    line(what, spread(ours, " ms"), "" if goal is None else f"under {goal:g} ms", met=met)
    line(f"  {beside}", spread(base, " ms"), f"ratio {ratio(ours, base):.2f}")
