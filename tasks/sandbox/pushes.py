"""Pushes of command statuses to the application's `callbackUrl`, with the platform's own rule for failures.

facts 3.1: success is a 200 within 15 s; a failed push is kept for 10 minutes and tried again; after 10
failures in a row the address is invalid and only re-tested every 3 minutes.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import json
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from .config import Delivery

Chance = Callable[[], list[tuple[str, float]]]  # the fault script's word on one push: (action, seconds)

FAILURES: tuple[tuple[type[Exception], str], ...] = (
    (TimeoutError, "no answer in time"),
    (aiohttp.InvalidURL, "no valid address"),
    (aiohttp.ClientConnectorError, "not reachable"),
    (Exception, "connection broken"),
)
OLDER_WORDS = {"SUCCESSFUL": "SUCCESS", "FAILED": "FAIL"}


@dataclass(slots=True)
class Push:
    address: Address
    device_id: str
    command_id: str
    status: str
    detail: dict[str, Any] | None
    born: float
    tries: int = 0


@dataclass
class Address:
    """One callbackUrl; closed while it counts as invalid."""

    url: str
    failures: int = 0  # in a row
    open: bool = True
    retest_at: float = 0.0
    waiting: deque[Push] = field(default_factory=deque)
    ready: bool = False  # stands in the queue of addresses


@dataclass
class Pushes:
    """`offer` never waits; `run` sends until it is cancelled."""

    delivery: Callable[[], Delivery]
    faults: Chance
    addresses: dict[str, Address] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    last: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=200))
    _ready: deque[Address] = field(default_factory=deque)
    _later: list[tuple[float, int, Push]] = field(default_factory=list)
    _order: itertools.count[int] = field(default_factory=itertools.count)
    _bell: asyncio.Event = field(default_factory=asyncio.Event)

    def offer(
        self, url: str, device_id: str, command_id: str, status: str, detail: dict[str, Any] | None
    ) -> None:
        """Queue one push, subject to the fault script."""
        address = self.addresses.setdefault(url, Address(url))
        push = Push(address, device_id, command_id, status, detail, time.monotonic())
        self.counts["offered"] += 1
        wait = 0.0
        for action, seconds in self.faults():
            self.counts[action] += 1
            if action == "lose":
                self._note(push, "lost on purpose")
                return
            if action == "duplicate":
                self._queue(push)
            else:
                wait += seconds
        if wait:
            heapq.heappush(self._later, (push.born + wait, next(self._order), push))
        else:
            self._queue(push)

    @property
    def waiting(self) -> int:
        return len(self._later) + sum(len(address.waiting) for address in self.addresses.values())

    async def run(self) -> None:
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=60, ssl=False)
        headers = {"Content-Type": "application/json", "User-Agent": "iot-platform"}
        async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
            workers = [asyncio.create_task(self._work(session)) for _ in range(self.delivery().workers)]
            try:
                await self._keep_time()
            finally:
                for worker in workers:
                    worker.cancel()
                await asyncio.gather(*workers, return_exceptions=True)

    async def _work(self, session: aiohttp.ClientSession) -> None:
        while True:
            while not self._ready:
                self._bell.clear()
                await self._bell.wait()
            address = self._ready.popleft()
            address.ready = False
            if not address.waiting:
                continue
            push = address.waiting.popleft()
            if address.open:
                self._announce(address)
            if push.tries and time.monotonic() - push.born > self.delivery().keep:
                self._drop(push, "dropped, too old")
                continue
            await self._send(session, push)

    async def _send(self, session: aiohttp.ClientSession, push: Push) -> None:
        address, delivery = push.address, self.delivery()
        push.tries += 1
        try:
            timeout = aiohttp.ClientTimeout(total=delivery.answer)
            data = json.dumps(body_of(push, delivery.body), ensure_ascii=False).encode("utf-8", "replace")
            async with session.post(address.url, data=data, timeout=timeout, allow_redirects=False) as reply:
                await reply.content.read(65_536)
                outcome = str(reply.status)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as failure:
            outcome = next(words for kind, words in FAILURES if isinstance(failure, kind))
        self.counts["sent"] += 1
        self._note(push, outcome)
        if outcome == "200":
            self.counts["accepted"] += 1
            address.failures, address.open = 0, True
            self._announce(address)
            if len(self.addresses) > 1000 and not address.waiting:
                self.addresses.pop(address.url, None)
            return
        self.counts["failed"] += 1
        address.failures += 1
        if address.failures >= delivery.failures:
            address.open = False
            address.retest_at = time.monotonic() + delivery.retest
            self._queue(push)
        else:
            heapq.heappush(self._later, (time.monotonic() + delivery.retry, next(self._order), push))

    async def _keep_time(self) -> None:
        """Bring back what was put off, and re-test invalid addresses."""
        while True:
            now = time.monotonic()
            while self._later and self._later[0][0] <= now:
                self._queue(heapq.heappop(self._later)[2])
            for address in list(self.addresses.values()):
                if not address.open and address.retest_at <= now:
                    keep = self.delivery().keep
                    while address.waiting and now - address.waiting[0].born > keep:
                        self._drop(address.waiting.popleft(), "dropped, too old")
                    address.retest_at = now + self.delivery().retest
                    self._announce(address)
                if not address.open and not address.waiting and not address.ready:
                    address.open = True  # with its failures: the next one closes it again
            await asyncio.sleep(0.02)

    def _queue(self, push: Push) -> None:
        address = self.addresses.setdefault(push.address.url, push.address)
        push.address = address
        address.waiting.append(push)
        if len(address.waiting) > self.delivery().backlog:
            self._drop(address.waiting.popleft(), "dropped, too many")
        if address.open:
            self._announce(address)

    def _announce(self, address: Address) -> None:
        if address.waiting and not address.ready:
            address.ready = True
            self._ready.append(address)
            self._bell.set()

    def _drop(self, push: Push, why: str) -> None:
        self.counts["dropped"] += 1
        self._note(push, why)

    def _note(self, push: Push, outcome: str) -> None:
        self.last.append(
            {"at": time.time(), "url": push.address.url, "outcome": outcome, "tries": push.tries}
            | {
                "deviceId": push.device_id,
                "commandId": push.command_id,
                "status": push.status,
                "detail": push.detail,
            }
        )


def body_of(push: Push, shape: str) -> dict[str, Any]:
    """The push's body in one of the shapes seen in the wild (facts 3.1, `config.PUSH_BODIES`)."""
    ids = {"deviceId": push.device_id, "commandId": push.command_id}
    if shape == "short":
        result: dict[str, Any] = {"resultCode": push.status}
        if push.detail is not None:
            result["resultDetail"] = push.detail
        return {"result": result, **ids}
    if shape == "older":
        word = OLDER_WORDS.get(push.status, push.status)
        return {**ids, "result": {"status": word, "result": push.detail or {}}}
    nothing = "" if shape == "empty" else None
    detail = nothing if push.detail is None else push.detail
    return {**ids, "result": {"resultCode": push.status, "resultDetail": detail}}
