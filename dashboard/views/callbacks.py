"""Where the platform pushes answers: keep the raw body, durably, then answer 200.

Two doors, one rule: the checks in ``CHECKS``, then ``lifecycle.receive``. ``callback`` is the Django view, for any
server, which ``pushes_first`` puts before sessions and forms. ``door`` is the ASGI application that
``dashboard.asgi`` puts before Django: pushes of the same moment share one commit. Answers have no body and no
cookie, and a token is never logged.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt

from dashboard import inbox
from dashboard.inbox import Inbox
from dashboard.patience import Patience
from dashboard.sources import allowed, source
from tasks.bells import ring
from tasks.lifecycle import Arrival, receive
from tasks.lifecycle.receive import MOST_BYTES, TOKEN

logger = logging.getLogger(__name__)

PREFIX = "/callbacks/"
BODY_SECONDS = 10.0
"""A body that takes longer to come is no push; its connection is needed by others."""

KEPT, BAD, FORBIDDEN, UNKNOWN, NOT_POST, TOO_SLOW, NO_LENGTH = 200, 400, 403, 404, 405, 408, 411
TOO_LARGE, COMPRESSED, UNAVAILABLE = 413, 415, 503
HEADERS: dict[int, dict[str, str]] = {
    NOT_POST: {"Allow": "POST"},
    TOO_SLOW: {"Connection": "close"},
    TOO_LARGE: {"Connection": "close"},
    UNAVAILABLE: {"Retry-After": "5"},
}
OUTCOMES = {inbox.KEPT: KEPT, inbox.UNKNOWN: UNKNOWN, inbox.UNKEPT: UNAVAILABLE}

PLAIN = "", "identity"
"""Values of Content-Encoding under which a body is what it says."""

LONGEST = 20
"""Characters of a Content-Length by which it is judged."""

patience = Patience(BODY_SECONDS)

answered: Counter[int] = Counter()
"""Status -> answers of this process."""


class Request(NamedTuple):
    """A request before its body is read; a header that is missing is empty."""

    method: str
    length: str
    chunked: bool
    encoded: bool
    welcome: bool
    """May pushes come from its sender?"""
    whole: bool = True
    """Does the server give us chunked bodies whole?"""


CHECKS: tuple[tuple[Callable[[Request], bool], int], ...] = (
    (lambda request: request.method != "POST", NOT_POST),
    (lambda request: not request.welcome, FORBIDDEN),
    (lambda request: request.chunked and request.length != "", BAD),  # two lengths for one body are an attack
    (lambda request: request.chunked and not request.whole, NO_LENGTH),  # it would look like an empty body
    (lambda request: request.length != "" and not _is_length(request.length), BAD),
    (lambda request: request.length != "" and int(request.length) > MOST_BYTES, TOO_LARGE),
    (lambda request: request.encoded, COMPRESSED),
)
"""The first that is true decides; a body is read when none is."""


@lru_cache(1024)
def _refusal(request: Request) -> int | None:
    for wrong, status in CHECKS:
        if wrong(request):
            return status
    return None


def _is_length(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < LONGEST


@login_not_required
@csrf_exempt
def callback(request: HttpRequest, token: str) -> HttpResponse:
    """Answers 200 only for what is committed, 404 for a token that opens nothing, 503 when nothing can be kept."""
    status = _received(request, token)
    answered[status] += 1
    answer = HttpResponse(status=status, headers={"Content-Length": "0", **HEADERS.get(status, {})})
    del answer["Content-Type"]
    answer._has_been_logged = True  # type: ignore[attr-defined]  # Django would log the path, and with it the token
    return answer


def pushes_first(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Middleware: what comes from a machine needs no session, and is known by its token whatever host it names."""

    def answer(request: HttpRequest) -> HttpResponseBase:
        if request.path_info.startswith(PREFIX):
            return callback(request, request.path_info.removeprefix(PREFIX).removesuffix("/"))
        return get_response(request)

    return answer


def _received(request: HttpRequest, token: str) -> int:
    told = request.headers
    length = told.get("Content-Length", "")
    chunked, encoded = "Transfer-Encoding" in told, told.get("Content-Encoding", "") not in PLAIN
    sender = source(request.META.get("REMOTE_ADDR", ""), told.get("X-Forwarded-For", ""))
    whole = bool(request.META.get("wsgi.input_terminated"))
    asked = Request(request.method or "", length[:LONGEST], chunked, encoded, allowed(sender), whole)
    if refusal := _refusal(asked):
        return refusal
    body = request.read(MOST_BYTES + 1)
    if len(body) > MOST_BYTES:
        return TOO_LARGE
    if len(body) < int(length or 0):
        return BAD
    if not TOKEN.fullmatch(token):
        return UNKNOWN
    try:
        (task_id,) = receive([Arrival(token, body, sender)])
    except Exception:
        logger.exception("a callback could not be kept")
        return UNAVAILABLE
    if task_id is None:
        return UNKNOWN
    ring("settle", task_id)
    return KEPT


async def door(scope: dict[str, Any], read: Any, send: Any, inbox: Inbox) -> None:
    """The same as ``callback``, as an ASGI application for paths below ``PREFIX``."""
    status = await _receive(scope, read, inbox)
    answered[status] += 1
    await send(STARTS[status])
    await send(END)


async def _receive(scope: dict[str, Any], read: Any, inbox: Inbox) -> int:
    told = dict(scope["headers"])
    length = told.get(b"content-length", b"").decode("latin-1")
    chunked = b"transfer-encoding" in told
    encoded = told.get(b"content-encoding", b"").decode("latin-1") not in PLAIN
    client = scope.get("client")
    sender = source(client[0] if client else "", _forwarded(scope) if b"x-forwarded-for" in told else "")
    asked = Request(scope["method"], length[:LONGEST], chunked, encoded, allowed(sender))
    if refusal := _refusal(asked):
        return refusal
    try:
        with patience:
            message = await read()
            body = bytearray(message.get("body", b""))
            while message.get("more_body", False) and len(body) <= MOST_BYTES:
                message = await read()
                body += message.get("body", b"")
    except TimeoutError:
        return TOO_SLOW
    if message["type"] == "http.disconnect":
        return BAD
    if len(body) > MOST_BYTES:
        return TOO_LARGE
    token = scope["path"].removeprefix(PREFIX).removesuffix("/")
    if not TOKEN.fullmatch(token):
        return UNKNOWN
    return OUTCOMES[await inbox.keep(Arrival(token, bytes(body), sender))]


def _forwarded(scope: dict[str, Any]) -> str:
    """All headers X-Forwarded-For as one."""
    return ",".join(value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for")


def _start(status: int) -> dict[str, Any]:
    headers = {"Content-Length": "0", **HEADERS.get(status, {})}
    pairs = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http.response.start", "status": status, "headers": pairs}


ALL = {KEPT, UNAVAILABLE, BAD, TOO_SLOW, UNKNOWN, *(status for _, status in CHECKS)}
STARTS = {status: _start(status) for status in ALL}
END = {"type": "http.response.body", "body": b""}
