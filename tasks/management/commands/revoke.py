"""``manage.py revoke ID``: take nothing more at a task's callback address, whose secret may be known to others."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from tasks import lifecycle
from tasks.management.door import Door
from tasks.models import Task


class Command(Door):
    help = "Take no more pushes at this task's callback address; what its devices answer is polled instead."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("id", type=int)

    def handle(self, *args: Any, **options: Any) -> None:
        task = Task.objects.filter(pk=options["id"]).first()
        if task is None:
            self.refuse([("id", f"there is no task {options['id']}")])
        lifecycle.revoke(task)
        self.stdout.write(
            f"Nothing more is taken at the callback address of task {task.pk}, from a minute on at the latest."
        )
