"""Rerun: choose what became of a task's devices, and review a new task for exactly those."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods

from dashboard.forms.repeat import values_of
from dashboard.forms.results import ResultFilter
from dashboard.forms.typed import posted
from dashboard.http import HttpRequest, page
from dashboard.views.compose import compose_permission
from tasks.lifecycle import NotOffered, Outcome, rerun
from tasks.lifecycle.lineage import MANY
from tasks.models import DeviceList, Draft, Task
from tasks.targets import TargetType


@compose_permission
@require_http_methods(["GET", "POST"])
def choose(request: HttpRequest, task_id: int) -> HttpResponse:
    """The choice with its counts; posted, a draft for the chosen devices, to be reviewed like any other."""
    found = get_object_or_404(Task.objects.select_related("application"), pk=task_id)
    if request.method == "GET":
        return page(request, "task_rerun", {"task": found} | reruns_of(found, request), fragment="rerun")
    by_filter = "shown" in request.POST
    try:
        if by_filter:
            outcomes: list[Outcome] = []
            ids = rerun.devices_among(found, ResultFilter(request.GET).apply(found.results.all()))
        else:
            outcomes = outcomes_in(request.POST.getlist("outcome"))
            ids = rerun.devices_with(found, outcomes)
    except NotOffered as refusal:
        messages.error(request, f"Nothing was composed. {refusal}")
        return redirect(found)
    asked = urlencode([(name, value) for name, values in request.GET.lists() for value in values if value])
    kept = DeviceList.of(
        request.user,
        ids,
        source=f"task #{found.pk}",
        rerun_of=found,
        rerun_outcomes=outcomes,
        rerun_filter=asked if by_filter else "",
    )
    kept.save()
    return redirect(_draft(found, kept, request))


def reruns_of(found: Task, request: HttpRequest) -> dict[str, Any]:
    """What a task's page says of reruns: its own origin, its reruns, and the choice."""
    choices = rerun.choices(found)
    chosen = chosen_of(choices, request)
    return {
        "rerun_choices": [(choice, choice in chosen) for choice in choices],
        "rerun_label": label_of(chosen),
        "rerun_refusal": _why_none(choices) if all(choice.refusal for choice in choices) else "",
        "origins": found.origins.select_related("parent").only("devices", "task", "parent__name"),
        "reruns": found.reruns.order_by("pk")[:MANY],
    }


def _draft(found: Task, kept: DeviceList, request: HttpRequest) -> Draft:
    values = values_of(found) | {
        "name": rerun.fresh_name(found.name, f"#{found.pk}"),
        "target_type": TargetType.DEVICE_LIST,
        "device_list": kept.pk,
        "template_version": found.template_id,
    }
    tags = [(name, value) for name, value in found.tags]
    data = posted(values, tags)
    return Draft.objects.create(author=request.user, values={name: data.getlist(name) for name in data})


def chosen_of(choices: Sequence[rerun.Choice], request: HttpRequest) -> list[rerun.Choice]:
    """Those that the page was asked with; before anybody chose, the first that can be chosen."""
    asked = outcomes_in(request.GET.getlist("outcome"))
    offered = [choice for choice in choices if not choice.refusal]
    return (
        [choice for choice in offered if choice.outcome in asked] if "chosen" in request.GET else offered[:1]
    )


def outcomes_in(given: Sequence[str]) -> list[Outcome]:
    return [outcome for outcome in Outcome if outcome in given]


PHRASES: dict[Outcome, str] = {
    Outcome.FAILED: "{count:,} failed {devices}",
    Outcome.TIMED_OUT: "{count:,} timed-out {devices}",
    Outcome.EXPIRED: "{count:,} expired {devices}",
    Outcome.CANCELLED: "{count:,} cancelled {devices}",
    Outcome.NO_ANSWER: "{count:,} {devices} without an answer",
    Outcome.NOT_DISPATCHED: "{count:,} {devices} not dispatched",
}


def label_of(chosen: Sequence[rerun.Choice]) -> str:
    """What the button says; empty when nothing is chosen."""
    count = sum(choice.count for choice in chosen)
    devices = "device" if count == 1 else "devices"
    if len(chosen) == 1:
        return "Rerun on " + PHRASES[chosen[0].outcome].format(count=count, devices=devices)
    return f"Rerun on {count:,} {devices}: {', '.join(choice.words for choice in chosen)}" if chosen else ""


def _why_none(choices: Sequence[rerun.Choice]) -> str:
    """Of all refusals the one that explains: why silent devices must wait, where there are some."""
    return next(
        (choice.refusal for choice in choices if choice.count),
        "No device of this task failed or stayed silent: there is nothing to rerun.",
    )
