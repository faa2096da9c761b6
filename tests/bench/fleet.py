"""Two databases to measure pages on: a hundred rows of everything, and a million tasks with ten million results.

They are made once and kept in ``MUSTER_BENCH_DIR`` (a folder under the system's temporary one): SQLite files, or
where ``DATABASE_URL`` names a PostgreSQL server, databases on it. A new name is used when this module or a
migration changes; old ones are dropped.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connections, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import load_backend

from tasks.models import Application, Attempt, Callback, Device, Group, Profile, Result, Task, Transition
from tasks.targets import TargetType

FOLDER = Path(os.environ.get("MUSTER_BENCH_DIR") or Path(tempfile.gettempdir()) / "muster-bench")
MIGRATIONS = Path(__file__).parents[2] / "tasks" / "migrations"


@dataclass(frozen=True)
class Size:
    """How much there is. One task has ``giant`` results, one ``listed`` with as many ids in its request."""

    name: str
    tasks: int
    giant: int
    listed: int
    large: tuple[int, int]
    small: tuple[int, int]
    devices: int
    queued: int

    @property
    def results(self) -> int:
        return self.giant + self.listed + self.large[0] * self.large[1] + self.small[0] * self.small[1]


SMALL = Size("small", 100, 100, 100, (1, 100), (20, 5), 100, 5)
BIG = Size("big", 1_000_000, 4_000_000, 1_000_000, (20, 100_000), (30_000, 100), 1_000_000, 5_000)

PLATFORM_SLOTS = 10
DAYS = 730
NOW = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)

NAMES = (
    "Close the valves of district {n}", "夜间关阀 {n} 区", "Firmware window {n}", "Set report period, hall {n}",
    "读取水表 {n} 号线", "Street lights off, line {n}", "Нічний режим {n}", "Meter clock sync {n}",
)  # fmt: skip
RARE = "Лічильник перевірка"
"""The name of every 200,000th task."""

KINDS = (
    *[TargetType.DEVICE_LIST] * 12, *[TargetType.GROUP_LIST] * 4, *[TargetType.DEVICE_TYPE] * 2,
    TargetType.DEVICE_AREA, TargetType.GROUP_ID_LIST,
)  # fmt: skip
COMMANDS = (
    ("Valve", "CLOSE"), ("Valve", "OPEN"), ("WaterMeter", "SET_REPORT_PERIOD"), ("Light", "SET_LEVEL"),
    ("Clock", "SYNC"), ("Battery", "READ"),
)  # fmt: skip
FINISHED = (*["COMPLETE"] * 78, *["TIMED_OUT"] * 12, *["REFUSED"] * 5, *["CANCELLED"] * 4, "ABANDONED")
STATUSES = (*["SUCCESSFUL"] * 90, *["FAILED"] * 4, *["TIMEOUT"] * 3, *["EXPIRED"] * 2, "DELIVERED")
SECONDS = tuple(f" {s // 3600:02d}:{s // 60 % 60:02d}:{s % 60:02d}" for s in range(86400))


def databases() -> tuple[BaseDatabaseWrapper, BaseDatabaseWrapper]:
    """The small one and the big one."""
    return database(SMALL), database(BIG)


def database(size: Size) -> BaseDatabaseWrapper:
    """A connection to the database of this size, which is made when there is none."""
    sources = b"".join(path.read_bytes() for path in [Path(__file__), *sorted(MIGRATIONS.glob("*.py"))])
    mark = hashlib.sha256(sources).hexdigest()[:8]
    name = f"muster_{size.name}_{mark}"
    if settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"):
        return _file(size, name)
    return _server_database(size, name)


@contextlib.contextmanager
def using(wrapper: BaseDatabaseWrapper) -> Iterator[None]:
    """Everything that asks for the default database gets this one."""
    before = connections["default"]
    connections["default"] = wrapper
    try:
        yield
    finally:
        connections["default"] = before


def _file(size: Size, name: str) -> BaseDatabaseWrapper:
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{name}.sqlite3"
    if not path.exists():
        for old in FOLDER.glob(f"muster_{size.name}_*"):
            old.unlink()
        unfinished = path.with_suffix(".part")
        wrapper = _wrapper(str(unfinished))
        with using(wrapper), wrapper.cursor() as cursor:
            cursor.execute("PRAGMA journal_mode=MEMORY")
            cursor.execute("PRAGMA synchronous=OFF")
            cursor.execute("PRAGMA cache_size=-400000")
            _make(size, wrapper)
        wrapper.close()
        unfinished.rename(path)
    return _wrapper(str(path))


def _server_database(size: Size, name: str) -> BaseDatabaseWrapper:
    server = _wrapper("postgres")
    with server.cursor() as cursor:
        cursor.execute("SELECT datname FROM pg_database WHERE datname LIKE %s", [f"muster_{size.name}_%"])
        known = {row[0] for row in cursor.fetchall()}
        if name not in known:
            for old in known:
                cursor.execute(f"DROP DATABASE {old}")
            cursor.execute(f"CREATE DATABASE {name}_part")
            wrapper = _wrapper(f"{name}_part")
            with using(wrapper):
                _make(size, wrapper)
            wrapper.close()
            cursor.execute(f"ALTER DATABASE {name}_part RENAME TO {name}")
    server.close()
    return _wrapper(name)


def _wrapper(name: str) -> BaseDatabaseWrapper:
    options = connections["default"].settings_dict | {"NAME": name}
    return load_backend(options["ENGINE"]).DatabaseWrapper(options, "default")


def _make(size: Size, wrapper: BaseDatabaseWrapper) -> None:
    start = time.monotonic()
    call_command("migrate", verbosity=0)
    people = [User(username=f"operator-{n:02d}", password=make_password(None)) for n in range(39)]
    User.objects.bulk_create([User(username="root", is_superuser=True, is_staff=True), *people])
    for n in range(12):
        Application.objects.create(name=f"Plant {n:02d}", url="http://127.0.0.1:9", app_id=f"app-{n}", secret="")
    fleet = Fleet(size, list(User.objects.order_by("id").values_list("id", flat=True)),
                  list(Application.objects.order_by("id").values_list("id", flat=True)))  # fmt: skip
    with _without_indexes(wrapper):
        _load(wrapper, Task, TASK, fleet.tasks())
        _load(wrapper, Transition, TRANSITION, fleet.transitions())
        _load(wrapper, Attempt, ATTEMPT, fleet.attempts())
        _load(wrapper, Callback, CALLBACK, fleet.callbacks())
        _load(wrapper, Device, DEVICE, fleet.devices())
        _load(wrapper, Result, RESULT, fleet.results())
    _reset_sequences(wrapper)
    print(f"made {wrapper.settings_dict['NAME']} in {time.monotonic() - start:.0f} s")


TASK = (
    "id", "application_id", "author_id", "name", "target_type", "service_id", "method", "timeout", "state",
    "reason", "due_at", "lease_until", "platform_task_id", "platform_status", "expected", "counts",
    "listed", "created_at", "submitted_at", "finished_at", "request_body",
)  # fmt: skip
TRANSITION = ("task_id", "from_state", "to_state", "reason", "actor_id", "at")
ATTEMPT = (
    "task_id", "number", "fence", "worker", "request_sha256", "started_at", "finished_at", "outcome",
    "http_status", "answer",
)  # fmt: skip
CALLBACK = ("task_id", "body", "body_sha256", "remote_address", "received_at", "state")
DEVICE = ("application_id", "device_id", "name", "device_type", "manufacturer_id", "model", "location", "status")
RESULT = ("task_id", "device_id", "command_id", "status", "detail", "source", "sent_at", "delivered_at", "finished_at")


class Fleet:
    """Rows, the same ones every time."""

    def __init__(self, size: Size, people: list[int], applications: list[int]) -> None:
        self.size, self.people, self.applications = size, people, applications

    def tasks(self) -> Iterator[tuple[Any, ...]]:
        for n in range(1, self.size.tasks + 1):
            at, state, dice = self.at(n), self.state(n), n * 2654435761 % 2**32 >> 8
            service, method = COMMANDS[dice % 6]
            sent = state in ("RUNNING", "COMPLETE", "TIMED_OUT")
            kind, expected, counts = self.reach(n, state)
            name = RARE if n % 200_000 == 0 else NAMES[dice % 8].format(n=n)
            body = json.dumps({"appId": f"app-{n % 12}", "timeout": 1440, "taskName": name, "taskType": "DeviceCmd",
                "param": {"type": kind, "command": {"serviceId": service, "method": method, "paras": {"value": dice}},
                          "callbackUrl": f"https://muster.example:8000/callbacks/{dice:043d}/", "groupTag": "x" * 150},
            })  # fmt: skip
            if n == self.listed_task:
                ids = [device_id(i, self.size.listed) for i in range(self.size.listed)]
                whole = json.loads(body)
                whole["param"] = {"type": kind, "deviceList": ids} | whole["param"]
                body = json.dumps(whole)
            yield (
                n, self.application(n), self.author(n), name, kind, service, method, 1440, state,
                "" if sent else "waiting for a worker", at if state == "QUEUED" else None, None,
                f"task-{n:012d}" if sent else "", "Running" if state == "RUNNING" else "", expected,
                json.dumps(counts), True, at, at if sent else None,
                at if sent and state != "RUNNING" else None, body,
            )  # fmt: skip

    def at(self, n: int) -> str:
        """Times in order over two years, a little denser lately."""
        minutes = int(DAYS * 1440 * (1 - n / (self.size.tasks + 1)) ** 1.1)
        moment = NOW - dt.timedelta(minutes=minutes)
        return f"{moment:%Y-%m-%d}{SECONDS[(moment.hour * 60 + moment.minute) * 60 + n % 60]}"

    def state(self, n: int) -> str:
        """The newest are open; among the older ones some are in doubt, and two large ones still run."""
        newest = self.size.tasks - n
        if newest < self.size.queued:
            return "QUEUED"
        if newest < self.size.queued + self.slots * len(self.applications) or n in self.running:
            return "RUNNING"
        if newest % (self.size.tasks // 20) == 7:
            return "UNCONFIRMED"
        return FINISHED[n * 40503 % 65536 % 100]

    def application(self, n: int) -> int:
        return self.applications[n % 12 if self.state(n) == "RUNNING" else n * 7919 % 1009 % 12]

    def author(self, n: int) -> int:
        """A third by one busy person, the rest by 37; one composed very little."""
        if n % 50_000 == 11:
            return self.people[-1]
        return self.people[1] if n % 3 == 0 else self.people[2 + n * 7919 % 1013 % 37]

    @property
    def slots(self) -> int:
        return PLATFORM_SLOTS if self.size.tasks > 1000 else 1

    @property
    def giant_task(self) -> int:
        return self.size.tasks - self.size.queued - 1000 if self.size.tasks > 5000 else 50

    @property
    def listed_task(self) -> int:
        return self.giant_task - 1

    @property
    def running(self) -> tuple[int, int]:
        return self.giant_task, self.listed_task

    @property
    def of_results(self) -> dict[int, int]:
        """Task -> its number of results."""
        size, step = self.size, max(self.giant_task // (self.size.small[0] + self.size.large[0] + 1), 1)
        found = {}
        for place in range(size.large[0] + size.small[0]):
            many = size.large[1] if place % (size.small[0] // size.large[0] + 1) == 0 else size.small[1]
            found[1 + place * step] = many
        return dict(sorted((found | {self.giant_task: size.giant, self.listed_task: size.listed}).items()))

    def reach(self, n: int, state: str) -> tuple[str, int | None, dict[str, int]]:
        if n == self.giant_task:
            return TargetType.DEVICE_TYPE, self.size.giant, _counts(self.size.giant)
        if n == self.listed_task:
            return TargetType.DEVICE_LIST, self.size.listed, _counts(self.size.listed)
        many = self._results.get(n) or 10 + n % 90
        counts = _counts(many) if state in ("RUNNING", "COMPLETE", "TIMED_OUT") and n % 3 else {}
        if state == "COMPLETE" and n % 3 == 0:
            counts = {"SUCCESSFUL": many}
        return KINDS[n * 31 % 127 % 20], many, counts

    @property
    def _results(self) -> dict[int, int]:
        if not hasattr(self, "_kept"):
            self._kept = self.of_results
        return self._kept

    def transitions(self) -> Iterator[tuple[Any, ...]]:
        for n in range(1, self.size.tasks + 1):
            at, state = self.at(n), self.state(n)
            yield (n, "", "QUEUED", "composed", self.author(n), at)
            if state != "QUEUED":
                yield (n, "QUEUED", "SUBMITTING", "a worker took it", None, at)
                yield (n, "SUBMITTING", state, "every device has a final answer", None, at)

    def attempts(self) -> Iterator[tuple[Any, ...]]:
        for n in range(1, self.size.tasks + 1):
            if self.state(n) in ("QUEUED", "CANCELLED"):
                continue
            at = self.at(n)
            outcome = "refused" if self.state(n) == "REFUSED" else "created"
            yield (n, 1, 1, f"host-{n % 7}:{n % 31}", f"{n:064x}", at, at, outcome, 200, f'{{"taskID":"{n}"}}')

    def callbacks(self) -> Iterator[tuple[Any, ...]]:
        last = self.size.tasks
        for n in range(last):
            body = f'{{"deviceId":"{device_id(n, last)}","commandId":"c{n}","result":{{"resultCode":"SENT"}}}}'
            state = "QUARANTINED" if n % 10_000 == 9 else "SETTLED"
            task = self.giant_task if n % 2 else 1 + n
            yield (task, body.encode(), f"{n:064x}", f"10.0.0.{n % 250}", self.at(1 + n), state)

    def devices(self) -> Iterator[tuple[Any, ...]]:
        for n in range(self.size.devices):
            kind = f"Meter{n % 5}"
            yield (
                self.applications[0], device_id(n, self.size.devices), f"水表 {n}", kind, "m-1", "X1",
                f"Hall-{n % 400}", "ONLINE",
            )  # fmt: skip

    def results(self) -> Iterator[tuple[Any, ...]]:
        for task, many in self._results.items():
            day = self.at(task)[:10]
            running = task in self.running
            for n in range(many):
                status = STATUSES[n * 40503 % 65536 % 100]
                at = day + SECONDS[n % 86400]
                if running and n % 3 == 0:
                    yield (task, device_id(n, many), "", "", None, "", None, None, None)
                else:
                    final = None if status == "DELIVERED" else at
                    yield (task, device_id(n, many), f"{task:08x}{n:024x}", status, '{"v":1}', "push", at, at, final)


def device_id(n: int, many: int) -> str:
    """Ids that look like the platform's, in the order of their numbers."""
    return f"{n * (0xFFFFFFFF // many):08x}-91a3-4c44-9a0c-{n * 2654435761 % 2**48:012x}"


