"""``manage.py history``: the newest tasks."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from tasks.management.door import Door
from tasks.models import Task


class Command(Door):
    help = "List the newest tasks, newest first."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--limit", type=int, default=20, metavar="N")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["limit"] < 1:
            self.refuse([("--limit", "must be at least 1")])
        tasks = Task.objects.select_related("application", "author")[: options["limit"]]
        rows = [
            {
                **task.summary(),
                "name": task.name,
                "application": task.application.name,
                "operator": task.author.get_username(),
                "target_type": task.target_type,
                "created_at": task.created_at.isoformat(),
            }
            for task in tasks
        ]
        if options["json"]:
            self.print_json(rows)
            return
        for row in rows:
            self.stdout.write(f"{row['id']:>6}  {row['state']:<12} {row['target_type']:<12} {row['name']}")
