from __future__ import annotations

import datetime as dt
import importlib
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest
from django.utils import timezone

from tasks import clock
from tasks.models import Application, Task
from tests.factories import ApplicationFactory, TaskFactory
from tests.sandbox import Sandbox
from tests.tasks.platform.servers import Script, Server


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


@pytest.fixture
def served_by(db: None) -> Callable[[Server], Application]:
    """An application of that server, logged in already."""

    def application(server: Server) -> Application:
        return ApplicationFactory(
            url=server.url, access_token="t0ken", token_expires_at=timezone.now() + dt.timedelta(hours=1)
        )

    return application


@pytest.fixture
def task(application: Application, sandbox: Sandbox) -> Task:
    """A task for three devices of the sandbox, due now."""
    return TaskFactory(application=application, devices=sandbox.devices(3))


class Times:
    """A clock that all processes agree on, and that stands still until it is told to go on."""

    def __init__(self) -> None:
        self.now = timezone.now() + dt.timedelta(minutes=1)  # whatever a factory makes is due by then

    def on(self, seconds: float) -> dt.datetime:
        self.now += dt.timedelta(seconds=seconds)
        return self.now


@pytest.fixture
def times(monkeypatch: pytest.MonkeyPatch) -> Times:
    """The clock in the test's hand; whoever waits for the budget moves it."""
    times = Times()
    monkeypatch.setattr(clock, "now", lambda: times.now)
    waiting = SimpleNamespace(sleep=times.on, monotonic=time.monotonic)
    monkeypatch.setattr(importlib.import_module("tasks.lifecycle.submit"), "time", waiting)
    return times
