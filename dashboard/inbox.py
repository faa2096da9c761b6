"""Group commit: arrivals of the same moment are kept in one transaction by one thread."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Iterable, Sequence

from django.db import connections

from tasks.bells import ring
from tasks.lifecycle import Arrival, receive

logger = logging.getLogger(__name__)

MOST_AT_ONCE = 500
MOST_WAITING = 5000
MOST_BYTES_AT_ONCE = 8 * 2**20
MOST_BYTES_WAITING = 64 * 2**20
BELL_SECONDS = 0.5
"""A task with news is rung for at most this often."""

PATIENCE_SECONDS = 12.0
"""A sender gives up after fifteen; before that it is told to come again."""

KEPT, UNKNOWN, UNKEPT = "kept", "unknown", "unkept"

Waiting = tuple[Arrival, "asyncio.Future[str]"]


class Inbox:
    """``keep`` returns when the arrival is committed. One event loop uses it; its threads start with the first one.

    The loop and the writing thread share nothing but the queue, and meet twice for each commit: what arrives in one
    turn of the loop is handed over together, for each meeting costs as much as reading a push.
    """

    def __init__(self) -> None:
        self._arrived: list[Waiting] = []
        self._handed: queue.SimpleQueue[list[Waiting]] = queue.SimpleQueue()
        self._count = 0
        self._bytes = 0
        self._writing: Sequence[Waiting] = ()
        self._writing_since = 0.0
        self._news: set[int] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    def keep(self, arrival: Arrival) -> asyncio.Future[str]:
        """KEPT once it is committed, UNKNOWN for a token that opens nothing, UNKEPT when the sender must come again."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._start(self._loop)
        future: asyncio.Future[str] = self._loop.create_future()
        if self._count >= MOST_WAITING or self._bytes >= MOST_BYTES_WAITING or self._stuck():
            future.set_result(UNKEPT)
            return future
        self._count += 1
        self._bytes += len(arrival.body)
        if not self._arrived:
            self._loop.call_soon(self._hand_over)
        self._arrived.append((arrival, future))
        return future

    # In the event loop

    def _hand_over(self) -> None:
        self._handed.put(self._arrived)
        self._arrived = []

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        threading.Thread(target=self._write, args=(loop,), name="inbox", daemon=True).start()
        threading.Thread(target=self._ring, name="bells", daemon=True).start()
        self._look(loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Once a second: when the database does not answer, nobody waits longer than a sender does."""
        if self._stuck():
            self._answer(self._writing, [UNKEPT] * len(self._writing))
            while not self._handed.empty():
                left = self._handed.get_nowait()
                self._answer(left, [UNKEPT] * len(left))
        loop.call_later(1, self._look, loop)

    def _stuck(self) -> bool:
        since = self._writing_since
        return bool(since) and time.monotonic() - since > PATIENCE_SECONDS

    def _answer(self, batch: Iterable[Waiting], outcomes: Iterable[str]) -> None:
        for (arrival, future), outcome in zip(batch, outcomes, strict=True):
            if not future.done():  # else its sender did not wait, or could not
                self._count -= 1
                self._bytes -= len(arrival.body)
                future.set_result(outcome)

    # In threads

    def _write(self, loop: asyncio.AbstractEventLoop) -> None:
        while True:
            batch = self._next()
            self._writing, self._writing_since = batch, time.monotonic()
            tasks = self._receive([arrival for arrival, _ in batch])
            outcomes = [UNKEPT] * len(batch)
            if tasks is not None:
                outcomes = [UNKNOWN if task_id is None else KEPT for task_id in tasks]
                self._news.update(task_id for task_id in tasks if task_id is not None)
            self._writing_since = 0.0
            loop.call_soon_threadsafe(self._answer, batch, outcomes)

    def _receive(self, arrivals: list[Arrival]) -> list[int | None] | None:
        """None when they could not be kept. The second try has a new connection: an idle one may have gone."""
        for last in (False, True):
            try:
                return receive(arrivals)
            except Exception:
                connections.close_all()
                if last:
                    logger.exception("%d callbacks could not be kept", len(arrivals))
        return None

    def _next(self) -> list[Waiting]:
        """Whatever was handed over by now, and if nothing was, what is next."""
        batch = self._handed.get()
        while len(batch) < MOST_AT_ONCE and _size(batch) < MOST_BYTES_AT_ONCE:
            try:
                batch += self._handed.get_nowait()
            except queue.Empty:
                break
        return batch

    def _ring(self) -> None:
        """Away from the writing: a broker that is down takes seconds to say so."""
        while True:
            time.sleep(BELL_SECONDS)
            while self._news:
                ring("settle", self._news.pop())


def _size(batch: Sequence[Waiting]) -> int:
    return sum(len(arrival.body) for arrival, _ in batch)
