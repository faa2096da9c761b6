"""Exports of a million results, and a prune of a million results while callbacks arrive (O11)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import aiohttp
import requests

from tests.bench.report import line
from tests.dashboard.site import REPOSITORY, Site, environment, running_site, seeded

ROWS = int(os.environ.get("BENCH_ROWS", "1000000"))
RATE = 500
QUIET_SECONDS = 15.0
"""So long callbacks are timed without a prune, before it and after it."""

FILL = """
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
INSERT INTO tasks_result (task_id, device_id, command_id, status, detail, error_code, error_text, source,
    unexpected, anonymous, conflict, sent_at, finished_at)
SELECT 1, printf('meter-%09d', i), printf('command-%09d', i), 'SUCCESSFUL', '{"level": ' || i || '}', '', '', 'push',
    0, 0, 0, '2026-03-01 12:00:00', '2026-03-01 12:00:07.5' FROM n
"""
END = "UPDATE tasks_task SET state = 'COMPLETE', listed = 1, finished_at = '2020-01-01 00:00:00' WHERE id = 1"

WAYS = {"plain": "iterator() over model instances, CSV (baseline)", "csv": "CSV", "jsonl": "JSON Lines"}
WRITE = """
import pathlib, re, sys, time
import django
django.setup()
from dashboard.columns import RESULTS, chunks, names
from dashboard.export import FORMATS, parts
from tasks.models import Result

def plain():
    yield "".join(FORMATS["csv"].head(names(RESULTS))).encode()
    for row in Result.objects.filter(task=1).order_by("id").iterator(chunk_size=2000):
        yield FORMATS["csv"].text((), [[getattr(row, column.path) for column in RESULTS]]).encode()

found = Result.objects.filter(task=1).order_by("id")
way = sys.argv[1]

def most():
    return int(re.search(r"VmHWM:\\s+(\\d+)", pathlib.Path("/proc/self/status").read_text())[1]) / 1024

idle, started, times = most(), time.perf_counter(), []
for part in plain() if way == "plain" else parts(way, names(RESULTS), chunks(found, RESULTS)):
    times += [time.perf_counter() - started] if len(times) < 2 else []
print(times[1], time.perf_counter() - started, most() - idle)
"""


def run() -> None:
    with tempfile.TemporaryDirectory() as folder:
        seed = Path(folder) / "seed"
        tokens = seeded(seed)
        with contextlib.closing(sqlite3.connect(seed / "muster.sqlite3")) as database, database:
            database.execute(FILL, [ROWS])
            database.execute(END)
        exports(seed)
        with running_site(seed, seed, tokens) as site:
            over_http(site)
        prune(seed, tokens)


def exports(seed: Path) -> None:
    """Each way of writing in a process of its own, whose memory is its alone."""
    baseline = 0.0
    for way, words in (
        ("plain", "iterator() over model instances, CSV (baseline)"),
        ("csv", "CSV"),
        ("jsonl", "JSON Lines"),
    ):
        done = subprocess.run(
            [sys.executable, "-c", WRITE, way], cwd=REPOSITORY, env=environment(seed), capture_output=True, text=True,
            check=True,
        )  # fmt: skip
        first, total, memory = map(float, done.stdout.split())
        baseline = baseline or total
        line(
            f"export of {ROWS:,}: {words}",
            f"first row {first * 1000:.0f} ms, {total:.1f} s ({baseline / total:.2f}x), peak +{memory:.1f} MB",
        )


def over_http(site: Site) -> None:
    session = requests.Session()
    page = f"http://127.0.0.1:{site.port}/login/"
    token = re.findall(r'name="csrfmiddlewaretoken" value="([^"]+)"', session.get(page, timeout=10).text)[0]
    session.post(
        page, {"username": "admin", "password": "correct horse", "csrfmiddlewaretoken": token}, timeout=10
    )
    idle, started = site.memory(), time.perf_counter()
    with session.get(f"http://127.0.0.1:{site.port}/tasks/1/results.csv", stream=True, timeout=60) as answer:
        pieces = answer.iter_content(65536)
        next(pieces)
        first, size, most = time.perf_counter() - started, 65536, 0
        for number, piece in enumerate(pieces):
            size += len(piece)
            if number % 100 == 0:
                most = max(most, site.memory())
    total = time.perf_counter() - started
    grown = (most - idle) / 1e6
    line(
        f"export of {ROWS:,} by the web process",
        f"first byte {first * 1000:.0f} ms, {total:.1f} s, {size / 1e6:.0f} MB, peak +{grown:.1f} MB",
        "first byte <= 1 s, memory flat",
        met=first <= 1 and grown < 50,
    )


def prune(seed: Path, tokens: list[str]) -> None:
    """Callbacks at a steady rate: without a prune, with one, and without again."""
    with running_site(seed, seed, tokens) as site:
        before = asyncio.run(_load(site, QUIET_SECONDS))
        process = subprocess.Popen(
            [sys.executable, str(REPOSITORY / "manage.py"), "prune", "--json"],
            cwd=REPOSITORY, env=environment(seed), stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        started = time.perf_counter()
        during = asyncio.run(_load(site, 600, process))
        took = time.perf_counter() - started
        deleted = json.loads(process.communicate()[0])["results"]["rows"]
        after = asyncio.run(_load(site, QUIET_SECONDS))
    without = statistics.median([_p99(before), _p99(after)])
    line(
        f"callbacks at {RATE}/s without a prune: p99",
        f"{_p99(before):.1f} ms, {_p99(after):.1f} ms afterwards",
    )
    line(
        f"callbacks while {deleted:,} results are pruned: p99",
        f"{_p99(during):.1f} ms ({_p99(during) / without:.2f}x), max {max(during):.0f} ms",
        "p99 <= 2x",
        met=_p99(during) <= 2 * without,
    )
    line("pruned per second, in", f"{deleted / took:,.0f}/s, {took:.0f} s")


async def _load(site: Site, seconds: float, until: subprocess.Popen[str] | None = None) -> list[float]:
    """Milliseconds from when each push was due until it was answered 200."""
    times: list[float] = []
    loop = asyncio.get_running_loop()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=64)) as session:

        async def push(due: float, number: int) -> None:
            body = json.dumps(
                {"deviceId": f"d{number}", "commandId": str(time.time_ns()), "result": {"resultCode": "SENT"}}
            )
            url = f"http://127.0.0.1:{site.port}/callbacks/{site.tokens[1 + number % 3]}/"
            async with session.post(url, data=body) as answer:
                assert answer.status == 200
            times.append((loop.time() - due) * 1000)

        started, number, running = loop.time(), 0, set()
        while loop.time() < started + seconds and (until is None or until.poll() is None):
            due = started + number / RATE
            await asyncio.sleep(max(due - loop.time(), 0))
            running.add(task := asyncio.create_task(push(due, number)))
            task.add_done_callback(running.discard)
            number += 1
        await asyncio.gather(*running)
    return times[RATE:]  # not the first second, in which connections are opened


def _p99(times: list[float]) -> float:
    return statistics.quantiles(times, n=100)[98]
