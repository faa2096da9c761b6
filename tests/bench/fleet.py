"""Two databases to measure pages on: a hundred rows of everything, and a million tasks with ten million results.

They are made once and kept in ``MUSTER_BENCH_DIR`` (a folder under the system's temporary one): SQLite files, or
where ``DATABASE_URL`` names a PostgreSQL server, databases on it. A new one is made, and the old one dropped, when
this module, ``rows`` or a migration changes.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.color import no_style
from django.db import connections, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import load_backend

from tasks.models import Application, Result, Task
from tests.bench import rows
from tests.bench.rows import BIG, SMALL, Fleet, Size

__all__ = ["BIG", "SMALL", "database", "using"]

FOLDER = Path(os.environ.get("MUSTER_BENCH_DIR") or Path(tempfile.gettempdir()) / "muster-bench")
MIGRATIONS = Path(__file__).parents[2] / "tasks" / "migrations"

connections.databases.pop(
    "inbox", None
)  # callbacks in the same database: one to swap, and no page joins them


def database(size: Size) -> BaseDatabaseWrapper:
    """A connection to the database of this size, which is made when there is none."""
    sources = [Path(__file__), Path(rows.__file__), *sorted(MIGRATIONS.glob("*.py"))]
    mark = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:8]
    name = f"muster_{size.name}_{mark}"
    is_file = settings.DATABASES["default"]["ENGINE"].endswith("sqlite3")
    return _file(size, name) if is_file else _server_database(size, name)


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
        wrapper = opened(str(unfinished))
        with using(wrapper), wrapper.cursor() as cursor:
            for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-400000"):
                cursor.execute(f"PRAGMA {pragma}")
            _make(size, wrapper)
        wrapper.close()
        unfinished.rename(path)
    return opened(str(path))


def _server_database(size: Size, name: str) -> BaseDatabaseWrapper:
    server = opened("postgres")
    with server.cursor() as cursor:
        cursor.execute("SELECT datname FROM pg_database WHERE datname LIKE %s", [f"muster_{size.name}_%"])
        known = {row[0] for row in cursor.fetchall()}
        if name not in known:
            for old in known:
                cursor.execute(f"DROP DATABASE {old}")
            cursor.execute(f"CREATE DATABASE {name}_part")
            wrapper = opened(f"{name}_part")
            with using(wrapper):
                _make(size, wrapper)
            wrapper.close()
            cursor.execute(f"ALTER DATABASE {name}_part RENAME TO {name}")
    server.close()
    return opened(name)


def opened(name: str) -> BaseDatabaseWrapper:
    """A connection to the database of this name, with the settings of the default one."""
    options = connections["default"].settings_dict | {"NAME": name}
    return load_backend(options["ENGINE"]).DatabaseWrapper(options, "default")


def _make(size: Size, wrapper: BaseDatabaseWrapper) -> None:
    start = time.monotonic()
    call_command("migrate", verbosity=0)
    people = [User(username=f"operator-{n:02d}") for n in range(39)]
    User.objects.bulk_create([User(username="root", is_superuser=True, is_staff=True), *people])
    for n in range(12):
        Application.objects.create(
            name=f"Plant {n:02d}", url="http://127.0.0.1:9", app_id=f"app-{n}", secret=""
        )
    fleet = Fleet(
        size,
        people=list(User.objects.order_by("id").values_list("id", flat=True)),
        applications=list(Application.objects.order_by("id").values_list("id", flat=True)),
    )
    with _without_indexes(wrapper):
        for model, columns, made in fleet.tables():
            load(wrapper, model, columns, made)
        _load_results(wrapper, fleet)
    with wrapper.cursor() as cursor:
        for statement in wrapper.ops.sequence_reset_sql(no_style(), [Task]):
            cursor.execute(statement)
        if wrapper.vendor == "postgresql":
            cursor.execute("VACUUM ANALYZE")
    sys.stdout.write(f"made {wrapper.settings_dict['NAME']} in {time.monotonic() - start:.0f} s\n")


def load(
    wrapper: BaseDatabaseWrapper,
    model: type[models.Model],
    columns: tuple[str, ...],
    made: Iterable[tuple[Any, ...]],
) -> None:
    """All rows in one statement; the columns that are not named get the model's defaults."""
    others = _others(model, columns)
    rest = tuple(_default(field, wrapper) for field in others)
    names = ", ".join((*columns, *(field.column for field in others)))
    whole = (row + rest for row in made)
    table = model._meta.db_table
    with wrapper.cursor() as cursor:
        if wrapper.vendor == "sqlite":
            marks = ", ".join("?" * (len(columns) + len(rest)))
            wrapper.connection.execute("BEGIN")
            wrapper.connection.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", whole)
            wrapper.connection.execute("COMMIT")
        else:
            with cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
                for row in whole:
                    copy.write_row(row)


