"""Databases of our own in the place of Django's, for as long as they are needed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import dj_database_url
from django.conf import settings
from django.core.management import call_command
from django.db import connections


@contextlib.contextmanager
def database(url: str, *, durable: bool = True) -> Iterator[None]:
    """Every thread's connections go to ``url``, and to an inbox beside it, with all migrations applied."""
    config = dj_database_url.parse(url, conn_max_age=None, conn_health_checks=True)
    configs = {"default": config}
    if config["ENGINE"].endswith("sqlite3"):
        config["OPTIONS"] = dict(settings.SQLITE_OPTIONS)
        if not durable:  # where only processes die, and never the machine
            config["OPTIONS"]["init_command"] += "PRAGMA synchronous=OFF;"
        configs["inbox"] = config | {"NAME": str(Path(config["NAME"]).with_name("inbox.sqlite3"))}
    before = dict(connections.databases)
    kept = {alias: connections[alias] for alias in before}
    connections.databases.clear()
    connections.databases.update(connections.configure_settings(configs))
    for alias in configs:
        connections[alias] = connections.create_connection(alias)
    try:
        call_command("migrate", verbosity=0)
        yield
    finally:
        for alias in configs:
            connections[alias].close()
        connections.databases.clear()
        connections.databases.update(before)
        for alias, connection in kept.items():
            connections[alias] = connection
