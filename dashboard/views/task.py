"""One task: its page, timeline, request and answer; cancel."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_GET, require_POST, require_safe

from dashboard.http import HttpRequest, page
from dashboard.request_text import readable
from dashboard.views.history import view_permission
from dashboard.views.progress import pictures_of, progress_of
from dashboard.views.rerun import reruns_of
from dashboard.views.results import results_of
from tasks import lifecycle
from tasks.lifecycle.words import OUTCOMES
from tasks.models import Task
from tasks.platform.errors import look_up


@view_permission
@require_safe
def task(request: HttpRequest, task_id: int) -> HttpResponse:
    """The whole page."""
    found = get_object_or_404(
        Task.objects.select_related("application", "author", "profile", "family"), pk=task_id
    )
    context = (
        progress_of(found)
        | pictures_of(found)
        | results_of(found, request)
        | reruns_of(found, request)
        | timeline_of(found)
    )
    return page(request, "task", context)


@view_permission
@require_safe
def timeline(request: HttpRequest, task_id: int) -> HttpResponse:
    """Transitions, attempts and the request; asked for again when the task has moved."""
    found = get_object_or_404(Task.objects, pk=task_id)
    return page(request, "timeline", {"task": found} | timeline_of(found), fragment="timeline")


@view_permission
@require_GET
def request_body(request: HttpRequest, task_id: int) -> HttpResponse:
    """The whole request as it is sent, with the secret of its callback address masked."""
    found = get_object_or_404(Task, pk=task_id)
    return HttpResponse(
        found.masked(found.request_body),
        content_type="application/json; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="muster-task-{task_id}.json"'},
    )


@permission_required("tasks.cancel_task", raise_exception=True)
@require_POST
def cancel(request: HttpRequest, task_id: int) -> HttpResponse:
    """Cancel while nothing was sent; afterwards the platform has no call that could."""
    found = get_object_or_404(Task.objects, pk=task_id)
    if lifecycle.cancel(found, request.user):
        messages.success(request, "Cancelled. Nothing was sent.")
    else:
        messages.error(
            request, "It can no longer be cancelled: the platform offers no way to stop a task it was sent."
        )
    return redirect(found)


def timeline_of(found: Task) -> dict[str, Any]:
    return {
        "transitions": found.transitions.select_related("actor"),
        "attempts": [
            (attempt, look_up(attempt.http_status, attempt.error_code), OUTCOMES.get(attempt.outcome))
            for attempt in found.attempts.all()
        ],
        "request_shown": readable(found),
    }
