"""Muster as it runs: real worker processes, a real broker and database, a sandbox behind the proxy."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import urlsplit

import requests
from celery import Celery
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection

from tasks import bells, lifecycle
from tasks.models import Application, Task
from tests.factories import request
from tests.sandbox import Sandbox, running_sandbox

from .database import database
from .proxy import Proxy, running_proxy
from .servers import free_port

ROOT = Path(__file__).parents[2]
MANY = 10**6


@dataclass
class Site:
    folder: Path
    database_url: str
    broker_url: str
    sandbox: Sandbox
    proxy: Proxy
    application: Application
    author: User
    settings: str
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    web: subprocess.Popen[bytes] | None = None
    url: str = ""
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def compose(self, *, callback: bool = False, **changes: Any) -> Task:
        name = f"task {next(self.numbers)}"
        asked = request(taskName=name, param={"deviceList": self.sandbox.devices(2)}, **changes)
        return lifecycle.compose(self.application, self.author, asked, callback=callback)

    def entries(self, task: Task) -> list[dict[str, Any]]:
        """The requests for this task as the platform received them."""
        creates = list(self.sandbox.platform.ledger.creates)
        return [entry.shown() for entry in creates if entry.name == task.name]

    def made(self, task: Task) -> list[str]:
        return [entry["taskID"] for entry in self.entries(task) if entry["taskID"]]

    def state(self, task: Task) -> str:
        return Task.objects.values_list("state", flat=True).get(pk=task.pk)

    def wait(self, what: Callable[[], Any], seconds: float = 60) -> float:
        """How long it took until it was true."""
        began = time.monotonic()
        while not what():
            assert time.monotonic() < began + seconds, f"not within {seconds} s:\n{self.log()[-3000:]}"
            time.sleep(0.05)
        return time.monotonic() - began

    def arrived(self, *tasks: Task, seconds: float = 60) -> float:
        """Wait until all have their taskID."""
        keys = [task.pk for task in tasks]
        rows = Task.objects.filter(pk__in=keys).exclude(platform_task_id="")
        return self.wait(lambda: rows.count() == len(keys), seconds)

    # Processes

    def start_worker(self, concurrency: int = 2, **environment: str) -> subprocess.Popen[bytes]:
        flags = ("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "INFO")
        command = ("worker", "--concurrency", str(concurrency), *flags)
        before = self.log().count(" ready.")
        process = self.celery(*command, **environment)
        self.workers.append(process)
        self.wait(lambda: self.log().count(" ready.") > before)
        return process

    def celery(self, *command: str, **environment: str) -> subprocess.Popen[bytes]:
        return self._process("worker.log", "celery", "--quiet", "-A", "dashboard", *command, **environment)

    def beat(self) -> subprocess.Popen[bytes]:
        """A beat with a schedule of its own; as many as are wanted."""
        schedule = self.folder / f"beat{next(self.numbers)}"
        options = ("--pidfile", "", "--schedule", str(schedule), "--max-interval", "1")
        self.workers.append(self.celery("beat", *options))
        return self.workers[-1]

    def start_web(self) -> None:
        """The web process, which people click at and the platform pushes to."""
        options = ("--port", str(urlsplit(self.url).port), "--no-access-log", "--log-level", "warning")
        self.web = self._process("web.log", "uvicorn", "dashboard.asgi:application", *options)
        self.wait(lambda: answers(f"{self.url}/livez"))

    def _process(self, log: str, *command: str, **environment: str) -> subprocess.Popen[bytes]:
        env = {
            name: value for name, value in os.environ.items() if not name.startswith(("MUSTER_", "CELERY_"))
        }
        env |= {
            "DJANGO_SETTINGS_MODULE": self.settings,
            "PYTHONPATH": str(ROOT),
            "DATABASE_URL": self.database_url,
            "CELERY_BROKER_URL": self.broker_url,
            "MUSTER_DATA_DIR": str(self.folder),
            "MUSTER_PUBLIC_URL": self.url,
            "MUSTER_SECRET_KEY": settings.SECRET_KEY,
            "MUSTER_DEBUG": "1",
            "MUSTER_TEST_CRASHES": str(self.folder / "crashes"),
        } | environment
        with (self.folder / log).open("ab") as out:
            return subprocess.Popen(
                [sys.executable, "-m", *command],
                stdout=out, stderr=out, stdin=subprocess.DEVNULL, env=env, cwd=self.folder, start_new_session=True,
            )  # fmt: skip

    def log(self) -> str:
        path = self.folder / "worker.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def kill_children(self) -> None:
        """kill -9 for every process of every worker's pool; the workers start new ones."""
        for worker in self.workers:
            for child in children(worker.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)

    def kill(self, worker: subprocess.Popen[bytes], number: int = signal.SIGKILL) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(worker.pid, number)
        worker.wait(30)
        self.workers = [each for each in self.workers if each is not worker]

    def plan(self, point: str, what: str = "") -> Path:
        """The next worker that comes to this point does it, once."""
        path = self.folder / "crashes" / point
        path.write_text(what)
        return path


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=2).ok
    except requests.RequestException:
        return False


def children(pid: int) -> list[int]:
    try:
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


@contextlib.contextmanager
def running_site(
    database_url: str = "",
    broker_url: str = "",
    *,
    settings_module: str = "tests.faults.settings",
    limits: dict[str, int] | None = None,
    **sandbox_options: Any,
) -> Iterator[Site]:
    """Empty addresses are the embedded database and broker; ``limits`` are the application's, as we know them."""
    with contextlib.ExitStack() as stack:
        folder = Path(
            stack.enter_context(
                tempfile.TemporaryDirectory(prefix="muster-site-", ignore_cleanup_errors=True)
            )
        )
        (folder / "crashes").mkdir()
        url = f"http://127.0.0.1:{free_port()}"
        stack.enter_context(mock.patch.object(settings, "PUBLIC_URL", url))
        database_url = database_url or f"sqlite:///{folder / 'muster.sqlite3'}"
        broker_url = broker_url or f"sqlite-broker:///{folder / 'broker.sqlite3'}"
        stack.enter_context(database(database_url))
        stack.enter_context(mock.patch.object(bells, "current_app", _producer(broker_url)))
        options = {"unfinished_limit": MANY, "mix": (1, 0, 0, 0, 0), "strict": True} | sandbox_options
        sandbox = stack.enter_context(running_sandbox(**options))
        proxy = stack.enter_context(running_proxy(sandbox.url))
        application = Application.objects.create(
            name="faults", url=proxy.url, app_id=sandbox.app_id, secret=sandbox.secret,
            **{"unfinished_limit": MANY, "calls_per_minute": 5_000} | (limits or {}),
        )  # fmt: skip
        author = User.objects.create_superuser("operator")
        site = Site(
            folder, database_url, broker_url, sandbox, proxy, application, author, settings_module, url=url
        )
        try:
            yield site
        finally:
            for process in [*site.workers, *filter(None, [site.web])]:
                site.kill(process)
            connection.close()


def _producer(broker_url: str) -> Celery:
    """Rings like the product's web process, but for another broker."""
    app = Celery("producer", set_as_current=False)
    app.config_from_object("django.conf:settings", namespace="CELERY")
    app.conf.broker_url = broker_url
    timeouts = {"socket_timeout": 5, "socket_connect_timeout": 2}
    app.conf.broker_transport_options = (
        timeouts
        if broker_url.startswith("redis")
        else {"confirm_publish": True}
        if "amqp" in broker_url
        else {}
    )
    return app
