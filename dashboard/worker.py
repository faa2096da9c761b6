"""What a worker does for itself: it looks for work when it hears no bells, and notices when its line is broken."""

from __future__ import annotations

import logging
import threading
from typing import Any

from celery import Celery, Task
from celery.signals import worker_ready, worker_shutting_down
from celery.worker.request import Request

logger = logging.getLogger(__name__)

SECONDS = 20.0
_stop = threading.Event()


def look(app: Celery[Any]) -> None:
    """Have a sweep made every twenty seconds while a worker of ``app`` runs."""

    def start(sender: Any, **_: Any) -> None:
        if sender.app is app:
            _stop.clear()
            Acknowledged.consumer = sender
            threading.Thread(target=_look, args=(app,), name="look", daemon=True).start()

    worker_ready.connect(start, weak=False)
    worker_shutting_down.connect(_end, weak=False)


class Acknowledged(Request):
    """A message that cannot be acknowledged breaks the worker's connection, and so has it made anew.

    Celery logs it and goes on. But with Redis such a message keeps its place for ever, and a worker all of whose places
    are kept asks for nothing, and so never learns that its line is broken.
    """

    consumer: Any = None
    """The worker's own, from when it is ready."""

    def acknowledge(self) -> None:
        if self.acknowledged:
            return
        self.acknowledged = True
        try:
            self.message.ack()
        except self._connection_errors as error:  # type: ignore[attr-defined]
            logger.warning("a job was done and could not be acknowledged: %s", error)
            self.consumer.call_soon(_break, error)


class Job(Task[Any, Any]):
    """What jobs are made of."""

    Request = "dashboard.worker:Acknowledged"


def _break(error: Exception) -> None:
    """Called by the loop, it ends what the loop does for this connection."""
    raise error


def _end(**_: Any) -> None:
    _stop.set()


def _look(app: Celery[Any]) -> None:
    while not _stop.wait(SECONDS):
        try:
            app.send_task("tasks.jobs.sweep", expires=SECONDS, retry=False)
        except Exception as error:  # a broker that is away; the next look may find it again
            logger.warning("the broker took no sweep: %s", error)
