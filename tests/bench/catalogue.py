"""The catalogue of a million devices on SQLite: every kind of search, and what reading a page of 250 costs.

Server time of the whole page through Django's test client, with a 95th percentile of at most GOAL milliseconds.
Beside it what the same search costs plainly: all conditions in one query, with COUNT(*). Reading is measured against
the sandbox in this process, without the call budget, beside a page that is stored with the ORM's bulk_create.
"""

from __future__ import annotations

import hashlib
import logging
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Q
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tasks import sync
from tasks.fleet import Choice, search
from tasks.lifecycle.asking import ask
from tasks.models import Application, Device, Group, Membership, Result, Task
from tasks.sync import census, rows, sections, turns
from tests.bench.fleet import FOLDER, MIGRATIONS, _load, _without_indexes, _wrapper, using
from tests.bench.report import line, spread
from tests.bench.rows import device_id
from tests.factories import ApplicationFactory, TaskFactory
from tests.sandbox import running_sandbox

GOAL = 100
ROUNDS = 20
DEVICES = 1_000_000
KINDS = (*["WaterMeter"] * 4, *["StreetLight"] * 3, *["SmartLock"] * 2, "AirSensor")
STATUSES = (*["ONLINE"] * 94, *["OFFLINE"] * 3, *["ABNORMAL"] * 2, "INACTIVE")
GROUPS = (
    ("pilot", 100, 3),
    ("night-shift", 20, 1),
    ("east-wing", 8, 2),
    ("leased", 5, 4),
    ("maintenance", 2, 1),
)
COLUMNS = (
    "application_id", "device_id", "name", "node_id", "device_type", "manufacturer_id", "model", "location", "status",
)  # fmt: skip

SEARCHES: tuple[tuple[str, dict[str, str]], ...] = (
    ("all, first page", {}),
    ("all, in the middle", {"before": "500000"}),
    ("all, last page", {"before": "999960"}),
    ("beginning of an id", {"text": "7fff"}),
    ("a whole id", {"text": device_id(654321, DEVICES)}),
    ("beginning of a name that many have", {"text": "WaterM"}),
    ("beginning of a name that few have", {"text": "SmartLock-09999"}),
    ("what is printed on it", {"text": "867000000654321"}),
    ("a text that none has", {"text": "zzz"}),
    ("type", {"device_type": "SmartLock"}),
    (
        "type, manufacturer and model",
        {"device_type": "AirSensor", "manufacturer_id": "Muster", "model": "M1"},
    ),
    ("model alone", {"model": "M3"}),
    ("status that most have", {"status": "ONLINE"}),
    ("status that few have", {"status": "INACTIVE"}),
    ("status that none has", {"status": "SLEEPING"}),
    ("location", {"location": "Hall-7"}),
    ("group of 1 %", {"group": "pilot"}),
    ("group of half of all", {"group": "maintenance"}),
    ("group, in the middle", {"group": "maintenance", "before": "500000"}),
    ("status and type", {"status": "OFFLINE", "device_type": "WaterMeter"}),
    ("status, type and location", {"status": "ABNORMAL", "device_type": "AirSensor", "location": "Hall-7"}),
    ("group and status", {"group": "maintenance", "status": "OFFLINE"}),
    (
        "group and a status that none of it has",
        {"group": "leased", "status": "INACTIVE", "device_type": "AirSensor"},
    ),
    ("status and text, both of many", {"status": "ONLINE", "text": "StreetL"}),
    ("last command failed", {"outcome": "failed"}),
    ("last command failed, one group", {"outcome": "failed", "group": "east-wing"}),
    ("never commanded, one type", {"outcome": "never", "device_type": "SmartLock"}),
)


def run() -> None:
    logging.disable(logging.CRITICAL)
    with using(_database()), override_settings(ALLOWED_HOSTS=["testserver"]):
        client, application = Client(), Application.objects.get()
        client.force_login(User.objects.get(username="root"))
        line("search over 1,000,000 devices", "page: median, p95 ms", "the same, plainly")
        every: list[float] = []
        for words, asked in SEARCHES:
            page, plain = partial(client.get, "/catalogue/", asked), partial(_plain, application, asked)
            page()
            ours, theirs = [], []
            for round_ in range(ROUNDS):
                ours.append(_milliseconds(page))
                if round_ < 3 and sum(theirs) < 1000:
                    theirs.append(_milliseconds(plain))
            every += ours
            slow = _percentile(ours)
            figure = f"{statistics.median(ours):.0f} ms, p95 {slow:.0f} ms"
            line(words, figure, f"{statistics.median(theirs):,.0f} ms", met=slow <= GOAL)
        line(
            "all searches together",
            f"p95 {_percentile(every):.0f} ms",
            f"<= {GOAL} ms",
            met=_percentile(every) <= GOAL,
        )
    with using(_empty()):
        _reading()


