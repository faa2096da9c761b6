"""``manage.py prune``: delete what is past its age, in small steps beside everything else; run it again to go on."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from django.db import DatabaseError

from tasks import lifecycle
from tasks.lifecycle.prune import KINDS, count
from tasks.management.door import Door

COUNT_SECONDS = 20


class Command(Door):
    help = "Delete raw bodies, results and tasks past their age. Stopped half-way, it goes on when run again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only say what would be deleted")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["dry_run"]:
                found = count(KINDS, seconds=COUNT_SECONDS)
            else:
                found = {name: (number, True) for name, number in lifecycle.prune(KINDS).items()}
        except DatabaseError as error:
            self.fail(f"The database refused: {error}. Nothing is half done; run it again to go on.")
        if options["json"]:
            self.print_json(
                {name: {"rows": number, "all": is_all} for name, (number, is_all) in found.items()}
            )
            return
        verb = "Would delete" if options["dry_run"] else "Deleted"
        for kind in KINDS:
            if kind.age is None:
                self.stdout.write(f"Kept for ever: {kind.words}.")
                continue
            number, is_all = found[kind.name]
            least = "" if is_all else "at least "
            self.stdout.write(f"{verb} {least}{number:,} {kind.words} older than {kind.age.days:,} days.")
