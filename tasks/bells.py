"""Ring for a worker. A bell that is not heard costs seconds, never work: the sweep finds whatever is due.

A thread rings, so that nobody waits for a broker that is away, stuck or full.
"""

from __future__ import annotations

import atexit
import logging
import queue
import threading
import time

from celery import current_app

logger = logging.getLogger(__name__)

MOST = 1000
"""Bells that wait for the broker; beyond, they are left to the sweep."""

PARTING_SECONDS = 5.0
"""So long a process that ends waits for the broker to take its last bells."""

_waiting: queue.Queue[tuple[str, int]] = queue.Queue(MOST)
_starting = threading.Lock()
_ringer: threading.Thread | None = None


def ring(job: str, pk: int) -> None:
    """Have a worker asked to run ``tasks.jobs.<job>(pk)``. Returns at once, whatever the broker does."""
    try:
        _waiting.put_nowait((job, pk))
    except queue.Full:
        logger.warning("the broker is stuck: %s(%s) is left to the sweep", job, pk)
    _start_ringing()


def send(job: str, pk: int) -> None:
    """Give the bell to the broker. One that does not take it is logged, never raised."""
    try:
        current_app.send_task(f"tasks.jobs.{job}", args=[pk], retry=False)
    except Exception as error:
        logger.warning("the broker did not take %s(%s), the sweep will: %s", job, pk, error)


def _start_ringing() -> None:
    global _ringer
    with _starting:
        if _ringer is None or not _ringer.is_alive():  # a fork leaves it behind
            _ringer = threading.Thread(target=_run, name="bells", daemon=True)
            _ringer.start()


def _run() -> None:
    while True:
        bell = _waiting.get()
        send(*bell)
        _waiting.task_done()


@atexit.register
def _finish() -> None:
    over = time.monotonic() + PARTING_SECONDS
    while _waiting.unfinished_tasks and time.monotonic() < over:
        time.sleep(0.01)
