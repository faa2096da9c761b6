"""The queue: what waits and why, who holds the platform's slots; and what needs a person."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.db.models import Count, Max
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST, require_safe

from dashboard.http import HttpRequest, page
from dashboard.views.history import view_permission
from tasks import clock, lifecycle
from tasks.lifecycle import budget, evidence
from tasks.lifecycle import queue as domain
from tasks.models import Application, Callback, Task
from tasks.states import State

SHOWN = 30
"""Slots of each kind that the board draws; platforms have ten."""

WAITING = 10
"""Waiting tasks that a board names; the list of tasks has all of them."""

settle_permission = permission_required("tasks.settle_task", raise_exception=True)


@view_permission
@require_safe
@clock.standing()
def queue(request: HttpRequest) -> HttpResponse:
    """Every application with its slots as a board, its budget, and its waiting tasks in their order."""
    stopped = domain.nobody_sends()
    boards = [_board(each, stopped) for each in Application.objects.all()]
    return page(request, "queue", {"boards": boards}, fragment="queue")


def _board(application: Application, stopped: domain.Wait | None) -> dict[str, object]:
    holders = domain.holders(application)
    wait = stopped or domain.obstacle(application, holders)
    held = [(task, domain.held_until(task)) for task in holders]
    free = max(application.unfinished_limit - len(held), 0)
    return {
        "application": application,
        "held": held[:SHOWN],
        "taken": len(held),
        "free": range(min(free, SHOWN)),
        "free_count": free,
        "obstacle": wait,
        "places": domain.places(application, holders, wait, WAITING),
        "waiting": domain.waiting(application).count(),
        "used": budget.used(application),
    }


@view_permission
@require_safe
@clock.standing()
def attention(request: HttpRequest) -> HttpResponse:
    """Tasks that wait for a person, with what is known of them; and tasks that run without a known taskID."""
    tasks = Task.objects.select_related("application", "author").prefetch_related("attempts")
    doubtful = tasks.filter(state=State.UNCONFIRMED).annotate(attempted=Max("attempts__started_at"))[:200]
    kept = Callback.objects.filter(task__in=[task.pk for task in doubtful]).order_by().values_list("task_id")
    pushes = dict(kept.annotate(Count("pk")))
    nameless = tasks.filter(state=State.RUNNING, platform_task_id="")
    context = {
        "doubtful": [(task, evidence.not_before(task), pushes.get(task.pk, 0)) for task in doubtful],
        "nameless": nameless[:200],
    }
    return page(request, "attention", context)


@settle_permission
@require_POST
def settle(request: HttpRequest, task_id: int) -> HttpResponse:
    """What a person knows of a task in doubt: its taskID, that it is absent, or that it does not matter any more."""
    task = get_object_or_404(Task.objects.select_related("application"), pk=task_id)
    verb = VERBS.get(request.POST.get("verb", ""))
    if verb is None:
        messages.error(request, "Choose what is known of the task.")
        return redirect(task)
    act, words = verb
    try:
        act(task, request)
    except lifecycle.NotSettled as error:
        messages.error(request, str(error))
    else:
        messages.success(request, words)
    return redirect(task)


VERBS: dict[str, tuple[Callable[[Task, HttpRequest], None], str]] = {
    "confirm": (
        lambda task, request: lifecycle.confirm(task, request.POST.get("task_id", ""), request.user),
        "Confirmed: the platform has this task under that taskID.",
    ),
    "resubmit": (
        lambda task, request: lifecycle.resubmit(task, request.user),
        "Queued: the same request goes out again.",
    ),
    "abandon": (
        lambda task, request: lifecycle.abandon(task, request.user),
        "Given up. Its outcome stays unknown.",
    ),
}
