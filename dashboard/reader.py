"""Is anybody still reading? A long answer that is written in a WSGI thread cannot see it by itself."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest

PATIENCE_SECONDS = 60.0
"""A reader that takes nothing for so long is gone, too: a stalled one would hold its thread for ever."""

GONE = "muster.gone"


async def watched(pages: Any, scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Run ``pages`` for a request without a body, and let its view know when the reader has gone."""
    gone = threading.Event()

    async def nothing() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def hand_over(message: dict[str, Any]) -> None:
        if gone.is_set():
            return  # the view will see it at its next part; a2wsgi's thread would wait for ever on an error
        try:
            await asyncio.wait_for(send(message), PATIENCE_SECONDS)
        except TimeoutError:
            gone.set()

    watch = asyncio.create_task(_watch(receive, gone))
    try:
        await pages({**scope, GONE: gone}, nothing, hand_over)
    finally:
        watch.cancel()


async def _watch(receive: Any, gone: threading.Event) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    gone.set()


def has_gone(request: HttpRequest) -> Callable[[], bool]:
    """Asks whether the reader of this request has gone. Behind another server it is never known: False."""
    gone = request.META.get("asgi.scope", {}).get(GONE)
    return gone.is_set if gone else lambda: False
