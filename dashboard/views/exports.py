"""Downloads of what a filter shows: a task's results and the history, as CSV or JSON Lines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from dashboard.columns import FAMILY_RESULTS, RESULTS, TASKS, Column, chunks, names
from dashboard.export import Busy, download
from dashboard.forms.history import HistoryFilter
from dashboard.forms.results import ResultFilter
from dashboard.http import HttpRequest
from dashboard.reader import has_gone
from dashboard.views.history import view_permission
from tasks.models import Family, Result, Task

BUSY_SECONDS = 10


@view_permission
@require_GET
def history(request: HttpRequest, form: str) -> HttpResponseBase:
    """Every task that passes the history's filters, newest first."""
    found = HistoryFilter(request.GET).apply(Task.objects.all()).order_by("-id")
    return _download(request, "muster-tasks", form, chunks(found, TASKS), TASKS)


@view_permission
@require_GET
def results(request: HttpRequest, task_id: int, form: str) -> HttpResponseBase:
    """Every device that passes the filters of the task's page."""
    task = get_object_or_404(Task.objects, pk=task_id)
    if task.results_pruned_at:
        return render(request, "pruned.html", {"task": task}, status=410)
    found = ResultFilter(request.GET).apply(task.results.all()).order_by("id")
    return _download(request, f"muster-task-{task_id}", form, chunks(found, RESULTS), RESULTS)


@view_permission
@require_GET
def family(request: HttpRequest, family_id: int, form: str) -> HttpResponseBase:
    """Every device of every task of the family, the oldest task first."""
    found = get_object_or_404(Family, pk=family_id)
    ids = list(found.tasks.order_by("pk").values_list("pk", flat=True))
    results = (Result.objects.filter(task=task_id).order_by("id") for task_id in ids)
    rows = chain.from_iterable(chunks(each, FAMILY_RESULTS) for each in results)
    return _download(request, f"muster-family-{family_id}", form, rows, FAMILY_RESULTS)


def _download(
    request: HttpRequest, name: str, form: str, rows: Iterable[list[list[Any]]], columns: Sequence[Column]
) -> HttpResponseBase:
    try:
        return download(name, form, names(columns), rows, is_over=has_gone(request))
    except Busy:
        answer = render(request, "busy.html", status=503)
        answer.headers["Retry-After"] = str(BUSY_SECONDS)
        return answer
