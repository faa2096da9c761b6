"""The list of all tasks, newest first."""

from __future__ import annotations

from django.contrib.auth.decorators import permission_required
from django.http import HttpResponse
from django.views.decorators.http import require_safe

from dashboard.forms.history import HistoryFilter
from dashboard.http import HttpRequest, page
from dashboard.paging import keyset
from tasks.models import Application, Task

view_permission = permission_required("tasks.view_task", raise_exception=True)
PAGE = 50


@view_permission
@require_safe
def history(request: HttpRequest) -> HttpResponse:
    """One page of tasks that pass the filters; while some of them are not final, the list renews itself."""
    form = HistoryFilter(request.GET)
    tasks = Task.objects.light().select_related("application", "author")
    found = keyset(form.apply(tasks).order_by("-id"), request.GET, PAGE)
    context = {
        "form": form,
        "tasks": found.rows,
        "paging": found,
        "live": found.is_first and any(not task.is_final for task in found.rows),
        "unconfirmed": Task.objects.filter(state="UNCONFIRMED").count(),
        "has_applications": Application.objects.exists(),
        "query": request.GET.urlencode(),
    }
    return page(request, "history", context, fragment="history")
