"""The receiver beside a bare ASGI application and a plain Django view on the same server, in turns."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults import servers

from .report import line, ratio, spread

ROOT = Path(__file__).parents[2]
ROUNDS = int(os.environ.get("ROUNDS", "3"))
SECONDS = int(os.environ.get("SECONDS", "4"))
DEVICES = 20_000

SEED = """
import django
django.setup()
from django.contrib.auth.models import User
from django.core.management import call_command
from tasks import lifecycle
from tasks.lifecycle.settle import list_devices
from tasks.models import Application, Task
call_command("migrate", verbosity=0)
user = User.objects.create_superuser("admin", password="correct horse")
app = Application.objects.create(name="Bench", url="http://127.0.0.1:9", app_id="app-1", secret="s")
param = {"type": "DeviceList", "deviceList": [f"device-{n:05d}" for n in range(%d)],
         "command": {"serviceId": "Valve", "method": "CLOSE"}}
task = lifecycle.compose(app, user, {"taskName": "t", "taskType": "DeviceCmd", "timeout": 60, "param": param})
Task.objects.update(state="RUNNING")
list_devices(task.pk)
print(task.callback_token)
"""

SETTLE = """
import django, time
django.setup()
from tasks import lifecycle
from tasks.models import Task
task = Task.objects.get()
Task.objects.update(expected=10**6)
while True:
    lifecycle.settle(task.pk)
    time.sleep(0.02)
"""


@dataclass
class Load:
    """What one turn of wrk came to."""

    rate: float
    p50: float
    p99: float
    cpu: float


@dataclass
class Muster:
    """A database with one running task, and what its processes need to know."""

    environment: dict[str, str]
    token: str

    @property
    def path(self) -> str:
        return f"/callbacks/{self.token}/"


def run() -> None:
    if not shutil.which("wrk"):
        line("receive", "not measured: wrk is not installed (apt-get install wrk)")
        return
    with contextlib.ExitStack() as stack:
        embedded = stack.enter_context(_muster(""))
        try:
            server = stack.enter_context(servers.postgresql(durable=True))
        except pytest.skip.Exception:
            line("on PostgreSQL", "not measured: PostgreSQL is not installed")
            big = None
        else:
            big = stack.enter_context(_muster(server.url))
        _report(_turns(embedded, big))


def _turns(embedded: Muster, big: Muster | None) -> dict[str, list[Load]]:
    figures: dict[str, list[Load]] = defaultdict(list)
    for _ in range(ROUNDS):
        with _uvicorn(embedded, "tests.bench.apps:bare") as web:
            figures["bare"].append(_wrk(web, embedded))
        with _uvicorn(embedded, "dashboard.asgi:application") as web:
            figures["door"].append(_wrk(web, embedded))
            figures["door, 200 connections"].append(_wrk(web, embedded, connections=200))
            with _settling(embedded):
                time.sleep(1)
                figures["door, settling"].append(_wrk(web, embedded))
        if big:
            with _uvicorn(big, "dashboard.asgi:application") as web:
                figures["door, PostgreSQL"].append(_wrk(web, big))
        with _uvicorn(embedded, "tests.bench.apps:plain", "--factory") as web:
            figures["plain"].append(_wrk(web, embedded))
    return figures


def _report(figures: dict[str, list[Load]]) -> None:
    rates = {name: [load.rate for load in loads] for name, loads in figures.items()}
    for name, loads in figures.items():
        cpu = f"{statistics.median(load.cpu for load in loads):.0f} µs CPU each"
        line(f"{name}: answers a second", spread(rates[name]), cpu)
        line(
            f"{name}: p50, p99 in ms",
            spread([load.p50 for load in loads]),
            spread([load.p99 for load in loads]),
        )

    def compare(name: str, base: str, goal: float) -> None:
        found = ratio(rates[name], rates[base])
        line(f"{name} ÷ {base}", f"{found:.2f}", f"at least {goal}", met=found >= goal)

    def p99(name: str, goal: float) -> None:
        found = statistics.median(load.p99 for load in figures[name])
        line(f"{name}: p99", f"{found:.1f} ms", f"at most {goal} ms", met=found <= goal)

    compare("door", "bare", 0.5)
    compare("door", "plain", 20)
    compare("door, settling", "bare", 0.35)
    if "door, PostgreSQL" in figures:
        compare("door, PostgreSQL", "bare", 0.5)
    p99("door", 8)
    p99("door, settling", 25)
    p99("door, 200 connections", 60)


@contextlib.contextmanager
def _muster(database_url: str) -> Iterator[Muster]:
    with tempfile.TemporaryDirectory(prefix="muster-bench-", ignore_cleanup_errors=True) as folder:
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("MUSTER_", "DJANGO_"))
        }
        environment = kept | {
            "DJANGO_SETTINGS_MODULE": "dashboard.settings",
            "DATABASE_URL": database_url,
            "CELERY_BROKER_URL": "memory://",
            "MUSTER_DATA_DIR": folder,
            "MUSTER_PUBLIC_URL": "http://127.0.0.1:8000",
        }
        seed = [sys.executable, "-c", SEED % DEVICES]
        done = subprocess.run(seed, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
        yield Muster(environment, done.stdout.strip())


@contextlib.contextmanager
def _process(muster: Muster, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, *command], cwd=ROOT, env=muster.environment, stderr=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


@contextlib.contextmanager
def _uvicorn(muster: Muster, app: str, *options: str) -> Iterator[tuple[int, int]]:
    """One process, as ``manage.py up`` starts it; its pid and port."""
    port = servers.free_port()
    command = ["-m", "uvicorn", app, "--port", str(port), "--no-access-log", "--log-level", "warning"]
    with _process(muster, *command, "--no-server-header", "--no-proxy-headers", *options) as process:
        over = time.monotonic() + 30
        while subprocess.run(["curl", "-s", "-o", os.devnull, f"http://127.0.0.1:{port}/livez"]).returncode:
            assert time.monotonic() < over, "the server did not come up"
            time.sleep(0.05)
        yield process.pid, port


def _settling(muster: Muster) -> contextlib.AbstractContextManager[subprocess.Popen[bytes]]:
    return _process(muster, "-c", SETTLE)


def _wrk(web: tuple[int, int], muster: Muster, connections: int = 32) -> Load:
    pid, port = web
    command = ["wrk", "-t1", f"-c{connections}", "--latency", "-s", str(Path(__file__).with_name("push.lua"))]
    url = f"http://127.0.0.1:{port}{muster.path}"
    subprocess.run([*command, "-d1s", url], check=True, capture_output=True)  # warm
    before = _cpu(pid)
    done = subprocess.run([*command, f"-d{SECONDS}s", url], check=True, capture_output=True, text=True)
    cpu = _cpu(pid) - before
    *_, figures = [each for each in done.stdout.splitlines() if each.startswith("figures ")]
    count, microseconds, p50, p99, errors = map(int, figures.split()[1:])
    if errors:
        line("errors", f"{errors} of {count}")
    return Load(count / microseconds * 1e6, p50 / 1000, p99 / 1000, cpu / max(count, 1) * 1e6)


def _cpu(pid: int) -> float:
    """Seconds of CPU that a process has used (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
