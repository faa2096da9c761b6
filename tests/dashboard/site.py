"""Muster's web process for tests: a real uvicorn with a database of its own, and raw sockets to talk to it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[2]

SEED = """
import django, json
django.setup()
from django.contrib.auth.models import User
from django.core.management import call_command
from tasks import lifecycle
from tasks.models import Application, Task
call_command("migrate", verbosity=0)
user = User.objects.create_superuser("admin", password="correct horse")
app = Application.objects.create(name="Waterworks", url="http://127.0.0.1:9", app_id="app-1", secret="s")
command = {"serviceId": "Valve", "method": "CLOSE"}
for number in range(4):
    param = {"type": "DeviceList", "deviceList": ["device-1"], "command": command}
    lifecycle.compose(app, user, {"taskName": f"t{number}", "taskType": "DeviceCmd", "timeout": 60, "param": param})
print(json.dumps(list(Task.objects.order_by("id").values_list("callback_token", flat=True))))
"""


def environment(folder: Path, **more: str) -> dict[str, str]:
    """A process environment for a Muster that lives in this folder and has no worker."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MUSTER_", "DJANGO_", "DATABASE_URL"))
    }
    return kept | {
        "DJANGO_SETTINGS_MODULE": "dashboard.settings",
        "MUSTER_DATA_DIR": str(folder),
        "MUSTER_PUBLIC_URL": "http://127.0.0.1:8000",
        "CELERY_BROKER_URL": "memory://",
        "PYTHONUNBUFFERED": "1",
        **more,
    }


def seeded(folder: Path) -> list[str]:
    """A new database with four tasks; their callback tokens."""
    done = subprocess.run(
        [sys.executable, "-c", SEED], cwd=REPOSITORY, env=environment(folder), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@dataclass
class Site:
    """A web process: its port, its folder, the callback tokens of its tasks."""

    port: int
    folder: Path
    tokens: list[str]
    process: subprocess.Popen[bytes]

    def talk(self, *parts: bytes, pause: float = 0.0, seconds: float = 10.0) -> tuple[int, dict[str, str]]:
        """Send these bytes as they are; status and headers of the first answer."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=seconds) as line:
            for part in parts:
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    line.sendall(part)
                time.sleep(pause)
            return answered(line)

    def push(self, token: str, body: bytes, *headers: str, method: str = "POST", path: str = "") -> int:
        """A whole request with a right Content-Length; the status."""
        lines = [
            f"{method} {path or f'/callbacks/{token}/'} HTTP/1.1",
            "Host: 127.0.0.1",
            f"Content-Length: {len(body)}",
            *headers,
        ]
        return self.talk("\r\n".join(lines).encode() + b"\r\n\r\n" + body)[0]

    @contextlib.contextmanager
    def database(self, name: str = "inbox") -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(self.folder / f"{name}.sqlite3", timeout=20)
        try:
            yield connection
            connection.commit()
        finally:
            connection.close()

    def bodies(self, token: str) -> dict[bytes, int]:
        """Every body kept for the task of this token, and how often it came."""
        return dict(self.rows(token, "body", "seen"))

    def rows(self, token: str, *columns: str) -> list[tuple[Any, ...]]:
        """These columns of what is kept for the task of this token."""
        with self.database("muster") as tasks, self.database() as inbox:
            task = tasks.execute("SELECT id FROM tasks_task WHERE callback_token = ?", [token]).fetchone()
            asked = f"SELECT {', '.join(columns)} FROM tasks_callback WHERE task_id = ? ORDER BY id"
            return inbox.execute(asked, task).fetchall()

    def memory(self) -> int:
        """Resident bytes of the process (Linux)."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) * 1024  # type: ignore[index]


def answered(line: socket.socket) -> tuple[int, dict[str, str]]:
    """Status and headers (lower case) that come over an open connection; 0 when it closes without a word."""
    text = b""
    with contextlib.suppress(ConnectionResetError):
        while b"\r\n\r\n" not in text:
            piece = line.recv(65536)
            if not piece:
                break
            text += piece
    head = text.split(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    if not head[0]:
        return 0, {}
    headers = dict(each.split(": ", 1) for each in head[1:] if ": " in each)
    return int(head[0].split()[1]), {name.lower(): value for name, value in headers.items()}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running_site(
    seed: Path, folder: Path, tokens: list[str], app: str = "application", **more: str
) -> Iterator[Site]:
    """The web process on a copy of a seeded folder; ``more`` is its further environment."""
    if seed != folder:
        shutil.copytree(seed, folder, dirs_exist_ok=True)
    port = free_port()
    with (folder / "web.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", f"dashboard.asgi:{app}", "--port", str(port), "--no-access-log",
             "--log-level", "warning", "--no-server-header", "--no-proxy-headers"],
            cwd=REPOSITORY, env=environment(folder, **more), stdout=log, stderr=log,
        )  # fmt: skip
    site = Site(port, folder, tokens, process)
    try:
        over = time.monotonic() + 30
        while True:
            try:
                assert site.talk(b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")[0] == 200
                break
            except OSError:
                assert process.poll() is None, (folder / "web.log").read_text()
                assert time.monotonic() < over, "the web process did not come up"
                time.sleep(0.05)
        yield site
    finally:
        process.kill()
        process.wait()
