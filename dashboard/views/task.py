"""One task: its page, results, timeline, request and answer; cancel and exports."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_GET, require_POST, require_safe

from dashboard.export import csv_of
from dashboard.forms.history import NO_ANSWER, ResultFilter
from dashboard.http import HttpRequest, page
from dashboard.paging import keyset
from dashboard.views.compose import PREVIEWED
from dashboard.views.history import view_permission
from dashboard.views.progress import pictures_of, progress_of
from dashboard.words import STATUS_WORDS, words_of
from tasks import lifecycle
from tasks.models import Result, Task
from tasks.platform.errors import look_up

PAGE = 50


@view_permission
@require_safe
def task(request: HttpRequest, task_id: int) -> HttpResponse:
    """The whole page."""
    found = get_object_or_404(
        Task.objects.light().select_related("application", "author", "profile", "copied_from"), pk=task_id
    )
    context = progress_of(found) | pictures_of(found) | _results_of(found, request) | timeline_of(found)
    return page(request, "task", context)


@view_permission
@require_safe
def timeline(request: HttpRequest, task_id: int) -> HttpResponse:
    """Transitions, attempts and the request; asked for again when the task has moved."""
    found = get_object_or_404(Task.objects.light(), pk=task_id)
    return page(request, "timeline", {"task": found} | timeline_of(found), fragment="timeline")


@view_permission
@require_safe
def results(request: HttpRequest, task_id: int) -> HttpResponse:
    """The devices that pass the filter."""
    found = get_object_or_404(Task.objects.light(), pk=task_id)
    return page(request, "task_results", _results_of(found, request), fragment="results")


@view_permission
@require_GET
def export(request: HttpRequest, task_id: int) -> StreamingHttpResponse:
    """The devices that pass the filter, as CSV."""
    found = get_object_or_404(Task.objects.light(), pk=task_id)
    wanted = ResultFilter(request.GET).apply(found.results.all()).order_by("id")
    return csv_of(f"muster-task-{task_id}.csv", HEADINGS, _rows(wanted))


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
    found = get_object_or_404(Task.objects.light(), pk=task_id)
    if lifecycle.cancel(found, request.user):
        messages.success(request, "Cancelled. Nothing was sent.")
    else:
        messages.error(
            request, "It can no longer be cancelled: the platform offers no way to stop a task it was sent."
        )
    return redirect(found)


def _results_of(found: Task, request: HttpRequest) -> dict[str, Any]:
    form = ResultFilter(request.GET)
    paging = keyset(form.apply(found.results.all()).order_by("id"), request.GET, PAGE)
    rows = [(row, *words_of(row.status)) for row in paging.rows]
    return {
        "task": found,
        "result_form": form,
        "results": rows,
        "paging": paging,
        "status_choices": [(status or NO_ANSWER, words) for status, (words, _) in STATUS_WORDS.items()],
        "query": request.GET.urlencode(),
        "live_results": not found.is_final and paging.is_first,
    }


def timeline_of(found: Task) -> dict[str, Any]:
    body = Task.objects.only("request_body", "callback_token").get(pk=found.pk)
    return {
        "transitions": found.transitions.select_related("actor"),
        "attempts": [
            (attempt, look_up(attempt.http_status, attempt.error_code)) for attempt in found.attempts.all()
        ],
        "request_shown": _shown(body),
    }


def _shown(found: Task) -> str:
    """The request for reading: indented, with the middle of a long device list left out."""
    body = json.loads(found.masked(found.request_body))
    ids = body["param"].get("deviceList", [])
    if len(ids) > PREVIEWED:
        body["param"]["deviceList"] = [*ids[:PREVIEWED], f"… and {len(ids) - PREVIEWED:,} more"]
    return json.dumps(body, ensure_ascii=False, indent=2)


HEADINGS = (
    "device_id", "command_id", "status", "answer", "error_code", "error", "source", "unexpected", "conflict",
    "sent_utc", "delivered_utc", "finished_utc",
)  # fmt: skip


def _rows(found: Any) -> Iterator[tuple[Any, ...]]:
    for row in found.iterator(chunk_size=2000):
        yield (
            row.device_id, row.command_id, row.status, _answer(row), row.error_code, row.error_text, row.source,
            row.unexpected, row.conflict, row.sent_at, row.delivered_at, row.finished_at,
        )  # fmt: skip


def _answer(row: Result) -> str:
    return "" if row.detail is None else json.dumps(row.detail, ensure_ascii=False)
