"""Group commit: arrivals of the same moment are kept in one transaction by one thread."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from typing import Any

from django.db import close_old_connections

from tasks.bells import ring
from tasks.lifecycle import Arrival, receive

MOST_AT_ONCE = 500
MOST_WAITING = 5000
BELL_SECONDS = 0.5
"""A task with news is rung for at most this often."""


class Full(Exception):
    """More is waiting than can be kept in time: the sender must come again."""


Waiting = tuple[Arrival, asyncio.Future[int | None], asyncio.AbstractEventLoop]


class Inbox:
    """``keep`` returns when the arrival is committed. The thread starts with the first one."""

    def __init__(self) -> None:
        self._waiting: queue.Queue[Waiting] = queue.Queue(MOST_WAITING)
        self._bells: dict[int, float] = {}
        self._thread: threading.Thread | None = None

    async def keep(self, arrival: Arrival) -> int | None:
        """The task's id, or None for a token nobody has. Raises Full, or what the database raises."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="inbox", daemon=True)
            self._thread.start()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[int | None] = loop.create_future()
        try:
            self._waiting.put_nowait((arrival, future, loop))
        except queue.Full:
            raise Full from None
        return await future

    def _run(self) -> None:
        while True:
            batch = self._next()
            if batch:
                self._keep(batch)
            self._ring()

    def _next(self) -> list[Waiting]:
        try:
            batch = [self._waiting.get(timeout=BELL_SECONDS)]
        except queue.Empty:
            return []
        while len(batch) < MOST_AT_ONCE:
            try:
                batch.append(self._waiting.get_nowait())
            except queue.Empty:
                break
        return batch

    def _keep(self, batch: list[Waiting]) -> None:
        try:
            close_old_connections()
            kept = receive([arrival for arrival, _, _ in batch])
        except Exception as error:
            for _, future, loop in batch:
                loop.call_soon_threadsafe(_settle, future, error)
            return
        for (_, future, loop), task_id in zip(batch, kept, strict=True):
            loop.call_soon_threadsafe(_settle, future, task_id)
            if task_id is not None:
                self._bells.setdefault(task_id, time.monotonic() + BELL_SECONDS)

    def _ring(self) -> None:
        now = time.monotonic()
        for task_id, due in list(self._bells.items()):
            if due <= now:
                del self._bells[task_id]
                ring("settle", task_id)


def _settle(future: asyncio.Future[Any], outcome: Any) -> None:
    if future.done():
        return  # the sender did not wait
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
