"""Settling beside the plain way (a model instance and an update for each push), and the whole chain with real doors."""

from __future__ import annotations

import contextlib
import json
import os
import random
import secrets
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults import servers

from .report import line, ratio, spread

ROOT = Path(__file__).parents[2]
ROUNDS = int(os.environ.get("ROUNDS", "3"))
DEVICES = int(os.environ.get("DEVICES", "30000"))
PLAINLY = 3000
"""Pushes that are settled the plain way: its pace is the same for more of them."""
LISTED = int(os.environ.get("LISTED", "1000000"))


def run() -> None:
    _report("SQLite", "")
    try:
        with servers.postgresql(durable=True) as server:
            _report("PostgreSQL", server.url)
    except pytest.skip.Exception:
        line("on PostgreSQL", "not measured: PostgreSQL is not installed")


def _report(database: str, url: str) -> None:
    with _muster(url) as environment:
        rounds = [_child(environment, "one_round") for _ in range(ROUNDS)]
        for order in ("as they come", "in any order"):
            rates = [each[order] for each in rounds]
            met = sorted(rates)[len(rates) // 2] >= 20_000
            line(f"{database}: pushes settled a second, {order}", spread(rates), "at least 20,000", met=met)
            plain = [each["plainly"] for each in rounds]
            line(f"{database}: that ÷ the plain way", f"{ratio(rates, plain):.0f}", f"of {spread(plain)}")
        if not url:
            waits = [each["wait"] * 1000 for each in rounds]
            line("SQLite: longest wait of another writer, ms", spread(waits), "at most about 100")
        rates = [_two_at_once(environment) for _ in range(ROUNDS)]
        line(f"{database}: pushes a second, two tasks and two workers", spread(rates))
        listed = _child(environment, "listing")
        line(
            f"{database}: {LISTED:,} devices listed, s",
            f"{listed['seconds']:.1f}",
            f"peak {listed['peak']:.0f} MB",
        )
        line(f"{database}: longest of its transactions, ms", f"{listed['longest'] * 1000:.0f}")
    with _muster(url) as environment:
        seconds = _chain(environment)
        line(f"{database}: {DEVICES * 3:,} pushes kept, s after the first", f"{seconds['kept']:.1f}")
        line(
            f"{database}: and settled, s after the first",
            f"{seconds['settled']:.1f}",
            "at most 20",
            met=seconds["settled"] <= 20,
        )


@contextlib.contextmanager
def _muster(url: str) -> Iterator[dict[str, str]]:
    with tempfile.TemporaryDirectory(prefix="muster-bench-", ignore_cleanup_errors=True) as folder:
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("MUSTER_", "DJANGO_"))
        }
        environment = kept | {
            "DJANGO_SETTINGS_MODULE": "dashboard.settings",
            "DATABASE_URL": url,
            "CELERY_BROKER_URL": "",
            "MUSTER_DATA_DIR": folder,
            "MUSTER_PUBLIC_URL": "http://127.0.0.1:8000",
        }
        subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], cwd=ROOT, env=environment, check=True)
        for alias in _child(environment, "others"):
            command = [sys.executable, "manage.py", "migrate", "-v0", "--database", alias]
            subprocess.run(command, cwd=ROOT, env=environment, check=True)
        yield environment


def _start(environment: dict[str, str], part: str, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", "from tests.bench import settle; settle.child()", part, *arguments]
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)


def _child(environment: dict[str, str], part: str, *arguments: str) -> Any:
    output, _ = _start(environment, part, *arguments).communicate()
    return json.loads(output.splitlines()[-1])


def _two_at_once(environment: dict[str, str]) -> float:
    tasks = [_child(environment, "received") for _ in range(2)]
    began = time.monotonic()
    workers = [_start(environment, "settled", str(task)) for task in tasks]
    seconds = max(json.loads(worker.communicate()[0].splitlines()[-1]) for worker in workers)
    return 2 * DEVICES * 3 / min(seconds, time.monotonic() - began)


def _chain(environment: dict[str, str]) -> dict[str, float]:
    """The receiver and a worker as they run, pushes over 32 connections: until all is kept, and all is settled."""
    task = _child(environment, "listed")
    port = servers.free_port()
    web = [
        sys.executable,
        "-m",
        "uvicorn",
        "dashboard.asgi:application",
        "--port",
        str(port),
        "--no-access-log",
    ]
    worker = [sys.executable, "-m", "celery", "-A", "dashboard", "worker", "-c", "2", "-l", "critical"]
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    running = [subprocess.Popen(each, cwd=ROOT, env=environment, **quiet) for each in (web, worker)]
    try:
        time.sleep(6)
        pusher = _start(environment, "push", str(task), str(port))
        seconds = json.loads(pusher.communicate(timeout=200)[0].splitlines()[-1])
    finally:
        for each in running:
            each.terminate()
        for each in running:
            each.wait(70)
    return seconds


# What runs in processes of its own, on the database of the environment


def child() -> None:
    import django

    django.setup()
    from tasks import bells

    part, *arguments = sys.argv[1:]
    if part != "push":
        bells.current_app.send_task = lambda *_, **__: None
    sys.stdout.write("\n" + json.dumps(globals()[f"_{part}"](*arguments)) + "\n")


def _others() -> list[str]:
    from django.db import connections

    return [alias for alias in connections if alias != "default"]


def _ids(count: int) -> list[str]:
    seeded = random.Random(count)
    return [f"{seeded.randrange(16**8):08x}-{n:04x}-4143-8d0d-591a7e11de6c" for n in range(count)]


