"""Ring for a worker. A bell that is not heard costs seconds, never work: the sweep finds whatever is due.

A thread rings, so that nobody waits for a broker that is away, stuck or full.
"""

from __future__ import annotations

import atexit
import functools
import logging
import os
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


def ring(job: str, pk: int) -> None:
    """Have a worker asked to run ``tasks.jobs.<job>(pk)``. Returns at once, whatever the broker does."""
    try:
        _waiting.put_nowait((job, pk))
    except queue.Full:
        logger.warning("the broker is stuck: %s(%s) is left to the sweep", job, pk)
    _ringer(os.getpid())


def send(job: str, pk: int) -> None:
    """Give the bell to the broker. One that does not take it is logged, never raised."""
    try:
        current_app.send_task(f"tasks.jobs.{job}", args=[pk], retry=False)
    except Exception as error:
        logger.warning("the broker did not take %s(%s), the sweep will: %s", job, pk, error)


@functools.cache
def _ringer(process: int) -> threading.Thread:
    """The thread of this process; a fork leaves that of its parent behind."""
    thread = threading.Thread(target=_run, name="bells", daemon=True)
    thread.start()
    return thread


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
