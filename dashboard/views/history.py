"""The list of all tasks, newest first."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from django.contrib.auth.decorators import permission_required
from django.http import HttpResponse
from django.views.decorators.http import require_safe

from dashboard.finding import find
from dashboard.forms.history import HistoryFilter
from dashboard.http import HttpRequest, page
from dashboard.paging import MOST_COUNTED, number
from tasks.models import Application, Task
from tasks.states import State

view_permission = permission_required("tasks.view_task", raise_exception=True)
PAGE = 50
SHORTEST, LONGEST = 3, 30
"""Seconds between two looks at a list in which something is open: longer the longer nothing has changed."""


@view_permission
@require_safe
def history(request: HttpRequest) -> HttpResponse:
    """One page of tasks that pass the filters; while some of them are not final, the list renews itself."""
    form = HistoryFilter(request.GET)
    found = find(form.wanted, request.GET, PAGE)
    seen = _mark_of(found.rows)
    context = {
        "form": form,
        "tasks": found.rows,
        "paging": found,
        "renewal": _renewal(request, seen)
        if found.is_first and any(not task.is_final for task in found.rows)
        else 0,
        "seen": seen,
        "unconfirmed": Task.objects.filter(state=State.UNCONFIRMED)[:MOST_COUNTED].count(),
        "has_applications": Application.objects.exists(),
        "query": request.GET.urlencode(),
    }
    return page(request, "history", context, fragment="history")


def _mark_of(tasks: Iterable[Task]) -> str:
    """Another one as soon as a task of the list has moved."""
    moves = [(task.pk, task.state, task.reason, task.answered) for task in tasks]
    return hashlib.sha256(repr(moves).encode()).hexdigest()[:12]


def _renewal(request: HttpRequest, mark: str) -> int:
    """Seconds until the list looks again."""
    waited = number(request.GET.get("waited")) or SHORTEST
    return min(waited * 3 // 2, LONGEST) if request.GET.get("seen") == mark else SHORTEST
