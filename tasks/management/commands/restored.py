"""``manage.py restored``: after a restore by the database's own tools; what could have been sent is not sent again."""

from __future__ import annotations

from typing import Any

from tasks import lifecycle
from tasks.management.door import Door


class Command(Door):
    help = (
        "Run after a database was restored, before anything else starts. manage.py restore does it by itself."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        doubtful = lifecycle.restored()
        self.stdout.write(
            "Restored. Nothing that may have been sent since the backup is sent again by itself."
        )
        if doubtful:
            self.stdout.write(
                f"{doubtful:,} task{'s wait' if doubtful > 1 else ' waits'} for a person to say whether the platform "
                "has it: see the page “What needs a person”."
            )
