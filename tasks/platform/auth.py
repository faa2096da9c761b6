"""Getting an access token. A new login makes the old token invalid, so let only one happen at a time.

The vendor also offers to refresh a token, which takes one call as a login does: there is only the one way.
Source: the vendor's pages on authentication.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlencode

from tasks.platform.connection import Connection
from tasks.platform.errors import NotAccepted, PlatformError, Throttled
from tasks.platform.transport import call
from tasks.platform.verdicts import bad_answer, members

LOGIN = "/iocm/app/sec/v1.1.0/login"
EXPIRES_IN = 3600
"""Seconds a token lives where the answer does not say."""


@dataclass(frozen=True)
class Token:
    """An access token and its life in seconds."""

    access: str = field(repr=False)
    expires_in: int


def login(connection: Connection, *, deadline: float = 30.0) -> Token:
    """A new token for the connection's appId and secret.

    Raises NotAccepted whatever goes wrong, with the reason "login" for a wrong secret: a lost login does
    no harm, and a task that has no token waits.
    """
    body = urlencode({"appId": connection.app_id, "secret": connection.secret}).encode()
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    try:
        answer = call(connection, "POST", LOGIN, headers=headers, body=body, deadline=deadline)
        content = members(answer, connection.secret)
        access = content.get("accessToken")
        if not isinstance(access, str) or not access.isascii() or not access.isprintable() or not access:
            problem = "The platform's answer to the login holds no access token."
            raise bad_answer(answer, problem, connection.secret)
    except PlatformError as error:
        raise _waiting(error) from error
    return Token(access, _seconds(content.get("expiresIn")))


def _waiting(error: PlatformError) -> NotAccepted:
    """The same failure as one to wait for; what the platform refuses at the login is the login itself."""
    kind = Throttled if isinstance(error, Throttled) else NotAccepted
    reason = "login" if error.reason in ("refused", "token") else error.reason
    return kind(
        f"No login: {error}",
        reason=reason,
        status=error.status,
        code=error.code,
        description=error.description,
        answer=error.answer,
        sent=error.sent,
    )


def _seconds(value: object) -> int:
    text = str(value)
    return int(text) if text.isdecimal() and 0 < len(text) < 9 and int(text) else EXPIRES_IN
