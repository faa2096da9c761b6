"""Databases to measure on, which are made once and kept.

They lie in ``MUSTER_BENCH_DIR`` (a folder under the system's temporary one): SQLite files, or where ``DATABASE_URL``
names a PostgreSQL server, databases on it. A new one is made, and the old one dropped, when what makes it or a
migration changes.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.db import connections, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import load_backend

FOLDER = Path(os.environ.get("MUSTER_BENCH_DIR") or Path(tempfile.gettempdir()) / "muster-bench")
MIGRATIONS = Path(__file__).parents[2] / "tasks" / "migrations"
IS_FILE = settings.DATABASES["default"]["ENGINE"].endswith("sqlite3")

connections.databases.pop(
    "inbox", None
)  # callbacks in the same database: one to swap, and no page joins them

Make = Callable[[BaseDatabaseWrapper], None]


def kept(name: str, make: Make, *sources: str) -> BaseDatabaseWrapper:
    """A connection to the database of this name, which ``make`` fills when there is none.

    ``sources`` are the files that say what is in it, besides this one and the migrations.
    """
    files = [Path(__file__), *map(Path, sources), *sorted(MIGRATIONS.glob("*.py"))]
    mark = hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:8]
    whole = f"muster_{name}_{mark}"
    return (_file if IS_FILE else _server_database)(name, whole, make)


def fresh(folder: str) -> BaseDatabaseWrapper:
    """A connection to an empty database: a file in ``folder``, or the server's only one of this use."""
    if not IS_FILE:
        with contextlib.closing(opened("postgres")) as server, server.cursor() as cursor:
            cursor.execute("DROP DATABASE IF EXISTS muster_fresh")
            cursor.execute("CREATE DATABASE muster_fresh")
    wrapper = opened(str(Path(folder) / "fresh.sqlite3") if IS_FILE else "muster_fresh")
    with using(wrapper):
        call_command("migrate", verbosity=0)
    return wrapper


@contextlib.contextmanager
def using(wrapper: BaseDatabaseWrapper) -> Iterator[None]:
    """Everything that asks for the default database gets this one."""
    before = connections["default"]
    connections["default"] = wrapper
    try:
        yield
    finally:
        connections["default"] = before


def opened(name: str) -> BaseDatabaseWrapper:
    """A connection to the database of this name, with the settings of the default one."""
    options = connections["default"].settings_dict | {"NAME": name}
    return load_backend(options["ENGINE"]).DatabaseWrapper(options, "default")


def load(
    wrapper: BaseDatabaseWrapper,
    model: type[models.Model],
    columns: tuple[str, ...],
    made: Iterable[tuple[Any, ...]],
) -> None:
    """All rows in one statement; the columns that are not named get the model's defaults."""
    others = others_of(model, columns)
    rest = tuple(default_of(field, wrapper) for field in others)
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


@contextlib.contextmanager
def without_indexes(wrapper: BaseDatabaseWrapper) -> Iterator[None]:
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


def others_of(model: type[models.Model], columns: tuple[str, ...]) -> list[Any]:
    """The columns that are neither given nor made by the database."""
    return [
        field
        for field in model._meta.concrete_fields
        if not field.generated and field.column not in (*columns, "id")
    ]


def default_of(field: Any, wrapper: BaseDatabaseWrapper) -> Any:
    value = field.get_default()
    if isinstance(field, models.JSONField):
        return None if value is None else "{}" if value == {} else "[]"
    return field.get_db_prep_save(value, wrapper)


def _file(name: str, whole: str, make: Make) -> BaseDatabaseWrapper:
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{whole}.sqlite3"
    if not path.exists():
        for old in FOLDER.glob(f"muster_{name}_*"):
            old.unlink()
        unfinished = path.with_suffix(".part")
        wrapper = opened(str(unfinished))
        with using(wrapper), wrapper.cursor() as cursor:
            for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-400000"):
                cursor.execute(f"PRAGMA {pragma}")
            _made(wrapper, make)
        wrapper.close()
        unfinished.rename(path)
    return opened(str(path))


def _server_database(name: str, whole: str, make: Make) -> BaseDatabaseWrapper:
    server = opened("postgres")
    with server.cursor() as cursor:
        cursor.execute("SELECT datname FROM pg_database WHERE datname LIKE %s", [f"muster_{name}_%"])
        known = {row[0] for row in cursor.fetchall()}
        if whole not in known:
            for old in known:
                cursor.execute(f"DROP DATABASE {old}")
            cursor.execute(f"CREATE DATABASE {whole}_part")
            wrapper = opened(f"{whole}_part")
            with using(wrapper):
                _made(wrapper, make)
                with wrapper.cursor() as inside:
                    inside.execute("VACUUM ANALYZE")
            wrapper.close()
            cursor.execute(f"ALTER DATABASE {whole}_part RENAME TO {whole}")
    server.close()
    return opened(whole)


def _made(wrapper: BaseDatabaseWrapper, make: Make) -> None:
    start = time.monotonic()
    call_command("migrate", verbosity=0)
    make(wrapper)
    sys.stdout.write(f"made {wrapper.settings_dict['NAME']} in {time.monotonic() - start:.0f} s\n")
