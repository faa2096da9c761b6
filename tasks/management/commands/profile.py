"""``manage.py profile FILE...``: import device profiles, as the catalogue page does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from tasks import catalogue
from tasks.management.door import Door
from tasks.profiles.archive import Unreadable


class Command(Door):
    help = "Import device profiles from zip or JSON files."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("files", nargs="+", metavar="FILE", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        problems = []
        for file in options["files"]:
            try:
                for profile in catalogue.import_profiles(file.name, file.read_bytes()):
                    self.stdout.write(f"Imported {profile}.")
                    for note in profile.schema.notes:
                        self.stdout.write(f"  {note}")
            except OSError as error:
                problems.append((str(file), f"cannot be read: {error.strerror}"))
            except Unreadable as error:
                problems.append((str(file), str(error)))
        if problems:
            self.refuse(problems)
