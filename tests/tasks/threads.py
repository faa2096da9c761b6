"""Several threads at the same moment, each with a database connection of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import connections

Answer = TypeVar("Answer")


def at_once(count: int, act: Callable[[], Answer]) -> list[Answer]:
    """What ``act`` answered to each of ``count`` threads that called it together."""
    together = threading.Barrier(count)

    def run(_: int) -> Answer:
        together.wait(20)
        try:
            return act()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))
