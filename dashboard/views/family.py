"""One family: sums over its tasks, the list of them, and cancelling those that wait."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST, require_safe

from dashboard.http import HttpRequest, page
from dashboard.paging import keyset, number
from dashboard.views.family_rerun import rerun_of
from dashboard.views.history import view_permission
from dashboard.views.progress import shares_in
from tasks import lifecycle
from tasks.lifecycle.rerun import NEVER_SENT
from tasks.models import Family, Origin, Task
from tasks.states import FINAL, MEANING, State

PAGE = 50
SHORTEST, LONGEST = 2, 30
"""Seconds between two looks while a task is not final: longer the longer nothing has changed."""

NOT_DISPATCHED = "Not dispatched"
"""Shown like a status: devices of tasks of which nothing was sent."""


@dataclass
class Sum:
    """What came of some of the tasks together. ``is_known`` is False where a task does not know its devices' number."""

    tasks: int
    counts: Counter[str]
    expected: int
    is_known: bool

    @property
    def shares(self) -> dict[str, Any]:
        return shares_in(dict(self.counts), self.expected)


@view_permission
@require_safe
def family(request: HttpRequest, family_id: int) -> HttpResponse:
    """The page; its fragment renews itself while one of the tasks is not final."""
    found = get_object_or_404(Family.objects.select_related("author"), pk=family_id)
    context = family_of(found, request)
    if request.htmx:
        seen, moves = request.GET.get("seen", ""), context["moves"]
        response = page(request, "family", context, fragment="family")
        if seen and not seen.startswith(moves):
            response.headers["HX-Trigger"] = "moved"
        return response
    return page(request, "family", context | rerun_of(found, request))


@permission_required("tasks.cancel_task", raise_exception=True)
@require_POST
def cancel(request: HttpRequest, family_id: int) -> HttpResponse:
    """Cancel the tasks that were not sent yet."""
    found = get_object_or_404(Family, pk=family_id)
    cancelled, left = lifecycle.cancel_family(found, request.user)
    if cancelled:
        messages.success(request, f"{_tasks(cancelled)} cancelled. Nothing was sent of them.")
    if left or not cancelled:
        words = f"{_tasks(left)} went out already and cannot be stopped" if left else "No task waits any more"
        messages.warning(request, f"{words}: the platform offers no way to stop a task it was sent.")
    return redirect(found)


def family_of(found: Family, request: HttpRequest) -> dict[str, Any]:
    """All that the fragment shows, in as many queries for a thousand tasks as for two."""
    rows = list(found.tasks.order_by().values_list("pk", "state", "counts", "expected"))
    links = Origin.objects.filter(task__family=found, parent__family=found).order_by()
    again = set(links.values_list("task", flat=True))
    firsts = _sum([row for row in rows if row[0] not in again])
    reruns = _sum([row for row in rows if row[0] in again])
    states = Counter(State(row[1]) for row in rows)
    shown = keyset(_listed(found), request.GET, PAGE)
    common = _common(shown.rows)
    is_open = any(state not in FINAL for state in states)
    moves = _digest(sorted(states.items()))
    version = f"{moves}-{_digest([firsts.counts, reruns.counts, len(rows)])}"
    return {
        "family": found,
        "sum": firsts,
        "reruns_sum": reruns if reruns.tasks else None,
        "states": [(state, MEANING[state][0], states[state]) for state in State if states[state]],
        "waiting": states[State.QUEUED],
        "paging": shown,
        "page_before": request.GET.get("before", ""),
        "page_after": request.GET.get("after", ""),
        "rows": [(task, _differing(task, common)) for task in shown.rows],
        "moves": moves,
        "version": version,
        "pace": _pace(request, version) if is_open else None,
        **firsts.shares,
    }


def _listed(found: Family) -> Any:
    return (
        Task.objects.filter(family=found)
        .select_related("author")
        .only("name", "state", "reason", "deferrals", "paras", "expected", "counts", "created_at", "rerun_outcomes",
              "family_id", "author__username")
        .prefetch_related("origins")
        .order_by("id")
    )  # fmt: skip


def _sum(rows: list[Any]) -> Sum:
    counts: Counter[str] = Counter()
    expected = 0
    for _, state, counted, devices in rows:
        if state in NEVER_SENT:
            counts[NOT_DISPATCHED] += devices or 0
        else:
            counts.update(counted)
        expected += max(devices or 0, sum(counted.values()))
    return Sum(len(rows), counts, expected, all(row[3] is not None for row in rows))


def _common(tasks: list[Task]) -> set[str]:
    """Parameters that have the same value in all of these tasks."""
    paras = [task.paras or {} for task in tasks]
    return {
        name
        for name in (paras[0] if paras else ())
        if all(name in p and p[name] == paras[0][name] for p in paras)
    }


def _differing(task: Task, common: set[str]) -> dict[str, Any]:
    return {name: value for name, value in (task.paras or {}).items() if name not in common}


def _digest(parts: Any) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:12]


def _pace(request: HttpRequest, version: str) -> int:
    waited = number(request.GET.get("waited")) or SHORTEST
    return min(waited * 3 // 2, LONGEST) if request.GET.get("seen") == version else SHORTEST


def _tasks(count: int) -> str:
    return f"{count:,} task{'' if count == 1 else 's'}"
