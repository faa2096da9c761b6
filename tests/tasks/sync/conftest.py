from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest

from tasks import clock
from tasks.sync import turns
from tests.tasks.lifecycle.conftest import Times
from tests.tasks.platform.servers import Script, Server


@pytest.fixture
def times(monkeypatch: pytest.MonkeyPatch) -> Times:
    """The clock in the test's hand; whoever waits for the budget moves it."""
    times = Times()
    monkeypatch.setattr(clock, "now", lambda: times.now)
    monkeypatch.setattr(turns, "time", SimpleNamespace(sleep=times.on, monotonic=time.monotonic))
    return times


@pytest.fixture
def serve() -> Iterator[Callable[[Script], Server]]:
    """Start a server of raw sockets that plays a script."""
    servers: list[Server] = []

    def start(script: Script) -> Server:
        servers.append(Server(script))
        return servers[-1]

    yield start
    for server in servers:
        server.close()
