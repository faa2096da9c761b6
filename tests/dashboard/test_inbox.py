"""Group commit: what waits is bounded, nobody waits for ever, and a batch shares one commit but not one fate."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator, Sequence

import pytest

from dashboard import inbox as module
from dashboard.inbox import KEPT, UNKEPT, UNKNOWN, Inbox
from tasks.lifecycle import Arrival

from .apart import run_apart


class Store:
    """Stands for ``lifecycle.receive``: tokens that are numbers are known; it can be made slow or broken."""

    def __init__(self) -> None:
        self.commits: list[int] = []
        self.open = threading.Event()
        self.open.set()
        self.failures = 0

    def receive(self, arrivals: Sequence[Arrival]) -> list[int | None]:
        self.open.wait(10)
        if self.failures:
            self.failures -= 1
            raise OSError("the connection is gone")
        self.commits.append(len(arrivals))
        return [int(each.token) if each.token.isdecimal() else None for each in arrivals]


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    made = Store()
    monkeypatch.setattr(module, "receive", made.receive)
    monkeypatch.setattr(module, "BELL_SECONDS", 0.01)
    monkeypatch.setattr(module, "ring", lambda *_: None)
    yield made
    time.sleep(0.05)  # the threads live on: what they have to ring must not be heard by other tests


async def keep(inbox: Inbox, *tokens: str, body: bytes = b"{}") -> list[str]:
    return await asyncio.gather(*[inbox.keep(Arrival(token, body)) for token in tokens])


def test_what_comes_together_is_committed_together(store: Store) -> None:
    store.open.clear()

    async def run() -> list[str]:
        inbox = Inbox()
        asyncio.get_running_loop().call_later(0.2, store.open.set)
        return await keep(inbox, *["7"] * 50, "nobody", *["8"] * 49)

    assert run_apart(run()) == [KEPT] * 50 + [UNKNOWN] + [KEPT] * 49
    assert sum(store.commits) == 100
    assert len(store.commits) <= 2


def test_more_than_can_wait_is_sent_away_at_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Back-pressure: told to come again, and neither lost nor kept unanswered."""
    monkeypatch.setattr(module, "MOST_WAITING", 10)
    store.open.clear()

    async def run() -> list[str]:
        inbox = Inbox()
        asyncio.get_running_loop().call_later(0.2, store.open.set)
        first = await keep(inbox, *["7"] * 50)
        return first + await keep(inbox, "7")

    *outcomes, afterwards = run_apart(run())
    assert 10 <= outcomes.count(KEPT) <= 11
    assert outcomes.count(KEPT) + outcomes.count(UNKEPT) == 50
    assert afterwards == KEPT


def test_large_bodies_fill_the_room_before_small_ones_do(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_BYTES_WAITING", 10_000)
    store.open.clear()

    async def run() -> list[str]:
        inbox = Inbox()
        asyncio.get_running_loop().call_later(0.2, store.open.set)
        first = await keep(inbox, *["7"] * 30, body=b"x" * 1000)
        return first + await keep(inbox, *["7"] * 5, body=b"x" * 1000)

    outcomes = run_apart(run())
    assert outcomes == [KEPT] * 10 + [UNKEPT] * 20 + [KEPT] * 5


def test_a_connection_that_is_gone_costs_a_second_try_and_no_push(store: Store) -> None:
    store.failures = 1
    assert run_apart(keep(Inbox(), "7", "nobody")) == [KEPT, UNKNOWN]


def test_what_cannot_be_kept_is_not_acknowledged(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    store.failures = 2

    async def run() -> list[str]:
        inbox = Inbox()
        return await keep(inbox, "7") + await keep(inbox, "7")

    assert run_apart(run()) == [UNKEPT, KEPT]
    assert caplog.text.count("callbacks could not be kept") == 1


def test_nobody_waits_for_a_database_that_hangs(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first are answered when the patience is over, later ones at once, and afterwards all is well."""
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.3)
    store.open.clear()

    async def run() -> list[str]:
        inbox = Inbox()
        loop = asyncio.get_running_loop()
        began = loop.time()
        first = await keep(inbox, *["7"] * 20)
        assert loop.time() - began < 2
        answers = [inbox.keep(Arrival("7", b"{}")) for _ in range(20)]
        assert all(answer.done() for answer in answers)
        later = [answer.result() for answer in answers]
        store.open.set()
        await asyncio.sleep(0.2)
        return first + later + await keep(inbox, "7")

    assert run_apart(run()) == [UNKEPT] * 40 + [KEPT]


def test_a_broker_that_is_slow_does_not_hold_up_pushes(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    rung: list[int] = []
    monkeypatch.setattr(module, "ring", lambda _, pk: (rung.append(pk), threading.Event().wait(0.5)))

    async def run() -> None:
        inbox = Inbox()
        for number in range(20):
            assert await keep(inbox, str(number % 2)) == [KEPT]
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.6)

    began = time.monotonic()
    run_apart(run())
    assert time.monotonic() - began < 1.5
    assert {0, 1} <= {*rung}
