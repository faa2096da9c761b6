"""What each device of a task answered: filtered, a page at a time, in the columns that the reader chose."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.http import urlencode
from django.views.decorators.http import require_POST, require_safe

from dashboard.forms.results import ResultFilter
from dashboard.http import HttpRequest, page
from dashboard.views.history import view_permission
from dashboard.window import COUNTED, Part, Search, Window, window
from dashboard.words import NO_ANSWER, STATUS_WORDS, words_of
from tasks.models import Result, Task
from tasks.platform.errors import ErrorRow, look_up

PAGE = 50

COLUMNS: dict[str, str] = {
    "answer": "Answer",
    "error": "Error",
    "times": "Times",
    "source": "Source",
    "command": "commandId",
}
"""Columns that a reader may leave out, with their headings; the device and its status are always there."""

AT_FIRST = ("answer", "error", "times")
CHOSEN = "result_columns"
"""Where the reader's session keeps the choice."""

SHORT = 100
"""Characters of an answer that are shown as they are; a longer one is unfolded."""

LONGEST = 4000
"""Characters of an answer that a page carries; a longer one has an address of its own."""


@dataclass(frozen=True)
class Row:
    """A result as people read it."""

    result: Result
    words: str
    tone: str
    answer: str
    advice: ErrorRow | None

    @property
    def is_short(self) -> bool:
        return len(self.answer) <= SHORT

    @property
    def beginning(self) -> str:
        return self.answer[:SHORT]

    @property
    def pretty(self) -> str:
        """The answer as it is copied; cut when it is longer than a page should be."""
        return answer_text(self.result.detail)[:LONGEST]

    @property
    def is_cut(self) -> bool:
        return len(answer_text(self.result.detail)) > LONGEST


@view_permission
@require_safe
def results(request: HttpRequest, task_id: int) -> HttpResponse:
    """The devices that pass the filter. The page's address follows, so that it can be kept and sent to others."""
    found = get_object_or_404(Task.objects, pk=task_id)
    response = page(request, "task_results", results_of(found, request), fragment="results")
    if request.htmx and request.htmx.trigger != "results":
        header = "HX-Push-Url" if "after" in request.GET else "HX-Replace-Url"
        response.headers[header] = _address(found, request)
    return response


@view_permission
@require_safe
def answer(request: HttpRequest, task_id: int, result_id: int) -> HttpResponse:
    """One device's whole answer, as text."""
    found = get_object_or_404(Result, pk=result_id, task=task_id)
    return HttpResponse(answer_text(found.detail), content_type="text/plain; charset=utf-8")


@view_permission
@require_POST
def columns(request: HttpRequest, task_id: int) -> HttpResponse:
    """Remember which columns this reader wants to see."""
    found = get_object_or_404(Task.objects, pk=task_id)
    request.session[CHOSEN] = [name for name in COLUMNS if name in request.POST.getlist("column")]
    if request.htmx:
        context = results_of(found, request) | {"choosing": True}
        return page(request, "task_results", context, fragment="results")
    return redirect(_address(found, request) + "#devices-heading")


def results_of(found: Task, request: HttpRequest) -> dict[str, Any]:
    """One page of a task's results, and what stands around it."""
    form = ResultFilter(request.GET)
    search = form.search(found)
    paging = window(search, request.GET, PAGE)
    chosen = form.cleaned_data.get("status", [])
    return {
        "task": found,
        "result_form": form,
        "rows": [row_of(result) for result in paging.rows],
        "paging": paging,
        "passing": _passing(found, form, search, paging),
        "status_choices": [
            (status or NO_ANSWER, words_of(status)[0], status in chosen)
            for status in dict.fromkeys((*STATUS_WORDS, *sorted(found.counts), *chosen))
        ],
        "query": request.GET.urlencode(),
        "live_results": not found.is_final and paging.is_first,
        "columns": columns_of(request),
        "headings": [COLUMNS[name] for name in columns_of(request)],
        "column_choices": [(name, words, name in columns_of(request)) for name, words in COLUMNS.items()],
    }


def columns_of(request: HttpRequest) -> list[str]:
    """The columns that this reader sees, in their order."""
    chosen = request.session.get(CHOSEN, AT_FIRST)
    return [name for name in COLUMNS if name in chosen]


def row_of(result: Result) -> Row:
    words, tone = words_of(result.status)
    shown = "" if result.detail is None else json.dumps(result.detail, ensure_ascii=False)
    advice = look_up(None, result.error_code) if result.error_code else None
    return Row(result, words, tone, shown, advice)


def answer_text(detail: Any) -> str:
    """What is copied: text as it is, all else as indented JSON with its text readable."""
    if detail is None or isinstance(detail, str):
        return detail or ""
    return json.dumps(detail, ensure_ascii=False, indent=2)


def _passing(found: Task, form: ResultFilter, search: Search, paging: Window) -> str:
    """How many devices pass, in words: by the task's own counts where they tell, else counted so far; or empty."""
    statuses = form.statuses
    if search.checks:
        return _devices(len(paging.rows)) if paging.is_whole else ""
    if statuses is None:
        return _devices(search.capped_count(), capped=True)
    strangers = found.results.filter(unexpected=True)
    if statuses:
        counted = sum(found.counts.get(status, 0) for status in statuses)
        strangers = strangers.filter(status__in=statuses)
    else:
        counted = sum(found.counts.values())
    return _devices(counted + Search([Part(strangers, ("unexpected",), (True,))], Q()).capped_count())


def _devices(count: int, *, capped: bool = False) -> str:
    if capped and count > COUNTED:
        return f"more than {COUNTED:,} devices"
    return f"{count:,} device{'' if count == 1 else 's'}"


def _address(found: Task, request: HttpRequest) -> str:
    """The task's page with what was asked for and is not empty."""
    given = [(name, value) for name, values in request.GET.lists() for value in values if value]
    return found.get_absolute_url() + (f"?{urlencode(given)}" if given else "")
