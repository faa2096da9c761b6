"""Whoever takes too long is given up, and nobody else is."""

from __future__ import annotations

import asyncio

import pytest

from dashboard import patience as module
from dashboard.patience import Patience

from .apart import run_apart


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.02)


async def within(patience: Patience, seconds: float) -> str:
    try:
        with patience:
            await asyncio.sleep(seconds)
    except TimeoutError:
        await asyncio.sleep(0)  # it can go on: nothing of the cancellation is left
        return "given up"
    return "done"


def test_what_takes_too_long_is_given_up_and_its_neighbour_is_not() -> None:
    async def run() -> list[str]:
        patience = Patience(0.1)
        first = await asyncio.gather(within(patience, 30), within(patience, 0.01), within(patience, 30))
        return [*first, await within(patience, 30)]  # nobody was waiting meanwhile

    assert run_apart(asyncio.wait_for(run(), 5)) == ["given up", "done", "given up", "given up"]


def test_a_cancellation_by_somebody_else_stays_one() -> None:
    async def run() -> None:
        task = asyncio.create_task(within(Patience(10), 30))
        await asyncio.sleep(0.05)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        run_apart(run())


def test_an_error_inside_is_the_error_outside() -> None:
    async def run() -> None:
        with Patience(1):
            raise ConnectionError("broken off")

    with pytest.raises(ConnectionError, match="broken off"):
        run_apart(run())


def test_nobody_looks_when_nobody_waits() -> None:
    async def run() -> bool:
        patience = Patience(0.1)
        assert await within(patience, 0) == "done"
        await asyncio.sleep(0.1)
        return patience._looking

    assert not run_apart(run())
