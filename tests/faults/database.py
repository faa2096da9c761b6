"""A database of our own as Django's default one, for as long as it is needed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import dj_database_url
from django.conf import settings
from django.core.management import call_command
from django.db import connections

ALIAS = "default"


@contextlib.contextmanager
def database(url: str, *, durable: bool = True) -> Iterator[None]:
    """Every thread's default connection goes to ``url``, with all migrations applied."""
    config = dj_database_url.parse(url, conn_max_age=None, conn_health_checks=True)
    if config["ENGINE"].endswith("sqlite3"):
        config["OPTIONS"] = dict(settings.SQLITE_OPTIONS)
        if not durable:  # where only processes die, and never the machine
            config["OPTIONS"]["init_command"] += "PRAGMA synchronous=OFF;"
    connections.databases["spare"] = config
    config = connections.configure_settings({ALIAS: config})[ALIAS]
    del connections.databases["spare"]
    before = connections.databases[ALIAS]
    kept = connections[ALIAS]
    connections.databases[ALIAS] = config
    connections[ALIAS] = connections.create_connection(ALIAS)
    try:
        call_command("migrate", verbosity=0)
        yield
    finally:
        connections[ALIAS].close()
        connections.databases[ALIAS] = before
        connections[ALIAS] = kept