def _plain(application: Application, asked: dict[str, str]) -> None:
    choice = Choice.from_query(asked)
    exact = {
        name: value for name, value in choice.to_query().items() if name not in ("text", "group", "outcome")
    }
    found = application.devices.filter(**exact)
    if text := choice.text:
        found = found.filter(
            Q(device_id__startswith=text) | Q(node_id__startswith=text) | Q(name__startswith=text)
        )
    if choice.group:
        found = found.filter(groups__group_id=choice.group)
    if choice.outcome:
        found = found.filter(search(application, Choice(outcome=choice.outcome)).rest)
    if "before" in asked:
        list(found.order_by("pk").filter(pk__gt=asked["before"])[:51])
    else:
        list(found.order_by("pk")[:51])
    found.count()


def _reading() -> None:
    with running_sandbox(devices=20_000, calls_per_minute=100_000) as sandbox:
        application = ApplicationFactory(
            url=sandbox.url, app_id=sandbox.app_id, secret=sandbox.secret, calls_per_minute=100_000
        )
        taken = turns.take(sync.start(application).pk)
        question = partial(ask, application)
        sections.step(taken, question)
        upsert = rows.upsert
        ours, theirs, statements = [], [], {}
        for _ in range(20):
            for name, write, times in (("ours", upsert, ours), ("bulk_create", _with_the_orm, theirs)):
                rows.upsert = write
                times.append(_milliseconds(lambda: sections.step(taken, question)))
                with CaptureQueriesContext(connection) as queries:
                    sections.step(taken, question)
                own = [
                    q for q in queries if not q["sql"].startswith(("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE"))
                ]
                statements[name] = max(statements.get(name, 0), len(own))
        rows.upsert = upsert
    goal = f"bulk_create: {statements['bulk_create']}"
    line("statements for a page of 250 devices", str(statements["ours"]), goal, met=statements["ours"] <= 10)
    line(
        "reading a page of 250, sandbox and all", spread(ours, " ms"), f"bulk_create: {spread(theirs, ' ms')}"
    )


def _with_the_orm(model: Any, columns: Any, unique: Any, values: list[list[Any]]) -> None:
    model.objects.bulk_create(
        [model(**dict(zip(columns, row, strict=True))) for row in values],
        update_conflicts=True,
        unique_fields=[name.removesuffix("_id") if name == "application_id" else name for name in unique],
        update_fields=[name for name in columns if name not in unique],
    )


def _milliseconds(act: Callable[[], Any]) -> float:
    start = time.perf_counter()
    act()
    return (time.perf_counter() - start) * 1000


def _percentile(times: list[float]) -> float:
    return sorted(times)[int(len(times) * 0.95) - 1]


def _empty() -> BaseDatabaseWrapper:
    wrapper = _wrapper(str(Path(tempfile.mkdtemp()) / "reading.sqlite3"))
    with using(wrapper):
        call_command("migrate", verbosity=0)
    return wrapper


def _database() -> BaseDatabaseWrapper:
    """Made once, and again when this module or a migration changes."""
    sources = [Path(__file__), *sorted(MIGRATIONS.glob("*.py"))]
    mark = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:8]
    path = FOLDER / f"devices_{mark}.sqlite3"
    if not path.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        for old in FOLDER.glob("devices_*"):
            old.unlink()
        unfinished = path.with_suffix(".part")
        wrapper = _wrapper(str(unfinished))
        with using(wrapper), wrapper.cursor() as cursor:
            for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-400000"):
                cursor.execute(f"PRAGMA {pragma}")
            _make(wrapper)
        wrapper.close()
        unfinished.rename(path)
    return _wrapper(str(path))


def _make(wrapper: BaseDatabaseWrapper) -> None:
    call_command("migrate", verbosity=0)
    User.objects.create(username="root", is_superuser=True)
    application = ApplicationFactory(secret="", catalogue_at=timezone.now())
    task = TaskFactory(application=application)
    with _without_indexes(wrapper):
        _load(wrapper, Device, COLUMNS, _devices(application))
        for name, every, rest in GROUPS:
            ids = range(rest + 1, DEVICES + 1, every)
            group = Group.objects.create(
                application=application, group_id=name, name=name, size=len(ids), known=len(ids)
            )
            _members(wrapper, group, ids)
        _load(wrapper, Result, ("task_id", "device_id", "status"), _results(task))
    census.take(application)


def _devices(application: Application) -> Iterator[tuple[Any, ...]]:
    for n in range(DEVICES):
        kind = KINDS[n % 10]
        yield (
            application.pk, device_id(n, DEVICES), f"{kind}-{n:06d}", f"{867_000_000_000_000 + n}", kind, "Muster",
            f"M{n % 10 // 3}", f"Hall-{n // 10 % 400}", STATUSES[(n * 2654435761 % 2**32 >> 8) % 100],
        )  # fmt: skip


def _results(task: Task) -> Iterator[tuple[Any, ...]]:
    for n in range(0, DEVICES, 5):
        yield (task.pk, device_id(n, DEVICES), "FAILED" if n % 97 == 0 else "SUCCESSFUL")


def _members(wrapper: BaseDatabaseWrapper, group: Group, ids: range) -> None:
    table = Membership._meta.db_table
    statement = f"INSERT INTO {table} (group_id, device_id, seen_in) VALUES (?, ?, 1)"
    wrapper.connection.execute("BEGIN")
    wrapper.connection.executemany(statement, ((group.pk, pk) for pk in ids))
    wrapper.connection.execute("COMMIT")
