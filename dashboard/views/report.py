"""The printable report of a task: what an auditor wants on paper, bounded whatever the size of the task."""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.views.decorators.http import require_safe

from dashboard.http import HttpRequest, page
from dashboard.views.history import view_permission
from dashboard.views.progress import pictures_of, shares_of
from dashboard.views.task import timeline_of
from dashboard.window import Part
from dashboard.words import STATUS_ADVICE, STATUS_WORDS, words_of
from tasks.models import Result, Task
from tasks.platform.errors import look_up
from tasks.states import MEANING, State

ENDED_BADLY = ("FAILED", "TIMEOUT", "EXPIRED", "CANCELED")

MOST_ERRORS = 20
MOST_DEVICES = 200
LOOKED_AT = 10_000
"""So many devices that ended badly are sorted by their errors, of each status its share; more tell no more."""


@view_permission
@require_safe
def report(request: HttpRequest, task_id: int) -> HttpResponse:
    """Who asked what of whom and when, what was sent, what came of it, and what went wrong."""
    found = get_object_or_404(
        Task.objects.select_related("application", "author", "profile", "copied_from"), pk=task_id
    )
    context = shares_of(found) | pictures_of(found) | timeline_of(found) | _errors_of(found)
    return page(
        request,
        "report",
        context
        | {
            "task": found,
            "written_at": timezone.now(),
            "meaning": MEANING[State(found.state)],
            "unsuccessful": _unsuccessful(found) if found.submitted_at else [],
            "not_successful": context["total"] - found.counts.get("SUCCESSFUL", 0),
        },
    )


def _errors_of(found: Task) -> dict[str, Any]:
    """What went wrong, most frequent first, with what a person can do about it."""
    counts = sorted((found.counts[status], status) for status in ENDED_BADLY if found.counts.get(status))
    found_errors: Counter[tuple[str, str, str]] = Counter()
    left = LOOKED_AT
    for place, (count, status) in enumerate(counts):
        share = min(count, left // (len(counts) - place))
        left -= share
        listed = _of(found, status).filter(unexpected=False)
        found_errors.update(listed.values_list("status", "error_code", "error_text")[:share])
    frequent = sorted(found_errors.items(), key=lambda each: (-each[1], each[0]))
    return {
        "errors": [
            {"status": status, "error_code": code, "error_text": text, "count": count}
            | _explained(status, code)
            for (status, code, text), count in frequent[:MOST_ERRORS]
        ],
        "more_errors": len(frequent) > MOST_ERRORS,
        "ended_badly": sum(count for count, _ in counts),
        "looked_at": LOOKED_AT - left,
    }


def _of(found: Task, status: str) -> QuerySet[Result]:
    """The devices of this status, in the order of the index that has them."""
    return Part(found.results.all(), ("status",), (status,)).between(("id",), ("gte", ()), ("lte", ()))


def _explained(status: str, error_code: str) -> dict[str, str]:
    row = look_up(None, error_code) if error_code else None
    advice = f"{row.meaning} {row.advice}" if row else STATUS_ADVICE.get(status, "")
    return {"words": words_of(status)[0], "advice": advice}


def _unsuccessful(found: Task) -> list[tuple[Result, str]]:
    """The first devices without success: those that failed before those that only never answered."""
    known = [status for status in STATUS_WORDS if status != "SUCCESSFUL"]
    unknown = sorted(set(found.counts) - set(STATUS_WORDS))
    rows: list[Result] = []
    for status in [*known, *unknown]:
        if found.counts.get(status) and len(rows) < MOST_DEVICES:
            rows += _of(found, status)[: MOST_DEVICES - len(rows)]
    return [(row, words_of(row.status)[0]) for row in rows]
