"""``manage.py export ID|history``: the same rows as the pages export, to standard output."""

from __future__ import annotations

import os
import sys
from typing import Any

from django.core.management.base import CommandParser
from django.db.models import QuerySet
from django.forms import Form
from django.http import QueryDict

from dashboard.columns import RESULTS, TASKS, chunks, names
from dashboard.export import FORMATS, parts
from dashboard.forms.history import HistoryFilter
from dashboard.forms.results import ResultFilter
from tasks.management.door import Door
from tasks.models import Task


class Command(Door):
    help = "Write a task's results, or the history, to standard output."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("what", metavar="ID|history")
        parser.add_argument("--format", choices=[*FORMATS], default="csv", dest="form")
        parser.add_argument(
            "--filter", default="", metavar="QUERY", help="as in the page's address: status=FAILED"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        asked = QueryDict(options["filter"])
        rows: QuerySet[Any]
        if options["what"] == "history":
            tasks = HistoryFilter(asked)
            self._require_good(tasks)
            rows, columns = tasks.apply(Task.objects.all()).order_by("-id"), TASKS
        else:
            results = ResultFilter(asked)
            self._require_good(results)
            rows, columns = results.apply(self._task(options["what"]).results.all()).order_by("id"), RESULTS
        try:
            for part in parts(options["form"], names(columns), chunks(rows, columns)):
                sys.stdout.buffer.write(part)
            sys.stdout.buffer.flush()
        except BrokenPipeError:  # | head
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    def _task(self, given: str) -> Task:
        task = Task.objects.filter(pk=given).first() if given.isdecimal() and len(given) < 19 else None
        if task is None:
            self.refuse([("ID", f"there is no task {given}")])
        if task.results_pruned_at:
            self.fail(f"The results of task {task.pk} were pruned on {task.results_pruned_at:%Y-%m-%d}.")
        return task

    def _require_good(self, filters: Form) -> None:
        """A script that mistypes a filter must not get everything."""
        problems = [(name, " ".join(map(str, errors))) for name, errors in filters.errors.items()]
        problems += [(name, "is no filter") for name in filters.data if name not in filters.fields]
        if problems:
            self.refuse((f"--filter: {name}", words) for name, words in problems)
