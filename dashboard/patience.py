"""Give up on what takes too long, without a timer for each: for a small request that is a quarter of its time."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import cast

LOOK_SECONDS = 1.0
GIVEN_UP = 0.0


class Patience:
    """``with`` it around what is awaited: raises TimeoutError after so many seconds, or up to one more.

    One event loop uses it, for any number of tasks at once.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._since: dict[asyncio.Task[object], float] = {}
        self._looking = False

    def __enter__(self) -> None:
        loop = asyncio.get_running_loop()
        self._since[_task()] = loop.time()
        if not self._looking:
            self._looking = True
            loop.call_later(LOOK_SECONDS, self._look, loop)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        task = _task()
        if self._since.pop(task) == GIVEN_UP and kind is asyncio.CancelledError:
            task.uncancel()
            raise TimeoutError from error

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        over = loop.time() - self.seconds
        for task, since in self._since.items():
            if GIVEN_UP < since < over:
                self._since[task] = GIVEN_UP
                task.cancel()
        self._looking = bool(self._since)
        if self._looking:
            loop.call_later(LOOK_SECONDS, self._look, loop)


def _task() -> asyncio.Task[object]:
    return cast("asyncio.Task[object]", asyncio.current_task())
