"""One task: progress, results, timeline, request and answer; cancel and exports."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
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
from dashboard.request_text import readable
from dashboard.views.history import view_permission
from tasks import lifecycle
from tasks.lifecycle import evidence, queue
from tasks.models import Result, Task
from tasks.platform.errors import look_up
from tasks.states import MEANING, State

PAGE = 50

STATUS_WORDS: dict[str, tuple[str, str]] = {
    "SUCCESSFUL": ("Successful", "good"),
    "FAILED": ("Failed", "bad"),
    "TIMEOUT": ("Timed out", "bad"),
    "EXPIRED": ("Expired", "warn"),
    "CANCELED": ("Cancelled", "warn"),
    "DELIVERED": ("Delivered", "busy"),
    "SENT": ("Sent", "busy"),
    "PENDING": ("Waiting for the device", "calm"),
    "": ("No answer yet", "calm"),
}
"""Status -> (the words operators see, its tone). Also the order of the progress bar."""


@dataclass(frozen=True)
class Share:
    """One segment of the progress bar."""

    status: str
    words: str
    tone: str
    count: int

    @property
    def filter_value(self) -> str:
        return self.status or NO_ANSWER


@view_permission
@require_safe
def task(request: HttpRequest, task_id: int) -> HttpResponse:
    """The whole page."""
    found = get_object_or_404(
        Task.objects.light().select_related("application", "author", "profile", "copied_from"), pk=task_id
    )
    context = _progress_of(found) | _results_of(found, request) | _timeline_of(found)
    return page(request, "task", context)


@view_permission
@require_safe
def progress(request: HttpRequest, task_id: int) -> HttpResponse:
    """The part that renews itself while the task is not final."""
    found = get_object_or_404(Task.objects.light().select_related("application"), pk=task_id)
    response = page(request, "progress", _progress_of(found), fragment="progress")
    if request.GET.get("seen") != str(found.transitions.count()):
        response.headers["HX-Trigger"] = "moved"
    return response


@view_permission
@require_safe
def timeline(request: HttpRequest, task_id: int) -> HttpResponse:
    """Transitions, attempts and the request; asked for again when the task has moved."""
    found = get_object_or_404(Task.objects.light(), pk=task_id)
    return page(request, "timeline", {"task": found} | _timeline_of(found), fragment="timeline")


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


def _progress_of(found: Task) -> dict[str, Any]:
    known = sum(found.counts.values())
    total = max(found.expected or 0, known)
    counts = found.counts | {"": found.counts.get("", 0) + total - known}
    others = [(status, (status, "calm")) for status in sorted(counts) if status not in STATUS_WORDS]
    shares = [
        Share(status, words, tone, counts[status])
        for status, (words, tone) in [*STATUS_WORDS.items(), *others]
        if counts.get(status)
    ]
    return {
        "task": found,
        "shares": shares,
        "segments": _segments(shares, total),
        "total": total,
        "answered": found.answered,
        "meaning": MEANING[State(found.state)],
        "waiting": total - found.answered if found.state == State.RUNNING else 0,
        "can_cancel": found.state == State.QUEUED,
        "place": queue.place_of(found) if found.state == State.QUEUED else None,
        "quiet_since": evidence.quiet_since(found) if found.state == State.UNCONFIRMED else None,
        "expecting": not found.is_final,
        "moves": found.transitions.count(),
        "advice": _advice(found),
    }


def _segments(shares: list[Share], total: int) -> list[dict[str, Any]]:
    """The bar's rectangles on a scale of 1000, left to right."""
    segments, start = [], 0.0
    for share in shares:
        width = share.count * 1000 / total
        segments.append({"tone": share.tone, "start": f"{start:.2f}", "width": f"{width:.2f}"})
        start += width
    return segments


def _results_of(found: Task, request: HttpRequest) -> dict[str, Any]:
    form = ResultFilter(request.GET)
    paging = keyset(form.apply(found.results.all()).order_by("id"), request.GET, PAGE)
    rows = [(row, *STATUS_WORDS.get(row.status, (row.status, "calm"))) for row in paging.rows]
    return {
        "task": found,
        "result_form": form,
        "results": rows,
        "paging": paging,
        "status_choices": [(status or NO_ANSWER, words) for status, (words, _) in STATUS_WORDS.items()],
        "query": request.GET.urlencode(),
        "live_results": not found.is_final and paging.is_first,
    }


def _timeline_of(found: Task) -> dict[str, Any]:
    body = Task.objects.only("request_body", "callback_token").get(pk=found.pk)
    return {
        "transitions": found.transitions.select_related("actor"),
        "attempts": [
            (attempt, look_up(attempt.http_status, attempt.error_code)) for attempt in found.attempts.all()
        ],
        "request_shown": readable(body),
    }


def _advice(found: Task) -> Any:
    return look_up(found.error_status, found.error_code) if found.error_code else None


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
