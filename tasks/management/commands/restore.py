"""``manage.py restore FOLDER``: the embedded databases as a backup has them; nothing is sent again by it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.base import CommandParser
from django.db import connections

from tasks.management.commands.restored import Command as Restored
from tasks.management.snapshots import Unusable, put_back


class Command(Restored):
    help = "Replace the embedded databases by a backup. Stop Muster first."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", metavar="FOLDER", type=Path)
        parser.add_argument(
            "--force", action="store_true", help="replace databases that exist; they are kept beside"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            put_back(options["folder"], force=options["force"])
        except Unusable as error:
            self.fail(str(error))
        for alias in connections:
            call_command("migrate", verbosity=0, interactive=False, database=alias)
        super().handle()
