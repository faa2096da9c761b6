"""What the web process serves: pushes at their own door, every page through Django's WSGI handler in threads.

``application`` serves both; ``callbacks`` serves pushes alone, for processes that do nothing else.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
from collections import Counter
from typing import Any, cast

from a2wsgi import WSGIMiddleware
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")
pages: Any = WSGIMiddleware(cast(Any, get_wsgi_application()), workers=8)

from dashboard.inbox import Inbox  # noqa: E402 - needs the applications loaded
from dashboard.reader import watched  # noqa: E402
from dashboard.views.callbacks import KEPT, PREFIX, answered, door  # noqa: E402
from tasks.lifecycle.receive import refusals  # noqa: E402

logger = logging.getLogger(__name__)

inbox = Inbox()
ALIVE = "/livez"


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "http" and scope["path"].startswith(PREFIX):
        await door(scope, receive, send, inbox)
    elif scope["type"] == "http" and scope["path"].endswith((".csv", ".jsonl")):
        await watched(pages, scope, receive, send)
    elif scope["type"] == "lifespan":
        await _lifespan(receive, send)
    else:
        await pages(scope, receive, send)


async def callbacks(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "http" and not scope["path"].startswith((PREFIX, ALIVE)):
        await send({"type": "http.response.start", "status": 404, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body"})
    else:
        await application(scope, receive, send)


async def _lifespan(receive: Any, send: Any) -> None:
    gc.collect()
    gc.freeze()  # what is loaded by now stays; looking through it again and again would hold up pushes
    telling = asyncio.create_task(_tell())
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            telling.cancel()
            return


async def _tell() -> None:
    """A line a minute when pushes were refused; one for each would drown the log in a flood."""
    before: Counter[str] = Counter()
    while True:
        await asyncio.sleep(60)
        now = Counter({str(status): count for status, count in answered.items()}) + refusals
        new, before = now - before, now
        if set(new) - {str(KEPT)}:
            told = ", ".join(f"{kind}: {count:,}" for kind, count in sorted(new.items()))
            logger.warning("callbacks answered in the last minute, by status: %s", told)
