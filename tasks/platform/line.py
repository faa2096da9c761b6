"""One new connection per call, which knows the moment before the first byte of the request."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from requests import PreparedRequest, Response, Session
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, Retry
from urllib3.connection import HTTPConnection, HTTPSConnection

IDLE = 15.0
"""Seconds of silence after which a platform that was reached counts as gone."""


class HookFailed(Exception):
    """What the caller wanted done before sending was not done; the cause is kept on the line."""


class TooLate(Exception):
    """The deadline passed before the first byte was sent."""


class Line:
    """The state of one call: how far it came, and a way to cut it off."""

    def __init__(self, deadline: float, before_sending: Callable[[], None] | None) -> None:
        self.ends = time.monotonic() + deadline
        self.idle = min(IDLE, deadline)
        self.sent = False
        self.failure: BaseException | None = None
        self.hook_failure: BaseException | None = None
        self._before_sending = before_sending
        self._connected = False
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()
        self._timer = threading.Timer(deadline, self._cut)
        self._timer.daemon = True
        self._timer.start()

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *exception: object) -> None:
        self._timer.cancel()
        with self._lock:
            if self._socket:
                self._socket.close()
                self._socket = None

    @property
    def late(self) -> bool:
        """Whether the deadline has passed."""
        return time.monotonic() >= self.ends

    def hold(self, sock: socket.socket) -> None:
        """Keep a second handle: TLS takes the first one away, and a drip must be cut off there too."""
        if self._connected:
            raise ConnectionError("one call uses one connection")
        with self._lock:
            if self._socket:
                self._socket.close()
            self._socket = sock.dup()

    def ready(self) -> None:
        """Connected: let the caller write its intent, and from here on count every failure as sent."""
        self._connected = True
        if self.late:
            raise TooLate
        if self._before_sending:
            try:
                self._before_sending()
            except BaseException as failure:
                self.hook_failure = failure
                raise HookFailed from failure
        if self.late:
            raise TooLate
        self.sent = True

    def _cut(self) -> None:
        with self._lock:
            if self._socket:
                with suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)


class _Connecting:
    """Connect, then intent, then send: shared by both kinds of connection."""

    line: Line
    sock: Any
    timeout: Any

    def _new_conn(self) -> socket.socket:
        sock: socket.socket = super()._new_conn()  # type: ignore[misc]
        try:
            self.line.hold(sock)
        except BaseException:
            sock.close()
            raise
        return sock

    def connect(self) -> None:
        try:
            super().connect()  # type: ignore[misc]
        except Exception as failure:
            self.line.failure = failure
            raise
        # urllib3 would send under the shorter time limit that is meant for connecting.
        self.timeout = self.line.idle
        self.sock.settimeout(self.line.idle)
        self.line.ready()


class _PlainConnection(_Connecting, HTTPConnection):
    def __init__(self, *args: Any, line: Line, **options: Any) -> None:
        super().__init__(*args, **options)
        self.line = line


class _TLSConnection(_Connecting, HTTPSConnection):
    def __init__(self, *args: Any, line: Line, **options: Any) -> None:
        super().__init__(*args, **options)
        self.line = line


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = _TLSConnection


class _OneCall(HTTPAdapter):
    """Every request gets a pool of its own: no reuse, no proxy, no repetition, our TLS context only."""

    def __init__(self, line: Line, context: ssl.SSLContext | None) -> None:
        super().__init__(max_retries=Retry(0, read=False))
        self._line = line
        self._context = context

    def get_connection_with_tls_context(
        self, request: PreparedRequest, verify: Any, proxies: Any = None, cert: Any = None
    ) -> HTTPConnectionPool:
        host, _ = self.build_connection_pool_key_attributes(request, verify, cert)
        if self._context is None:
            return _PlainPool(host["host"], host["port"], line=self._line)
        return _TLSPool(host["host"], host["port"], ssl_context=self._context, line=self._line)

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """The context alone decides; requests would add the public authorities to a private one."""


class OneCallSession(Session):
    """A session for one request: nothing from the environment, and no redirect is even looked at."""

    def __init__(self, line: Line, context: ssl.SSLContext | None) -> None:
        super().__init__()
        self.trust_env = False
        self.mount("https://", _OneCall(line, context))
        self.mount("http://", _OneCall(line, None))

    def get_redirect_target(self, resp: Response) -> str | None:
        """None: requests would read a redirect's body without limit to find the next address."""
        return None
