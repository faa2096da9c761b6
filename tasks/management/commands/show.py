"""``manage.py show ID``: one task, with its transitions, attempts and results by status."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from tasks.management.door import Door
from tasks.models import Task


class Command(Door):
    help = "Show one task: where it stands, what was tried, what came of it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("id", type=int)
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        task = Task.objects.filter(pk=options["id"]).first()
        if task is None:
            self.refuse([("id", f"there is no task {options['id']}")])
        transitions = [
            {
                "at": row.at.isoformat(),
                "from": row.from_state or None,
                "to": row.to_state,
                "reason": row.reason,
                "actor": row.actor.get_username() if row.actor else None,
            }
            for row in task.transitions.select_related("actor")
        ]
        attempts: list[dict[str, Any]] = [
            {
                "number": row.number,
                "started_at": row.started_at.isoformat(),
                "finished_at": row.finished_at and row.finished_at.isoformat(),
                "outcome": row.outcome or None,
                "http_status": row.http_status,
                "error_code": row.error_code or None,
                "explanation": row.explanation,
            }
            for row in task.attempts.all()
        ]
        results = {status or "NO_ANSWER": count for status, count in task.counts.items()}
        if options["json"]:
            self.print_json(
                task.summary() | {"transitions": transitions, "attempts": attempts, "results": results}
            )
            return
        self.stdout.write(f"{task}\n{task.state}: {task.reason}")
        for row in transitions:
            self.stdout.write(f"  {row['at']}  {row['to']:<12} {row['reason']}")
        for row in attempts:
            self.stdout.write(
                f"  attempt {row['number']}: {row['outcome'] or 'on its way'} {row['explanation']}"
            )
        for status, count in results.items():
            self.stdout.write(f"  {count:>9,} {status}")
