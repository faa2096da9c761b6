"""``make reading``: ``manage.py up`` reads a fleet at the budget's pace while its worker is killed with -9.

The sandbox's fleet follows from its size and seed alone, so what must be in the catalogue is made here once more.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import requests
from django.conf import settings
from django.db import connection

from tasks.models import Application, Device, Membership, Sync
from tasks.sandbox import Config
from tasks.sandbox.fleet import Fleet
from tasks.sandbox.groups import Groups
from tests.bench.report import line

from . import servers
from .database import database
from .site import ROOT, children

CALLS_A_MINUTE = 80
"""Of the platform's 100; the others are kept for submissions."""

SAME = 3
"""Seconds within which a worker that was killed has not gone on: it is dead, not slow."""

KILLS: tuple[tuple[str, float], ...] = (("devices", 0.3), ("devices", 0.7), ("members", 0.5))
"""In which section, and how far in it, the worker is killed in the middle of its turn."""


def run(devices: int, kind: str = "sqlite") -> bool:
    """Print the figures; False when a goal is missed."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="muster-reading-")))
        server = stack.enter_context(servers.postgresql(durable=True)) if kind == "postgresql" else None
        url = server.url if server else f"sqlite:///{folder / 'muster.sqlite3'}"
        stack.enter_context(database(url))
        sandbox_port = servers.free_port()
        up = stack.enter_context(_up(folder, url, sandbox_port, devices))
        began = time.monotonic()
        _until(lambda: Sync.objects.exists(), 120, folder)
        waited = [_kill_worker(up, *moment, folder) for moment in KILLS]
        _until(lambda: Sync.objects.exclude(finished_at=None).exists(), 3600, folder)
        took, reading = time.monotonic() - began, Sync.objects.get()
        counted = requests.get(f"http://127.0.0.1:{sandbox_port}/_sandbox/ledger", timeout=10).json()
        wrong = [*_differences(devices), *reading.remarks]
    calls = sum(counted["calls"].values())
    needed = calls / CALLS_A_MINUTE * 62
    figure = f"{took:.0f} s for {calls} calls"
    line(
        f"{devices:,} devices, groups, members on {connection.vendor if not server else kind}",
        figure,
        f"{needed:.0f} s at 80 calls in 62 s",
    )
    line("the worker was killed; another went on after", ", ".join(f"{each:.0f} s" for each in waited))
    most = counted["max_calls_in_60s"]
    line("most calls in any sliding 60 s", f"{most}", "<= 100", met=most <= 100)
    is_whole = reading.ended == Sync.Ended.COMPLETE and not wrong
    line("the catalogue is the sandbox's fleet", "yes" if is_whole else f"NO: {wrong[:5]}", met=is_whole)
    return is_whole and most <= 100


@contextlib.contextmanager
def _up(folder: Path, url: str, sandbox_port: int, devices: int) -> Iterator[subprocess.Popen[bytes]]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MUSTER_", "CELERY_"))}
    environment = kept | {
        "DJANGO_SETTINGS_MODULE": "dashboard.settings",
        "DATABASE_URL": url,
        "MUSTER_DATA_DIR": str(folder),
        "MUSTER_SECRET_KEY": settings.SECRET_KEY,
        "MUSTER_SANDBOX_DEVICES": str(devices),
    }
    ports = ("--port", str(servers.free_port()), "--sandbox-port", str(sandbox_port))
    with (folder / "up.log").open("ab") as log:
        up = subprocess.Popen(
            [sys.executable, "manage.py", "up", *ports],
            stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment, cwd=ROOT, start_new_session=True,
        )  # fmt: skip
    try:
        yield up
    finally:
        up.terminate()
        try:
            up.wait(30)
        except subprocess.TimeoutExpired:
            up.terminate()
            up.wait(30)


def _kill_worker(up: subprocess.Popen[bytes], section: str, share: float, folder: Path) -> float:
    """Kill it with all its processes in the middle of a turn; seconds until another one has stored a page."""
    first = Sync.objects.filter(section=section, is_waiting=False, finished_at=None)
    _until(lambda: any(each.done >= share * each.total > 0 for each in first.all()), 1800, folder)
    worker = next(pid for pid in children(up.pid) if b"worker" in Path(f"/proc/{pid}/cmdline").read_bytes())
    os.killpg(worker, signal.SIGKILL)
    killed = time.monotonic()
    time.sleep(SAME)
    place = _place()
    _until(lambda: _place() != place, 300, folder)
    return time.monotonic() - killed


def _place() -> Any:
    return Sync.objects.values_list("section", "group", "page", "finished_at").get()


def _differences(size: int) -> Iterator[str]:
    """How the catalogue and the fleet that the sandbox makes of its size and seed differ."""
    fleet, groups = Fleet(size, Config().seed, time.time()), Groups(Config().seed)
    columns = (
        "device_id", "name", "device_type", "manufacturer_id", "model", "location", "status", "node_id"
    )  # fmt: skip
    meant = {
        (
            fleet.id_of(n),
            *(text or "" for text in (fleet.name(n), *fleet.names(n), fleet.location(n), fleet.status(n))),
            f"{867_000_000_000_000 + n}",
        )
        for n in range(size)
    }
    found = set(Device.objects.values_list(*columns).iterator())
    yield from (f"not in the catalogue: {each}" for each in meant - found)
    yield from (f"not in the fleet: {each}" for each in found - meant)
    application = Application.objects.get()
    if Device.objects.count() != size or application.catalogue_at is None:
        yield f"{Device.objects.count()} rows, read {application.catalogue_at}"
    for group in groups.by_id.values():
        members = Membership.objects.filter(group__group_id=group.id)
        ids = set(members.values_list("device__device_id", flat=True).iterator())
        if ids != {fleet.id_of(n) for n in group.members(fleet)}:
            yield f"{group.name} has {len(ids)} members, not the {group.size(fleet)} it should have"


def _until(what: Callable[[], bool], seconds: float, folder: Path) -> None:
    over = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < over, (folder / "up.log").read_text(errors="replace")[-3000:]
        time.sleep(0.02)