SERIES = """
    WITH RECURSIVE series(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM series WHERE n + 1 < %s)
    INSERT INTO number SELECT n FROM series
"""
RESULTS = """
    INSERT INTO tasks_result ({names})
    SELECT task, device, CASE status WHEN '' THEN '' ELSE {task} || device END, status,
           CASE status WHEN '' THEN NULL ELSE {detail} END, CASE status WHEN '' THEN '' ELSE 'push' END,
           CASE status WHEN '' THEN NULL ELSE at END, CASE status WHEN '' THEN NULL ELSE at END,
           CASE WHEN status IN ('', 'DELIVERED') THEN NULL ELSE at END{rest}
    FROM (SELECT task, n, {device} AS device, {at} AS at,
                 CASE WHEN running = 1 AND n %% 3 = 0 THEN '' ELSE CASE n * 40503 %% 65536 %% 100 {statuses} END END
                 AS status
          FROM share CROSS JOIN number WHERE n < many) AS made
    ORDER BY task, n
"""


def _load_results(wrapper: BaseDatabaseWrapper, fleet: Fleet) -> None:
    """Ten million rows take minutes to make in Python; the database makes them from one row for each task."""
    others = _others(Result, rows.RESULT)
    if wrapper.vendor == "sqlite":
        hexed, at = "printf('%%0{}x', {})", "datetime(day, n %% 86400 || ' seconds')"
    else:
        hexed, at = (
            "lpad(to_hex({1}), {0}, '0')",
            "CAST(day AS timestamptz) + n %% 86400 * INTERVAL '1 second'",
        )
    first, last = (
        hexed.format(8, "n * (4294967295 / many)"),
        hexed.format(12, "n * 2654435761 %% 281474976710656"),
    )
    detail = """'{"v":1}'"""
    statement = RESULTS.format(
        names=", ".join((*rows.RESULT, *(field.column for field in others))),
        rest="".join(", %s" for _ in others),
        task=hexed.format(8, "task"),
        detail=detail if wrapper.vendor == "sqlite" else f"CAST({detail} AS jsonb)",
        device=f"{first} || '-91a3-4c44-9a0c-' || {last}",
        at=at,
        statuses=" ".join(f"WHEN {dice} THEN '{status}'" for dice, status in enumerate(rows.STATUSES)),
    )
    with wrapper.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE share (task bigint, many bigint, day text, running integer)")
        cursor.executemany("INSERT INTO share VALUES (%s, %s, %s, %s)", list(fleet.shares()))
        cursor.execute("CREATE TEMPORARY TABLE number (n bigint PRIMARY KEY)")
        cursor.execute(SERIES, [fleet.size.giant])
        cursor.execute(statement, [_default(field, wrapper) for field in others])
        cursor.execute("DROP TABLE share")
        cursor.execute("DROP TABLE number")


def _others(model: type[models.Model], columns: tuple[str, ...]) -> list[Any]:
    """The columns that are neither given nor made by the database."""
    return [
        field
        for field in model._meta.concrete_fields
        if not field.generated and field.column not in (*columns, "id")
    ]


def _default(field: Any, wrapper: BaseDatabaseWrapper) -> Any:
    value = field.get_default()
    if isinstance(field, models.JSONField):
        return None if value is None else "{}" if value == {} else "[]"
    return field.get_db_prep_save(value, wrapper)


@contextlib.contextmanager
def _without_indexes(wrapper: BaseDatabaseWrapper) -> Iterator[None]:
    """Sorting an index once is faster than keeping it in order; those of constraints stay."""
    own = {
        "sqlite": "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        " AND tbl_name LIKE 'tasks_%'",
        "postgresql": "SELECT indexname, indexdef FROM pg_indexes WHERE tablename LIKE 'tasks_%'"
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
