"""Copies of the embedded databases: made while Muster runs, checked, and put back while it does not.

A folder holds one file for each database, and a manifest. The file with the secret key is not in it.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.db.migrations.loader import MigrationLoader

from tasks.models import Application
from tasks.models.fields import EncryptedField

MANIFEST = "backup.json"
BUSY_SECONDS = 20


class Unusable(Exception):
    """It cannot be done; the text says why, and what to do."""


def databases() -> dict[str, Path]:
    """Alias -> file, in the order in which they are copied: the main one last.

    What it holds by then covers all that the inbox calls settled; and a callback that the inbox still calls new is
    settled once more after a restore, which changes nothing. The other way round, answers would be missing.
    """
    files = {}
    for alias in sorted(connections, key=lambda alias: alias == "default"):
        connection = connections[alias]
        if connection.vendor != "sqlite":
            raise Unusable(
                f"The database {alias!r} is {connection.display_name}, which has its own tools: see docs/operations.md."
            )
        files[alias] = Path(connection.settings_dict["NAME"])
    return files


def take(folder: Path) -> int:
    """Copy every database into a new folder; its size in bytes. It has its name only once all of it is on the disk."""
    if folder.exists():
        raise Unusable(f"{folder} exists already. A backup replaces nothing: give it another name.")
    partial = folder.with_name(f"{folder.name}.partial")
    with _told(f"The backup to {folder} failed"):
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True, mode=0o700)
        try:
            sums = {alias: _copy(file, partial / f"{alias}.sqlite3") for alias, file in databases().items()}
            manifest = {"made_at": dt.datetime.now(dt.UTC).isoformat(), "sha256": sums}
            (partial / MANIFEST).write_text(json.dumps(manifest, indent=2))
            _sync(partial / MANIFEST)
            partial.rename(folder)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        _sync(folder.parent)
    return sum(file.stat().st_size for file in folder.iterdir())


def _copy(source: Path, target: Path) -> str:
    """One moment of the database, however much is written meanwhile."""
    with closing(sqlite3.connect(source, timeout=BUSY_SECONDS, isolation_level=None)) as database:
        database.execute("VACUUM INTO ?", [str(target)])
    target.chmod(0o600)
    _sync(target)
    _require_whole(target)
    return _sum(target)


def put_back(folder: Path, *, force: bool) -> None:
    """Replace the databases by those of the folder. What was there before is kept beside, as NAME.before-TIME."""
    files = databases()
    with _told(f"{folder} cannot be restored"):
        sums = _manifest(folder)
        for alias in files:
            copy = folder / f"{alias}.sqlite3"
            if sums.get(alias) != _sum(copy):
                raise Unusable(f"{copy} is not what the backup wrote: its checksum differs.")
            _require_whole(copy)
        _require_known_migrations(folder / "default.sqlite3")
        _require_the_key(folder / "default.sqlite3")
        there = [str(file) for file in files.values() if file.exists()]
        if there and not force:
            raise Unusable(f"{', '.join(there)} exists. Give --force to replace it; it is kept beside.")
        connections.close_all()
        require_stopped([*files.values(), *Path(settings.DATA_DIR).glob("*.sqlite3")])
        stamp = dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%SZ")
        for alias, file in files.items():
            _replace(folder / f"{alias}.sqlite3", file, stamp)


def require_stopped(files: list[Path]) -> None:
    """Only who is alone with a database may change its journal mode: whatever else has it open is found by that."""
    for file in files:
        if not file.exists():
            continue
        try:
            with closing(sqlite3.connect(file, timeout=0, isolation_level=None)) as database:
                database.execute("PRAGMA journal_mode=DELETE").fetchall()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise Unusable(
                    f"{file} is in use: stop Muster first, the web process and all workers."
                ) from error
        except sqlite3.DatabaseError:
            pass  # damaged, which is what backups are for


def _replace(copy: Path, file: Path, stamp: str) -> None:
    new = file.with_name(f"{file.name}.restoring")
    shutil.copyfile(copy, new)
    new.chmod(0o600)
    _sync(new)
    for tail in ("", "-wal", "-shm"):  # a log left from another database would be read into this one
        old = file.with_name(f"{file.name}{tail}")
        if old.exists():
            old.rename(file.with_name(f"{file.name}.before-{stamp}{tail}"))
    new.rename(file)
    _sync(file.parent)


def _manifest(folder: Path) -> dict[str, str]:
    try:
        sums = json.loads((folder / MANIFEST).read_text())["sha256"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Unusable(f"{folder} is no backup of Muster: it has no readable {MANIFEST}.") from error
    return sums if isinstance(sums, dict) else {}


def _require_whole(copy: Path) -> None:
    with closing(_reading(copy)) as database:
        found = database.execute("PRAGMA integrity_check").fetchall()
    if found != [("ok",)]:
        raise Unusable(f"{copy} is damaged: {found[0][0]}")


def _require_known_migrations(copy: Path) -> None:
    with closing(_reading(copy)) as database:
        applied = set(database.execute("SELECT app, name FROM django_migrations").fetchall())
    known = set(MigrationLoader(None).disk_migrations)
    if unknown := sorted(applied - known):
        raise Unusable(
            f"The backup was made by a newer Muster, which had {'.'.join(unknown[-1])}. Install that one."
        )


def _require_the_key(copy: Path) -> None:
    with closing(_reading(copy)) as database:
        secrets = database.execute(f"SELECT secret FROM {Application._meta.db_table}").fetchall()  # noqa: S608
    try:
        for (secret,) in secrets:
            EncryptedField().from_db_value(secret)
    except ImproperlyConfigured as error:
        raise Unusable(
            "The secrets in the backup cannot be read with the present secret key: put the key they were written "
            "with into MUSTER_SECRET_KEY_FILE first."
        ) from error


def _reading(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro&immutable=1", uri=True)


def _sum(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _told(what: str) -> Iterator[None]:
    """What the disk or the database says, as a sentence."""
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        raise Unusable(f"{what}: {_words(error)}.") from error


def _words(error: Any) -> str:
    named = getattr(error, "filename", None)
    return f"{named}: {error.strerror}" if named else str(error)
