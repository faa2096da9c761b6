"""What the web process serves: pushes at their own door, every page through Django's WSGI handler in threads.

``application`` serves both; ``callbacks`` serves pushes alone, for processes that do nothing else.
"""

from __future__ import annotations

import gc
import os
from typing import Any, cast

from a2wsgi import WSGIMiddleware
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")
pages: Any = WSGIMiddleware(cast(Any, get_wsgi_application()), workers=8)

from dashboard.inbox import Inbox  # noqa: E402 - needs the applications loaded
from dashboard.reader import watched  # noqa: E402
from dashboard.views.callbacks import PREFIX, door  # noqa: E402

inbox = Inbox()


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
    if scope["type"] == "http" and scope["path"] not in OTHERS:
        await door(scope, receive, send, inbox)
    else:
        await application(scope, receive, send)


OTHERS = ("/livez",)


async def _lifespan(receive: Any, send: Any) -> None:
    gc.collect()
    gc.freeze()  # what is loaded by now stays; looking through it again and again would hold up pushes
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
