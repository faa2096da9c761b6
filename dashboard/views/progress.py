"""Where a task stands while pushes arrive: a fragment that renews itself, ever more rarely when nothing happens."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from dashboard import charts
from dashboard.answers import Answers, answers_of
from dashboard.http import HttpRequest, page
from dashboard.silence import silence_of
from dashboard.views.history import view_permission
from dashboard.words import NO_ANSWER, STATUS_WORDS, spoken, words_of
from tasks import clock
from tasks.lifecycle import evidence, queue
from tasks.models import Task
from tasks.platform.errors import look_up
from tasks.platform.pushes import FINAL_STATUSES
from tasks.states import MEANING, State

PACES: tuple[float, ...] = (1, 2, 5, 15)
"""Seconds between two questions: the first after something has moved, the next after each answer of no news."""

HURRY: tuple[float, ...] = (0.5, 1, 2)
"""The same while a worker is about to send it."""

STEPS = {str(step): step for step in range(len(PACES))}

RESTED = 2
"""The step at which a lull has begun: pictures that had skipped some news are drawn once more."""


@dataclass(frozen=True)
class Share:
    """How many devices have this status."""

    status: str
    words: str
    tone: str
    count: int

    @property
    def fill(self) -> str:
        """The pattern it is drawn with, which tells it from its neighbours without colour."""
        return (self.status or "none").lower() if self.status in STATUS_WORDS else "other"

    @property
    def filter_value(self) -> str:
        return self.status or NO_ANSWER


@view_permission
@require_safe
def progress(request: HttpRequest, task_id: int) -> HttpResponse:
    """The part that renews itself while the task is not final; next to nothing when what it shows was seen."""
    found = get_object_or_404(Task.objects.select_related("application"), pk=task_id)
    shown = progress_of(found)
    seen = request.GET.get("seen", "")
    if request.htmx and seen == shown["version"]:
        return _no_news(request, shown)
    response = page(request, "progress", shown, fragment="progress")
    response.headers["HX-Trigger"] = "counted" if seen.startswith(f"{shown['moves']}-") else "moved"
    return response


@view_permission
@require_safe
def answers(request: HttpRequest, task_id: int) -> HttpResponse:
    """The pictures of when devices answered; asked for again when progress tells of more answers."""
    found = get_object_or_404(Task.objects, pk=task_id)
    return page(request, "answers", {"task": found} | pictures_of(found), fragment="answers")


def progress_of(found: Task) -> dict[str, Any]:
    """All that the fragment shows. ``version`` changes when any of it does; the clock alone changes nothing else."""
    shares = shares_of(found)
    now = clock.now()
    place = queue.place_of(found) if found.state == State.QUEUED else None
    shown: dict[str, Any] = {
        "place": place,
        "overdue": bool(found.deadline and found.deadline < now),
        "silence": silence_of(found, now),
    }
    moves = found.transitions.count()
    return (
        shown
        | shares
        | {
            "task": found,
            "tenths": found.answered * 10 // shares["total"] * 10 if found.expected else None,
            "meaning": MEANING[State(found.state)],
            "waiting": shares["total"] - found.answered if found.state == State.RUNNING else 0,
            "lasted": _lasted(found),
            "can_cancel": found.state == State.QUEUED,
            "not_before": evidence.not_before(found) if found.state == State.UNCONFIRMED else None,
            "moves": moves,
            "advice": look_up(found.error_status, found.error_code) if found.error_code else None,
            "version": f"{moves}-{_digest(found, shown)}",
            "step": 0,
            "pace": None if found.is_final else _paces(found)[0],
        }
    )


def pictures_of(found: Task) -> dict[str, Any]:
    """The curve, the histogram, and what can honestly be said of the rest."""
    now = clock.now()
    answers = answers_of(found, now)
    if answers is None:
        return {"answers": None}
    edges = [answers.columns[0].start, *(column.end for column in answers.columns)]
    counts = [(column.successful, column.others) for column in answers.columns]
    most = max((each.count for each in answers.bins), default=0)
    return {
        "answers": answers,
        "curve": charts.columns(edges, counts, found.deadline),
        "bins": [(each, charts.length(each.count, most)) for each in answers.bins],
        "first": answers.columns[0].start,
        "rest": _rest(found, answers),
        "each": spoken(answers.step).removeprefix("1 "),
    }


def shares_of(found: Task) -> dict[str, Any]:
    return shares_in(found.counts, found.expected)


def shares_in(counted: dict[str, int], expected: int | None) -> dict[str, Any]:
    """Every status that a device has, with its segment of the bar, and the number of devices."""
    known = sum(counted.values())
    total = max(expected or 0, known)
    counts = counted | {"": counted.get("", 0) + total - known}
    others = sorted(status for status in counts if status not in STATUS_WORDS)
    shares = [
        Share(status, *words_of(status), counts[status])
        for status in [*STATUS_WORDS, *others]
        if counts.get(status)
    ]
    segments = charts.bar([(share.fill, share.count) for share in shares])
    return {
        "shares": list(zip(shares, segments, strict=True)),
        "total": total,
        "answered": sum(counted.get(status, 0) for status in FINAL_STATUSES),
    }


def _no_news(request: HttpRequest, shown: dict[str, Any]) -> HttpResponse:
    """Nothing; or, while the pace can slow down, the pulse alone with the next one."""
    paces = _paces(shown["task"])
    step = min(STEPS.get(request.GET.get("step", ""), 0), len(paces) - 1)
    if shown["pace"] is None or step == len(paces) - 1:
        return HttpResponse(status=204)
    step += 1
    response = render(request, "_pulse.html", shown | {"step": step, "pace": paces[step]})
    response.headers["HX-Retarget"] = "#pulse"
    if step == RESTED:
        response.headers["HX-Trigger"] = "rested"
    return response


def _paces(found: Task) -> tuple[float, ...]:
    soon = found.state == State.SUBMITTING or (found.state == State.QUEUED and not found.deferrals)
    return HURRY if soon else PACES


def _lasted(found: Task) -> str:
    sent, ended = found.submitted_at, found.finished_at
    return spoken(ended - sent) if sent and ended else ""


def _digest(found: Task, shown: dict[str, Any]) -> str:
    place, silence = shown["place"], shown["silence"]
    parts = [
        found.state, found.reason, found.counts, found.expected, found.due_at, found.deferrals, found.error_code,
        found.platform_task_id, found.platform_status, shown["overdue"], found.disagreement,
        silence and (silence.words, silence.lost),
        place and (place.position, place.wait.words, place.start and f"{place.start:%d %H:%M}"),
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(parts, default=str, sort_keys=True).encode()).hexdigest()[:16]


def _rest(found: Task, answers: Answers) -> str:
    """How long the other devices would take at the present pace, where that pace is steady enough to say so."""
    left = (found.expected or 0) - found.answered
    pace = answers.per_minute
    if found.state != State.RUNNING or left <= 0 or not pace:
        return ""
    minutes = left / pace
    return spoken(dt.timedelta(minutes=minutes)) if minutes <= found.timeout else ""
