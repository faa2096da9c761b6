"""Die at a named point, as a crash would: for tests, which start a worker with MUSTER_CRASH_AT."""

from __future__ import annotations

import os
import signal

from django.conf import settings


def point(name: str) -> None:
    """Kill this process without a chance to clean up, when this is the point that was asked for."""
    if name == settings.CRASH_AT:
        os.kill(os.getpid(), signal.SIGKILL)
