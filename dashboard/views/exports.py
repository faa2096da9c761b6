"""Downloads of what a filter shows: a task's results and the history, as CSV or JSON Lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from dashboard.columns import RESULTS, TASKS, Column, chunks, names
from dashboard.export import Busy, download
from dashboard.forms.history import HistoryFilter
from dashboard.forms.results import ResultFilter
from dashboard.http import HttpRequest
from dashboard.reader import has_gone
from dashboard.views.history import view_permission
from tasks.models import Task

BUSY_SECONDS = 10


@view_permission
@require_GET
def history(request: HttpRequest, form: str) -> HttpResponseBase:
    """Every task that passes the history's filters, newest first."""
    found = HistoryFilter(request.GET).apply(Task.objects.all()).order_by("-id")
    return _download(request, "muster-tasks", form, found, TASKS)


@view_permission
@require_GET
def results(request: HttpRequest, task_id: int, form: str) -> HttpResponseBase:
    """Every device that passes the filters of the task's page."""
    task = get_object_or_404(Task.objects, pk=task_id)
    if task.results_pruned_at:
        return render(request, "pruned.html", {"task": task}, status=410)
    found = ResultFilter(request.GET).apply(task.results.all()).order_by("id")
    return _download(request, f"muster-task-{task_id}", form, found, RESULTS)


def _download(
    request: HttpRequest, name: str, form: str, found: QuerySet[Any], columns: Sequence[Column]
) -> HttpResponseBase:
    try:
        return download(name, form, names(columns), chunks(found, columns), is_over=has_gone(request))
    except Busy:
        answer = render(request, "busy.html", status=503)
        answer.headers["Retry-After"] = str(BUSY_SECONDS)
        return answer
