"""A worker that hears no bells looks for itself: when beat is dead, work still goes on."""

from __future__ import annotations

import logging
import threading
from typing import Any

from celery import Celery
from celery.signals import worker_ready, worker_shutting_down

logger = logging.getLogger(__name__)

SECONDS = 20.0
_stop = threading.Event()


def look(app: Celery) -> None:
    """Have a sweep made every twenty seconds while a worker of ``app`` runs."""

    def start(sender: Any, **_: Any) -> None:
        if sender.app is app:
            _stop.clear()
            threading.Thread(target=_look, args=(app,), name="look", daemon=True).start()

    worker_ready.connect(start, weak=False)
    worker_shutting_down.connect(_end, weak=False)


def _end(**_: Any) -> None:
    _stop.set()


def _look(app: Celery) -> None:
    while not _stop.wait(SECONDS):
        try:
            app.send_task("tasks.jobs.sweep", expires=SECONDS, retry=False)
        except Exception as error:  # a broker that is away; the next look may find it again
            logger.warning("the broker took no sweep: %s", error)
