"""The passing of time: moves every unfinished command on, and pushes each change."""

from __future__ import annotations

import asyncio
import functools
import time

from .dispatch import STATUSES, Dispatch
from .platform import Platform

TICK = 0.02  # seconds
STRIDE = 200  # changes between two breaths of the event loop
BACKLOG = 20_000  # pushes waiting for a slow receiver at which its tasks pause; a dead one is not waited for


async def live(platform: Platform) -> None:
    """Run until cancelled."""
    last = time.monotonic()
    while True:
        await asyncio.sleep(TICK)
        now = time.monotonic()
        platform.now += (now - last) * platform.config.pace.speed
        last = now
        for dispatch in list(platform.active):
            await _advance(platform, dispatch)
        platform.active = [dispatch for dispatch in platform.active if not dispatch.finished]


async def _advance(platform: Platform, dispatch: Dispatch) -> None:
    if _backed_up(platform, dispatch):
        return
    deal = functools.partial(platform.deal, dispatch)
    for count, (position, status) in enumerate(dispatch.advance(platform.now, deal)):
        if dispatch.callback:
            platform.pushes.offer(
                dispatch.callback,
                platform.device_id(dispatch, position),
                platform.command_id(dispatch, position),
                STATUSES[status],
                platform.detail(dispatch, position),
            )
        if count % STRIDE == STRIDE - 1:
            await asyncio.sleep(0)
            if _backed_up(platform, dispatch):
                break


def _backed_up(platform: Platform, dispatch: Dispatch) -> bool:
    address = platform.pushes.addresses.get(dispatch.callback or "")
    return address is not None and address.open and len(address.waiting) > BACKLOG
