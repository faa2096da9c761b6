"""``manage.py backup FOLDER``: one consistent copy of the embedded databases, while everything runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from tasks.management.door import Door
from tasks.management.snapshots import Unusable, take


class Command(Door):
    help = "Copy the embedded databases into a new folder, consistently, while Muster runs."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", metavar="FOLDER", type=Path, help="is made; must not exist yet")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            size = take(options["folder"])
        except Unusable as error:
            self.fail(str(error))
        self.stdout.write(
            f"Wrote {options['folder']} ({size / 1e6:,.1f} MB), and checked it. The secret key is not in it: keep "
            "a copy of it elsewhere, for without it the secrets stored in the backup cannot be read."
        )
