"""In a worker under test: leases of seconds instead of minutes, and crash points that strike once."""

from __future__ import annotations

import datetime as dt
import os
import signal
from importlib import import_module
from pathlib import Path

from django.apps import AppConfig

LEASE = 4.0
DEADLINE = 3.0
QUIET = 2.0


class Shorter(AppConfig):
    name = "tests.faults"
    label = "shorter"

    def ready(self) -> None:
        from dashboard import worker
        from tasks import crash
        from tasks.platform import client

        modules = {
            name: import_module(f"tasks.lifecycle.{name}")
            for name in ("submit", "evidence", "outcomes", "breaker", "budget")
        }
        modules["submit"].LEASE = dt.timedelta(seconds=LEASE)
        modules["evidence"].QUIET = dt.timedelta(seconds=QUIET)
        modules["outcomes"].FIRST_EVIDENCE = dt.timedelta(seconds=0.5)
        modules["breaker"].PAUSE = dt.timedelta(seconds=1)
        if minute := os.environ.get("MUSTER_TEST_MINUTE"):
            spare = modules["budget"].WINDOW - dt.timedelta(minutes=1)
            modules["budget"].WINDOW = dt.timedelta(seconds=float(minute)) + spare
        client.create.__kwdefaults__["deadline"] = DEADLINE
        worker.SECONDS = float(os.environ.get("MUSTER_TEST_LOOK", "0.5"))
        if folder := os.environ.get("MUSTER_TEST_CRASHES"):
            crash.point = lambda name: strike(Path(folder) / name)


def strike(plan: Path) -> None:
    """Do what the plan's file says, and only once: its removal decides which process it is."""
    try:
        asked = plan.read_text()
        plan.unlink()
    except FileNotFoundError:
        return
    if asked == "whole":
        os.kill(os.getppid(), signal.SIGKILL)
    if asked == "stop":
        plan.with_suffix(".stopped").write_text(str(os.getpid()))
        os.kill(os.getpid(), signal.SIGSTOP)
    else:
        os.kill(os.getpid(), signal.SIGKILL)