def _counts(many: int) -> dict[str, int]:
    parts = {"SUCCESSFUL": many * 90 // 100, "FAILED": many * 4 // 100, "TIMEOUT": many * 3 // 100}
    return parts | {"DELIVERED": many - sum(parts.values())}


def _load(
    wrapper: BaseDatabaseWrapper, model: type[models.Model], columns: Sequence[str], rows: Iterable[tuple[Any, ...]]
) -> None:
    """All rows in one statement; the columns that are not named get the model's defaults."""
    others = [field for field in model._meta.concrete_fields
              if field.column not in (*columns, "id") and not getattr(field, "generated", False)]  # fmt: skip
    rest = tuple(_default(field, wrapper) for field in others)
    names = ", ".join(wrapper.ops.quote_name(name) for name in (*columns, *(field.column for field in others)))
    table = wrapper.ops.quote_name(model._meta.db_table)
    whole = (row + rest for row in rows)
    with wrapper.cursor() as cursor:
        if wrapper.vendor == "sqlite":
            marks = ", ".join("?" * (len(columns) + len(rest)))
            cursor.execute("BEGIN")
            wrapper.connection.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", whole)
            cursor.execute("COMMIT")
        else:
            with cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
                for row in whole:
                    copy.write_row(row)


def _default(field: Any, wrapper: BaseDatabaseWrapper) -> Any:
    value = field.get_default()
    if isinstance(field, models.JSONField):
        return None if value is None else json.dumps(value)
    return field.get_db_prep_save(value, wrapper)


@contextlib.contextmanager
def _without_indexes(wrapper: BaseDatabaseWrapper) -> Iterator[None]:
    """Sorting an index once is faster than keeping it in order; those of constraints stay."""
    own = {
        "sqlite": "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        " AND tbl_name LIKE 'tasks_%%'",
        "postgresql": "SELECT indexname, indexdef FROM pg_indexes WHERE tablename LIKE 'tasks_%%'"
        " AND NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conname = indexname)",
    }
    with wrapper.cursor() as cursor:
        cursor.execute(own[wrapper.vendor])
        indexes = cursor.fetchall()
        for name, _ in indexes:
            cursor.execute(f'DROP INDEX "{name}"')
        yield
        for _, definition in indexes:
            cursor.execute(definition)


def _reset_sequences(wrapper: BaseDatabaseWrapper) -> None:
    from django.core.management.color import no_style

    with wrapper.cursor() as cursor:
        for statement in wrapper.ops.sequence_reset_sql(no_style(), [Task]):
            cursor.execute(statement)
        if wrapper.vendor == "postgresql":
            cursor.execute("VACUUM ANALYZE")
