"""Pushes while everything dies: ``python -m tests.faults.pushes --pushes 100000 --database postgresql``.

Web process, worker and, where it is a server, the database are killed with -9 in turns. The sender repeats what was
not acknowledged. At the end every acknowledged body is in the inbox byte for byte, every device has its last word,
and the counters equal a recount. Exits with 1 when something is missing. A body is kept twice when its process died
between keeping and answering it; that is told and changes nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults import servers
from tests.faults.long import prepare

EVENTS = ("SENT", "DELIVERED", "SUCCESSFUL")
CONNECTIONS = 16
REST_SECONDS = 240


@dataclass
class Ledger:
    """What the sender knows; ours is the accused."""

    acknowledged: dict[bytes, int] = field(default_factory=Counter)
    repeated: int = 0
    refused: int = 0
    kills: Counter[str] = field(default_factory=Counter)


def bodies(pushes: int) -> list[bytes]:
    """Three pushes for each device, in any order."""
    made = [
        json.dumps(
            {"deviceId": f"device-{number:06d}", "commandId": f"c-{number}", "result": {"resultCode": event}}
        )
        for number in range(pushes // len(EVENTS))
        for event in EVENTS
    ]
    random.Random(1).shuffle(made)
    return [body.encode() for body in made]


async def send(port: int, token: str, waiting: list[bytes], rate: float, ledger: Ledger) -> None:
    """Every body until it is acknowledged, at about ``rate`` a second."""
    head = f"POST /callbacks/{token}/ HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n".encode()
    pause = CONNECTIONS / rate

    async def connection() -> None:
        while waiting:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                try:
                    while waiting:
                        await one(reader, writer)
                finally:
                    writer.close()
            await asyncio.sleep(0.2)

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        body = waiting.pop()
        began, status = time.monotonic(), 0
        try:
            writer.write(head % len(body) + body)
            status = int((await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)).split()[1])
        except TimeoutError as error:
            raise ConnectionError from error
        finally:
            if status == 200:
                ledger.acknowledged[body] += 1
            else:
                waiting.append(body)
                random.shuffle(waiting[-100:])
                ledger.repeated += 1
                ledger.refused += status == 503
        if status == 200 and random.random() < 0.02:
            waiting.append(body)  # the platform sends some twice
        await asyncio.sleep(max(pause - (time.monotonic() - began), 0))

    await asyncio.gather(*[connection() for _ in range(CONNECTIONS)])


@dataclass
class Muster:
    """The processes of an installation, each of which can be killed and comes again."""

    folder: Path
    database_url: str
    port: int
    server: servers.Server | None
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str) -> None:
        celery = (
            sys.executable,
            "-m",
            "celery",
            "--quiet",
            "-A",
            "dashboard",
            "worker",
            "--concurrency",
            "1",
        )
        web = (sys.executable, "-m", "uvicorn", "dashboard.asgi:application", "--port", str(self.port))
        command = {
            "web": (*web, "--no-access-log", "--log-level", "warning", "--no-proxy-headers"),
            "worker": (
                *celery,
                "--without-gossip",
                "--without-mingle",
                "--without-heartbeat",
                "--loglevel",
                "ERROR",
            ),
        }[name]
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("MUSTER_", "CELERY_"))
        }
        environment = kept | {
            "DJANGO_SETTINGS_MODULE": "dashboard.settings",
            "DATABASE_URL": self.database_url,
            "CELERY_BROKER_URL": "",
            "MUSTER_DATA_DIR": str(self.folder),
        }
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                command, cwd=servers_root(), env=environment, stdout=log, stderr=log, start_new_session=True
            )

    def kill(self, name: str) -> None:
        if name == "database" and self.server:
            self.server.stop(signal.SIGKILL)
            time.sleep(1)
            self.server.start()
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.processes[name].pid, signal.SIGKILL)
        self.processes[name].wait()
        self.start(name)

    def stop(self) -> None:
        for process in self.processes.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def servers_root() -> Path:
    return Path(__file__).parents[2]


async def _run(muster: Muster, token: str, pushes: int, rate: float, every: tuple[float, float]) -> Ledger:
    ledger, waiting = Ledger(), bodies(pushes)
    sending = asyncio.create_task(send(muster.port, token, waiting, rate, ledger))
    victims = itertools.cycle(["web", "worker", *(["database"] if muster.server else [])])
    while not sending.done():
        await asyncio.wait([sending], timeout=random.uniform(*every))
        if not sending.done():
            victim = next(victims)
            await asyncio.to_thread(muster.kill, victim)
            ledger.kills[victim] += 1
    await sending
    return ledger


def run(
    database: str = "sqlite",
    pushes: int = 3000,
    rate: float = 1000,
    every: tuple[float, float] = (10, 30),
    tell: Callable[[str], object] = print,
) -> list[str]:
    """What is missing or wrong, in sentences; nothing when all is well."""
    from tests.faults.site import running_site

    with contextlib.ExitStack() as stack:
        server = stack.enter_context(servers.postgresql(durable=True)) if database == "postgresql" else None
        site = stack.enter_context(running_site(server.url if server else ""))
        token = _task(site, pushes)
        muster = Muster(site.folder, site.database_url, servers.free_port(), server)
        stack.callback(muster.stop)
        for name in ("web", "worker"):
            muster.start(name)
        began = time.monotonic()
        ledger = asyncio.run(_run(muster, token, pushes, rate, every))
        sent = time.monotonic() - began
        with _connections():
            broken, twice = _judge(ledger)
        duplicates = sum(ledger.acknowledged.values()) - len(ledger.acknowledged)
        kills = ", ".join(f"{victim} {count}" for victim, count in ledger.kills.items())
        tell(
            f"{database}: {len(ledger.acknowledged):,} pushes acknowledged in {sent:.0f} s, {duplicates:,} of them "
            f"twice, {ledger.repeated:,} repeated ({ledger.refused:,} after 503), "
            f"{twice:,} kept twice; killed: {kills or 'nothing'}; "
            f"settled {time.monotonic() - began - sent:.0f} s later; lost or wrong: {len(broken)}"
        )
        return broken


def _task(site, pushes: int) -> str:  # type: ignore[no-untyped-def]
    """A running task for the devices that push."""
    from tasks import lifecycle
    from tasks.lifecycle.settle import list_devices
    from tasks.models import Task
    from tests.factories import request

    devices = [f"device-{number:06d}" for number in range(pushes // len(EVENTS))]
    task = lifecycle.compose(site.application, site.author, request(param={"deviceList": devices}))
    Task.objects.filter(pk=task.pk).update(state="RUNNING", poll_at=None)
    list_devices(task.pk)
    return task.callback_token or ""


@contextlib.contextmanager
def _connections() -> Iterator[None]:
    """The database was killed: begin with new ones."""
    from django.db import connections

    connections.close_all()
    yield


def _judge(ledger: Ledger) -> tuple[list[str], int]:
    """What is lost or wrong; and how many bodies are kept in more than one row."""
    from tasks.models import Callback, Task

    over = time.monotonic() + REST_SECONDS
    while Callback.objects.filter(state="NEW").exists() and time.monotonic() < over:
        time.sleep(0.5)
    rows = list(Callback.objects.values_list("body", "state"))
    kept = Counter(bytes(body) for body, _ in rows)
    task = Task.objects.get()
    recount = Counter(task.results.values_list("status", flat=True))
    broken = [f"lost: {body!r}" for body in ledger.acknowledged if body not in kept]
    broken += [
        f"{count} callbacks are {state}"
        for state, count in Counter(row[1] for row in rows).items()
        if state != "SETTLED"
    ]
    if task.counts != dict(recount):
        broken.append(f"the counters {task.counts} are not the recount {dict(recount)}")
    if set(recount) != {"SUCCESSFUL"}:
        broken.append(f"not every device has its last word: {dict(recount)}")
    return broken, sum(count > 1 for count in kept.values())


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--pushes", type=int, default=100_000)
    options.add_argument("--rate", type=float, default=1000, help="pushes a second")
    options.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    asked = options.parse_args()
    prepare()
    broken = run(asked.database, asked.pushes, asked.rate)
    for what in broken[:20]:
        print(f"BROKEN {what}", flush=True)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
