"""One HTTP call: bounded in time and size, never repeated, and clear about whether anything was sent."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

import requests
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, SSLError

from tasks.platform.connection import Connection, check_url, ssl_context
from tasks.platform.errors import NotAccepted, OutcomeUnknown, PlatformError
from tasks.platform.line import Line, OneCallSession, TooLate

CONNECT = 5.0
"""Seconds for reaching one address of the platform."""

_HEADER_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")
_TLS_SENTENCES: dict[int, str] = {
    9: "The platform's certificate is not valid yet: compare the clocks.",
    10: "The platform's certificate has expired.",
    18: "The platform's certificate signs itself: name it as the authority if you trust it.",
    19: "The platform's certificate comes from an unknown authority: name the CA bundle of the platform.",
    20: "The platform's certificate comes from an unknown authority: name the CA bundle of the platform.",
    21: "The platform's certificate comes from an unknown authority: name the CA bundle of the platform.",
    62: "The platform's certificate is for another host name.",
    64: "The platform's certificate is for another IP address.",
}


@dataclass(frozen=True)
class Answer:
    """What came back: the status, the headers (lower-case names) and the whole body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def call(
    connection: Connection,
    method: str,
    path: str,
    *,
    headers: Mapping[str, str],
    body: bytes | None = None,
    query: Mapping[str, object] | None = None,
    before_sending: Callable[[], None] | None = None,
    deadline: float = 60.0,
    limit: int = 1 << 20,
) -> Answer:
    """Send one request over a new connection and read its answer, whatever the status says.

    ``before_sending`` is called once TCP and TLS stand and before the first byte of the request; what it
    raises comes out unchanged. ``deadline`` is the limit in seconds for everything, ``limit`` the largest
    body in bytes. Raises NotAccepted (``sent`` False) for whatever fails before the first byte, and
    OutcomeUnknown (``sent`` True) for whatever fails after it.
    """
    context = _context(connection, headers)
    url = connection.url.rstrip("/") + path + (f"?{urlencode(query)}" if query else "")
    with Line(deadline, before_sending) as line:
        try:
            with (
                OneCallSession(line, context) as session,
                session.request(
                    method,
                    url,
                    data=body,
                    headers={**_COMMON, **headers},
                    timeout=(min(CONNECT, deadline), line.idle),
                    allow_redirects=False,
                    stream=True,
                ) as response,
            ):
                content = b"".join(_bounded(response, line, limit))
                return Answer(
                    response.status_code, {k.lower(): v for k, v in response.headers.items()}, content
                )
        except PlatformError:
            raise
        except Exception as error:
            if line.sent:
                raise _lost(error, line) from error
            if not line.hook_failure:
                raise _not_reached(line.failure or error) from error
    raise line.hook_failure


_COMMON = {
    "Accept": "application/json",
    "Accept-Encoding": "identity",
    "Connection": "close",
    "User-Agent": "Muster",
}


def _context(connection: Connection, headers: Mapping[str, str]) -> ssl.SSLContext | None:
    if problem := check_url(connection.url):
        raise NotAccepted(problem, reason="unreachable")
    for name, value in headers.items():
        if not _HEADER_VALUE.fullmatch(value):
            raise NotAccepted(f"The header {name} cannot hold this value.", reason="login")
    if not connection.url.lower().startswith("https:"):
        return None
    try:
        return ssl_context(connection)
    except (OSError, ValueError) as error:
        raise NotAccepted("The certificate files of this connection cannot be used.", reason="tls") from error


def _bounded(response: requests.Response, line: Line, limit: int) -> Iterator[bytes]:
    size = 0
    for chunk in response.raw.stream(1 << 16, decode_content=True):
        size += len(chunk)
        if size > limit:
            raise OutcomeUnknown(
                f"The platform's answer is larger than {limit:,} bytes.",
                reason="too large",
                status=response.status_code,
                sent=True,
            )
        yield chunk
    # A connection that we cut off looks like a body's regular end when no length was announced.
    announced = response.headers.keys() & {"content-length", "transfer-encoding"}
    if line.late and not announced:
        raise TooLate


def _lost(error: Exception, line: Line) -> OutcomeUnknown:
    if line.late or isinstance(error, TooLate):
        sentence = "The platform did not finish its answer in time."
    elif isinstance(error, requests.Timeout) or "timed out" in str(error):
        sentence = "The platform fell silent after the request was sent."
    else:
        sentence = "The connection broke after the request was sent."
    tls = any(isinstance(cause, ssl.SSLError) for cause in _causes(error))
    return OutcomeUnknown(sentence, reason="tls" if tls else "no answer", sent=True)


def _not_reached(error: BaseException) -> NotAccepted:
    causes = list(_causes(error))
    for kinds, reason, sentence in _UNREACHED:
        if found := next((cause for cause in causes if isinstance(cause, kinds)), None):
            code = getattr(found, "verify_code", 0)
            return NotAccepted(_TLS_SENTENCES.get(code, sentence), reason=reason)
    return NotAccepted("The platform could not be reached.", reason="unreachable")


_UNREACHED: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], str, str], ...] = (
    (ssl.SSLCertVerificationError, "tls", "The platform's certificate could not be verified."),
    ((ssl.SSLError, SSLError), "tls", "The platform and Muster could not agree on a TLS connection."),
    ((NameResolutionError, socket.gaierror), "unreachable", "The platform's host name is not known."),
    (ConnectionRefusedError, "unreachable", "The platform's host refuses connections at this port."),
    ((ConnectTimeoutError, TimeoutError, TooLate), "unreachable", "The platform did not answer in time."),
    (ConnectionError, "unreachable", "The platform's host broke the connection off."),
)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
