"""Django's own, for every database unless one is named: with SQLite the callbacks have one of their own."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from django.core.management.commands import migrate
from django.db import connections


class Command(migrate.Command):
    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.set_defaults(database=None)

    def execute(self, *args: Any, **options: Any) -> None:
        for alias in [options["database"]] if options["database"] else connections:
            super().execute(*args, **options | {"database": alias})
