"""How a call fails: exceptions named by what the caller does next, and the rules that choose among them."""

from __future__ import annotations

import json
import re
from typing import ClassVar
from urllib.parse import quote, quote_plus

from tasks.platform.catalogue import CATALOGUE, Consequence, ErrorRow

__all__ = [
    "CATALOGUE",
    "Consequence",
    "ErrorRow",
    "Full",
    "NotAccepted",
    "OutcomeUnknown",
    "PlatformError",
    "Refused",
    "Throttled",
    "TokenRejected",
    "classify",
    "excerpt",
    "look_up",
    "reason_for",
]

EXCERPT = 4096
"""Characters of an answer that are kept with an error."""

_EXACT = {(row.status, row.code): row for row in CATALOGUE}
_BY_CODE = {row.code: row for row in reversed(CATALOGUE)}

_BY_STATUS: dict[int, tuple[Consequence, str]] = {
    301: (Consequence.REFUSED, "redirect"),
    302: (Consequence.UNKNOWN, "redirect"),
    303: (Consequence.UNKNOWN, "redirect"),
    307: (Consequence.REFUSED, "redirect"),
    308: (Consequence.REFUSED, "redirect"),
    408: (Consequence.UNKNOWN, "no answer"),
    429: (Consequence.NOT_ACCEPTED, "throttled"),
}


def look_up(status: int | None, code: str) -> ErrorRow | None:
    """The row for this status and code, else the first row with this code, else None."""
    return _EXACT.get((status, code)) or _BY_CODE.get(code)


def classify(status: int, code: str) -> Consequence:
    """What an answer that is no success means; ``code`` is "" where the answer carries no error_code.

    A known code decides, whatever the status it came with. Without one the status decides, and only two
    kinds of status say that nothing was created: a redirect that would repeat the POST elsewhere, and a
    4xx in which the platform itself names an error. Everything else is UNKNOWN, also an unlisted
    error_code with HTTP 200: what the platform did before it said so is not known.
    """
    return _judge(status, code)[0]


def reason_for(status: int, code: str) -> str:
    """The slug that goes with ``classify``: "full", "throttled", "token", "server error", ..."""
    return _judge(status, code)[1]


def _judge(status: int, code: str) -> tuple[Consequence, str]:
    if row := look_up(status, code):
        return row.consequence, row.reason
    if by_status := _BY_STATUS.get(status):
        return by_status
    if 400 <= status < 500 and code:
        return Consequence.REFUSED, "refused"
    if status == 401:
        return Consequence.NOT_ACCEPTED, "token"
    return Consequence.UNKNOWN, "server error" if status >= 500 else "bad answer"


class PlatformError(Exception):
    """A call that did not succeed; its text is a sentence for people.

    ``reason`` is a short slug, ``code`` is "" where the platform named none, ``description`` is as the
    platform sent it, ``answer`` is an excerpt without secrets, ``sent`` tells whether any byte of the
    request may have left.
    """

    consequence: ClassVar[Consequence] = Consequence.UNKNOWN

    def __init__(
        self,
        sentence: str = "",
        *,
        reason: str = "",
        status: int | None = None,
        code: str = "",
        description: str = "",
        answer: str = "",
        sent: bool = False,
    ) -> None:
        super().__init__(sentence)
        self.reason = reason
        self.status = status
        self.code = code
        self.description = description
        self.answer = answer
        self.sent = sent


class NotAccepted(PlatformError):
    """Nothing was created: send the same request again later."""

    consequence = Consequence.NOT_ACCEPTED


class TokenRejected(NotAccepted):
    """Nothing was created: get another token first."""


class Throttled(NotAccepted):
    """Nothing was created: call less for a minute."""


class Full(NotAccepted):
    """Nothing was created: wait until the platform has a free place."""


class Refused(PlatformError):
    """Nothing was created and nothing will be: a person must change something."""

    consequence = Consequence.REFUSED


class OutcomeUnknown(PlatformError):
    """It may have been created: never send it again blindly."""

    consequence = Consequence.UNKNOWN


_SECRET_MEMBERS = re.compile(
    r'("(?:access_?token|refresh_?token|secret|password|authorization|app_?secret)"\s*:\s*")[^"]*',
    re.IGNORECASE,
)
_BEARER = re.compile(r"(bearer\s+)[\w.~+/=-]+", re.IGNORECASE)


def excerpt(body: bytes, *secrets: str) -> str:
    """The first 4096 characters of an answer, without control characters, tokens and the given secrets."""
    text = body[: EXCERPT * 4 + 1024].decode("utf-8", "replace").replace("\x00", "\ufffd")
    for secret in secrets:
        for written in {secret, quote(secret), quote_plus(secret), json.dumps(secret)[1:-1]} - {""}:
            text = text.replace(written, "***")
    text = _BEARER.sub(r"\1***", _SECRET_MEMBERS.sub(r"\1***", text))
    return text[:EXCERPT]
