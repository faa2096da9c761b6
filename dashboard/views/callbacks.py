"""Where the platform pushes answers: keep the raw body, durably, then answer 200.

Two doors, one rule (``lifecycle.receive``). ``callback`` is the Django view, for any server. ``door`` is the
ASGI application that ``dashboard.asgi`` puts before Django: pushes of the same moment share one commit.
"""

from __future__ import annotations

import asyncio
import logging
import re
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from dashboard.inbox import Inbox
from tasks.bells import ring
from tasks.lifecycle import Arrival, receive
from tasks.lifecycle.receive import MOST_BYTES

logger = logging.getLogger(__name__)

PREFIX = "/callbacks/"
TOKEN = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""Nothing else is looked up: one text that the database refuses would fail all arrivals of its commit."""
KEPT, TWO_LENGTHS, UNKNOWN, NOT_POST, NO_LENGTH = 200, 400, 404, 405, 411
TOO_LARGE, COMPRESSED, UNAVAILABLE = 413, 415, 503
HEADERS: dict[int, dict[str, str]] = {NOT_POST: {"Allow": "POST"}, UNAVAILABLE: {"Retry-After": "5"}}


@login_not_required
@csrf_exempt
def callback(request: HttpRequest, token: str) -> HttpResponse:
    """Answers 200 only for what is committed, 404 for a token nobody has, 503 when nothing can be kept."""
    if request.method != "POST":
        return _plain(NOT_POST)
    if "Transfer-Encoding" in request.headers:
        # A WSGI server may have left the chunks unread, and two lengths for one body are an attack.
        return _plain(TWO_LENGTHS if request.headers.get("Content-Length") else NO_LENGTH)
    if _length(request.headers.get("Content-Length", "")) > MOST_BYTES:
        return _plain(TOO_LARGE)
    if request.headers.get("Content-Encoding", "identity") != "identity":
        return _plain(COMPRESSED)
    body = request.read(MOST_BYTES + 1)
    if len(body) > MOST_BYTES:
        return _plain(TOO_LARGE)
    if not TOKEN.fullmatch(token):
        return _plain(UNKNOWN)
    try:
        (task_id,) = receive([Arrival(token, body, request.META.get("REMOTE_ADDR", ""))])
    except Exception:
        logger.exception("a callback could not be kept")
        return _plain(UNAVAILABLE)
    if task_id is None:
        return _plain(UNKNOWN)
    ring("settle", task_id)
    return _plain(KEPT)


def _plain(status: int) -> HttpResponse:
    return HttpResponse("", status=status, content_type="text/plain", headers=HEADERS.get(status, {}))


def _length(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else 0


async def door(scope: dict[str, Any], read: Any, send: Any, inbox: Inbox) -> None:
    """The same as ``callback``, as an ASGI application for paths below ``PREFIX``."""
    status = await _receive(scope, read, inbox)
    headers = {"Content-Type": "text/plain", "Content-Length": "0", **HEADERS.get(status, {})}
    if status == TOO_LARGE:
        headers["Connection"] = "close"
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        }
    )
    await send({"type": "http.response.body", "body": b""})


async def _receive(scope: dict[str, Any], read: Any, inbox: Inbox) -> int:
    token = scope["path"].removeprefix(PREFIX).removesuffix("/")
    if scope["method"] != "POST":
        return NOT_POST
    headers = dict(scope["headers"])
    if _length(headers.get(b"content-length", b"").decode("latin-1")) > MOST_BYTES:
        return TOO_LARGE
    if headers.get(b"content-encoding", b"identity") != b"identity":
        return COMPRESSED
    body = bytearray()
    more = True
    while more:
        message = await read()
        if message["type"] == "http.disconnect":
            return UNAVAILABLE
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > MOST_BYTES:
            return TOO_LARGE
    if not TOKEN.fullmatch(token):
        return UNKNOWN
    client = scope.get("client") or ("", 0)
    try:
        kept = await asyncio.wait_for(inbox.keep(Arrival(token, bytes(body), client[0])), timeout=12)
    except Exception:
        logger.exception("a callback could not be kept")
        return UNAVAILABLE
    return UNKNOWN if kept is None else KEPT
