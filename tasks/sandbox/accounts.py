"""The application's credentials: one valid pair of tokens at a time, and the calls of the last minute."""

from __future__ import annotations

import secrets
import string
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from .config import Config
from .errors import Refused

ALPHABET = string.ascii_lowercase + string.digits


@dataclass
class Account:
    """A login invalidates the token before it (facts 1.1: only the last one is valid)."""

    clock: Callable[[], float] = time.monotonic
    access: str = ""
    access_ends: float = 0.0
    refresh: str = ""
    refresh_ends: float = 0.0
    calls: deque[float] = field(default_factory=deque)

    def login(self, config: Config, app_id: str, secret: str) -> dict[str, str | int]:
        if app_id != config.app_id or not secrets.compare_digest(secret.encode(), config.secret.encode()):
            raise Refused("100208")
        return self.renew(config)

    def refreshed(self, config: Config, app_id: str, secret: str, token: str) -> dict[str, str | int]:
        if app_id != config.app_id or not secrets.compare_digest(secret.encode(), config.secret.encode()):
            raise Refused("100208")
        if not token or token != self.refresh or self.clock() >= self.refresh_ends:
            raise Refused("100006")
        return self.renew(config)

    def renew(self, config: Config) -> dict[str, str | int]:
        """A new pair of tokens; the old pair is worth nothing from now on."""
        self.access, self.refresh = _token(), _token()
        self.access_ends = self.clock() + config.token_seconds
        self.refresh_ends = self.clock() + config.refresh_seconds
        return {
            "accessToken": self.access,
            "tokenType": "bearer",
            "refreshToken": self.refresh,
            "expiresIn": int(config.token_seconds),
            "scope": "default",
        }

    def logout(self, token: str) -> None:
        if token and token == self.access:
            self.access = self.refresh = ""

    def check(self, config: Config, app_key: str, authorization: str) -> None:
        """Let a call in, or refuse it with 1010005. Neither the scheme's case nor blanks matter."""
        scheme, _, token = " ".join(authorization.split()).partition(" ")
        known = bool(self.access) and token == self.access and self.clock() < self.access_ends
        if scheme.lower() != "bearer" or not known or app_key != config.app_id:
            raise Refused("1010005")

    def count(self, config: Config) -> None:
        """Count one call, login and queries included; refuse it beyond the limit of any sliding minute."""
        now = self.clock()
        while self.calls and self.calls[0] <= now - 60:
            self.calls.popleft()
        if len(self.calls) >= config.calls_per_minute:
            raise Refused("1010009")
        self.calls.append(now)


def _token() -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(32))