def _bodies(order: str) -> list[bytes]:
    """Three pushes of each device: it answers some thousands of devices later, or all come in any order."""
    seeded, pushes = random.Random(1), []
    for place, device_id in enumerate(_ids(DEVICES)):
        for step, code in enumerate(("SENT", "DELIVERED", "SUCCESSFUL")):
            detail = {"light_state": place % 3} if code == "SUCCESSFUL" else None
            result = {"resultCode": code, "resultDetail": detail}
            body = {"deviceId": device_id, "commandId": f"{place:032x}", "result": result}
            when = (
                place + step * 5000 + seeded.random() * 3000 if order == "as they come" else seeded.random()
            )
            pushes.append((when, json.dumps(body, separators=(",", ":")).encode()))
    return [body for _, body in sorted(pushes)]


def _task(count: int = DEVICES) -> Any:
    from tests.factories import ApplicationFactory, TaskFactory, UserFactory

    mark = secrets.token_urlsafe(24)  # the factories of every process count from one
    owners = {"application": ApplicationFactory(name=mark, app_id=mark), "author": UserFactory(username=mark)}
    return TaskFactory(
        state="RUNNING", devices=_ids(count), timeout=2880, callback_token=mark, name=mark, **owners
    )


def _listed() -> int:
    from tasks.lifecycle.settle import list_devices

    task = _task()
    list_devices(task.pk)
    return task.pk


def _received(order: str = "as they come", most: int | None = None) -> int:
    from tasks import lifecycle
    from tasks.models import Task

    task = Task.objects.get(pk=_listed())
    bodies = _bodies(order)[:most]
    for start in range(0, len(bodies), 500):
        lifecycle.receive(
            [lifecycle.Arrival(task.callback_token, body) for body in bodies[start : start + 500]]
        )
    return task.pk


def _settled(task_id: str | int) -> float:
    from tasks import lifecycle
    from tasks.models import Callback

    began = time.monotonic()
    while Callback.objects.filter(task_id=task_id, state="NEW").exists():
        lifecycle.settle(int(task_id))
    return time.monotonic() - began


def _one_round() -> dict[str, float]:
    figures = {}
    with _another_writer() as waits:
        for order in ("as they come", "in any order"):
            figures[order] = DEVICES * 3 / _settled(_received(order))
    figures["wait"] = max(waits)
    figures["plainly"] = PLAINLY / _plainly(_received("as they come", PLAINLY))
    return figures


def _plainly(task_id: int) -> float:
    """As one writes it first: a model instance for each callback, an update for each push, one transaction a batch."""
    from django.db import transaction

    from tasks.models import Callback, Task

    began = time.monotonic()
    while callbacks := list(Callback.objects.filter(task_id=task_id, state="NEW").order_by("id")[:1000]):
        with transaction.atomic():
            task = Task.objects.select_for_update().get(pk=task_id)
            for callback in callbacks:
                push = json.loads(bytes(callback.body))
                result = task.results.get(device_id=push["deviceId"])
                task.counts[result.status] = task.counts.get(result.status, 0) - 1
                result.status, result.command_id = push["result"]["resultCode"], push["commandId"]
                result.detail = push["result"]["resultDetail"]
                task.counts[result.status] = task.counts.get(result.status, 0) + 1
                result.save()
                callback.state = "SETTLED"
                callback.save()
            task.save(update_fields=["counts"])
    return time.monotonic() - began


@contextlib.contextmanager
def _another_writer() -> Iterator[list[float]]:
    """Somebody else who writes a row 20 times a second, as a page does: how long each waits."""
    from django.db import connections, transaction

    from tasks.models import Application
    from tests.factories import ApplicationFactory

    waits, over, mine = (
        [0.0],
        threading.Event(),
        ApplicationFactory(name=secrets.token_hex(9), app_id=secrets.token_hex(9)).pk,
    )

    def write() -> None:
        while not over.wait(0.05):
            began = time.monotonic()
            with transaction.atomic():
                Application.objects.filter(pk=mine).update(name=f"written at {began}")
            waits.append(time.monotonic() - began)
        connections.close_all()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield waits
    finally:
        over.set()
        thread.join()


def _listing() -> dict[str, float]:
    import resource

    from tasks.lifecycle import bulk, listing

    task = _task(LISTED)
    longest, real = 0.0, listing._list_chunk

    def timed(*given: Any) -> bool:
        nonlocal longest
        began = time.monotonic()
        more = real(*given)
        longest = max(longest, time.monotonic() - began)
        return more

    listing._list_chunk = timed
    began = time.monotonic()
    bulk.widen_cache()  # as settling does, which lists
    listing.list_devices(task.pk)
    seconds = time.monotonic() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": seconds, "longest": longest, "peak": peak}


def _push(task_id: str, port: str) -> dict[str, float]:
    """Send all pushes over 32 connections, and look until all are kept and settled."""
    import asyncio

    from tasks.models import Task

    task = Task.objects.get(pk=task_id)
    head = f"POST /callbacks/{task.callback_token}/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    bodies = iter(_bodies("as they come"))

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(port))
        for body in bodies:
            writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 200"), answer
            length = next(
                part for part in answer.lower().split(b"\r\n") if part.startswith(b"content-length:")
            )
            await reader.readexactly(int(length.split(b":")[1]))
        writer.close()

    async def all_of_them() -> None:
        await asyncio.gather(*(one() for _ in range(32)))

    began = time.monotonic()
    asyncio.run(all_of_them())
    kept = time.monotonic() - began
    while Task.objects.values_list("state", flat=True).get(pk=task_id) != "COMPLETE":
        assert time.monotonic() - began < 150, "not settled"
        time.sleep(0.05)
    from tasks.models import Callback

    while Callback.objects.filter(task_id=task_id, state="NEW").exists():
        time.sleep(0.05)
    return {"kept": kept, "settled": time.monotonic() - began}
