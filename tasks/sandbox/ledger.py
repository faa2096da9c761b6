"""What really arrived: the record that a test or an operator compares with what the client believes."""

from __future__ import annotations

import hashlib
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

from .wire import parsed

KEPT = 20_000  # creates
KEPT_BODIES = 64 * 1024 * 1024  # bytes of their raw bodies


@dataclass
class Create:
    """One create as received; `taskID` stays None unless a task came of it, whatever was answered."""

    at: float
    name: str | None
    sha256: str
    body: bytes | None
    task_id: str | None = None
    error: str | None = None
    fault: str | None = None
    finished: float | None = None

    def shown(self) -> dict[str, Any]:
        return {
            "at": self.at,
            "finished": self.finished,
            "taskName": self.name,
            "taskID": self.task_id,
            "error": self.error,
            "fault": self.fault,
            "sha256": self.sha256,
            "body": None if self.body is None else self.body.decode("utf-8", "replace"),
        }


@dataclass
class Ledger:
    creates: deque[Create] = field(default_factory=deque)
    calls: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    bugs: int = 0
    most_calls: int = 0  # received in any sliding 60 s, refused ones included
    most_logins: int = 0  # in flight at once
    most_creates: int = 0  # in flight at once
    overlaps: list[str] = field(default_factory=list)  # names whose creates were in flight at once
    _minute: deque[float] = field(default_factory=deque)
    _in_flight: Counter[str] = field(default_factory=Counter)
    _open: list[Create] = field(default_factory=list)
    _bytes: int = 0

    def called(self, route: str) -> None:
        """Note a call that came in; `left` closes it."""
        now = time.monotonic()
        self.calls[route] += 1
        self._in_flight[route] += 1
        self._minute.append(now)
        while self._minute[0] <= now - 60:
            self._minute.popleft()
        self.most_calls = max(self.most_calls, len(self._minute))
        self.most_logins = max(self.most_logins, self._in_flight["login"])
        self.most_creates = max(self.most_creates, self._in_flight["create"])

    def left(self, route: str) -> None:
        self._in_flight[route] -= 1

    def received(self, raw: bytes) -> Create:
        """Open an entry for a create."""
        entry = Create(time.time(), _name(raw), hashlib.sha256(raw).hexdigest(), raw)
        if entry.name is not None and any(other.name == entry.name for other in self._open):
            self.overlaps.append(entry.name)
        self._open.append(entry)
        self.creates.append(entry)
        self._bytes += len(raw)
        for old in self.creates:
            if self._bytes <= KEPT_BODIES:
                break
            self._bytes -= len(old.body or b"")
            old.body = None
        if len(self.creates) > KEPT:
            self._bytes -= len(self.creates.popleft().body or b"")
        return entry

    def closed(self, entry: Create) -> None:
        entry.finished = time.time()
        self._open = [other for other in self._open if other is not entry]

    def shown(self) -> dict[str, Any]:
        return {
            "creates": [entry.shown() for entry in self.creates],
            **self.counters(),
            "overlaps": self.overlaps,
        }

    def counters(self) -> dict[str, Any]:
        return {
            "calls": dict(self.calls),
            "errors": dict(self.errors),
            "logins": self.calls["login"],
            "max_calls_in_60s": self.most_calls,
            "max_logins_in_flight": self.most_logins,
            "max_creates_in_flight": self.most_creates,
            "bugs": self.bugs,
        }


def _name(raw: bytes) -> str | None:
    try:
        body = parsed(raw)
    except ValueError:
        return None
    name = body.get("taskName") if isinstance(body, dict) else None
    return name if isinstance(name, str) else None
