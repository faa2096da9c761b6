"""Real Redis, RabbitMQ and PostgreSQL on free ports, from temporary folders; all gone afterwards."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

RUNS_AS = "nobody"
"""PostgreSQL refuses to be run by root."""


def binary(name: str, *folders: str) -> str:
    """Its path; a skip where it is missing, and a failure where CI must have it."""
    places = [
        os.environ.get("PATH", ""),
        *sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin"))),
        *folders,
    ]
    if found := shutil.which(name, path=os.pathsep.join(places)):
        return found
    if os.environ.get("CI"):
        pytest.fail(f"{name} is not installed")
    pytest.skip(f"{name} is not installed")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@dataclass
class Server:
    """One server that can be stopped, killed and started again on the same port with the same data."""

    url: str
    port: int
    command: list[str]
    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    ready: Callable[[], bool] | None = None
    user: str | None = None
    process: subprocess.Popen[bytes] | None = None

    def start(self, seconds: float = 60) -> None:
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self.folder,
                env=os.environ | self.environment, start_new_session=True, user=self.user,
            )  # fmt: skip
        over = time.monotonic() + seconds
        while not self._answers():
            assert self.process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < over, (self.folder / "log").read_text()
            time.sleep(0.05)

    def stop(self, number: int = signal.SIGKILL) -> None:
        if self.process and self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                if number == signal.SIGKILL:
                    os.killpg(self.process.pid, number)
                else:
                    self.process.send_signal(number)
            self.process.wait(30)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1):
                return self.ready is None or self.ready()
        except OSError:
            return False


@contextlib.contextmanager
def _running(server: Server) -> Iterator[Server]:
    try:
        server.start()
        yield server
    finally:
        server.stop()


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    folder = tempfile.mkdtemp(prefix="muster-server-")
    Path(folder).chmod(0o755)
    try:
        yield Path(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def redis() -> Iterator[Server]:
    port = free_port()
    with _folder() as folder:
        command = [binary("redis-server"), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
        command += ["--save", "", "--appendonly", "yes"]
        with _running(Server(f"redis://127.0.0.1:{port}/0", port, command, folder)) as server:
            yield server


@contextlib.contextmanager
def rabbitmq() -> Iterator[Server]:
    port, inter = free_port(), free_port()
    program = binary("rabbitmq-server", "/usr/lib/rabbitmq/bin", "/usr/sbin")
    real = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")  # Debian's wrapper changes to the service's user
    with _folder() as folder:
        (folder / "plugins").write_text("[].")
        (folder / "home").mkdir()
        environment = {
            "HOME": str(folder / "home"),
            "RABBITMQ_NODENAME": f"muster{port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(port),
            "RABBITMQ_DIST_PORT": str(inter),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder / "logs"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_CONFIG_FILE": str(folder / "none"),
            "ERL_EPMD_PORT": str(free_port()),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none",
        }
        command = [str(real) if real.exists() else program]
        server = Server(f"amqp://guest:guest@127.0.0.1:{port}//", port, command, folder, environment)
        try:
            with _running(server):
                yield server
        finally:
            kill = ["epmd", "-port", environment["ERL_EPMD_PORT"], "-kill"]
            subprocess.run(kill, capture_output=True, check=False)


@contextlib.contextmanager
def postgresql(*, durable: bool = False) -> Iterator[Server]:
    """With ``durable`` a commit waits for the disk, as in production; where only processes die it need not."""
    port = free_port()
    initdb, postgres = binary("initdb"), binary("postgres")
    user = RUNS_AS if os.geteuid() == 0 else None
    with _folder() as folder:
        if user:
            shutil.chown(folder, user)
        data = folder / "data"
        subprocess.run(
            [initdb, "-D", data, "-U", "muster", "-A", "trust", "-E", "UTF8", "--locale", "C", "--no-sync"],
            check=True, capture_output=True, user=user, cwd=folder,
        )  # fmt: skip
        command = [postgres, "-D", str(data), "-p", str(port), "-k", str(folder)]
        command += ["-c", "listen_addresses=127.0.0.1", "-c", "shared_buffers=32MB"]
        command += ["-c", f"fsync={'on' if durable else 'off'}"]

        def ready() -> bool:
            import psycopg

            try:
                psycopg.connect(f"postgresql://muster@127.0.0.1:{port}/postgres", connect_timeout=2).close()
            except psycopg.OperationalError:
                return False
            return True

        url = f"postgresql://muster@127.0.0.1:{port}/postgres"
        with _running(Server(url, port, command, folder, ready=ready, user=user)) as server:
            yield server
