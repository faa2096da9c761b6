"""What each index of Result costs: listing a task's devices, and settling their final answers, with and without it.

The rows come in the order of the list, the answers in any order, 10,000 to a transaction, as settling does it.
"""

from __future__ import annotations

import datetime as dt
import json
import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from tasks.models import Application, Result
from tests.bench.fleet import load, opened, using
from tests.bench.report import line
from tests.factories import TaskFactory

DEVICES = 100_000
BATCH = 10_000
ROUNDS = 3


def run() -> None:
    if not settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"):
        line("indexes of Result", "measured on SQLite only")
        return
    with tempfile.TemporaryDirectory(prefix="muster-bench-indexes-") as folder:
        wrapper = opened(str(Path(folder) / "muster.sqlite3"))
        with using(wrapper):
            call_command("migrate", verbosity=0)
            Application.objects.create(name="Plant", url="http://127.0.0.1:9", app_id="a", secret="")
            names = [index.name for index in Result._meta.indexes]
            times: dict[str, list[tuple[float, float, float]]] = {name: [] for name in ["", *names]}
            for _ in range(ROUNDS):
                for name, measured in times.items():
                    measured.append(_measured(wrapper, name))
        wrapper.close()
    listing, settling, size = [statistics.median(each) for each in zip(*times[""], strict=True)]
    line("with all indexes", f"listing {listing:.2f} s, settling {settling:.2f} s", f"{size:.0f} MB")
    for name in names:
        without = [statistics.median(each) for each in zip(*times[name], strict=True)]
        costs = [
            (whole - less) / whole * 100
            for whole, less in zip((listing, settling, size), without, strict=True)
        ]
        line(
            f"of these {name}",
            f"listing {costs[0]:.0f} %, settling {costs[1]:.0f} %",
            f"size {costs[2]:.0f} %",
        )


def _measured(wrapper: BaseDatabaseWrapper, without: str) -> tuple[float, float, float]:
    """Seconds of listing and of settling a new task's devices, and megabytes, without one index."""
    dice = random.Random(1)
    task = TaskFactory(application=Application.objects.get(), devices=["placeholder"])
    with wrapper.cursor() as cursor:
        cursor.execute("SELECT sql FROM sqlite_master WHERE name = %s", [without])
        definition = cursor.fetchone()
        if definition:
            cursor.execute(f"DROP INDEX {without}")
        cursor.execute("VACUUM")
        before = _pages(cursor)
    ids = [f"{dice.getrandbits(32):08x}-91a3-4c44-9a0c-{number:012x}" for number in range(DEVICES)]
    start = time.perf_counter()
    load(wrapper, Result, ("task_id", "device_id"), ((task.pk, each) for each in ids))
    listing = time.perf_counter() - start
    answers = [
        (f"c{number}", json.dumps({"v": 1}), dt.datetime(2026, 11, 1), pk)
        for number, pk in enumerate(Result.objects.filter(task=task).values_list("pk", flat=True))
    ]
    dice.shuffle(answers)
    changes = "status = 'SUCCESSFUL', command_id = %s, detail = %s, finished_at = %s"
    start = time.perf_counter()
    for place in range(0, DEVICES, BATCH):
        with transaction.atomic(), wrapper.cursor() as cursor:
            cursor.executemany(
                f"UPDATE tasks_result SET {changes} WHERE id = %s",
                sorted(answers[place : place + BATCH], key=_pk),
            )
    settling = time.perf_counter() - start
    with wrapper.cursor() as cursor:
        size = _pages(cursor) - before
        Result.objects.all().delete()
        if definition:
            cursor.execute(definition[0])
    return listing, settling, size


def _pk(answer: tuple[Any, ...]) -> int:
    return int(answer[-1])


def _pages(cursor: Any) -> float:
    cursor.execute("PRAGMA page_count")
    return cursor.fetchone()[0] * 4096 / 1e6
