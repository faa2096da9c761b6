"""Rerun over a family: choose what became of its devices, look at the tasks that this makes, send them."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_http_methods, require_POST

from dashboard.http import HttpRequest, page
from dashboard.paging import number
from dashboard.views.compose import compose_permission
from dashboard.views.confirm import is_typed
from dashboard.views.rerun import chosen_of, label_of, outcomes_in
from tasks.lifecycle import AlreadyRerun, Invalid, NotOffered, family_rerun
from tasks.lifecycle.families import page_of, sent_under, task_count
from tasks.lifecycle.family_rerun import Portion
from tasks.lifecycle.lineage import words_of
from tasks.models import DeviceList, Family, Task

MOST_SHOWN = 100


@compose_permission
@require_http_methods(["GET", "POST"])
def choose(request: HttpRequest, family_id: int) -> HttpResponse:
    """The choice with its counts; posted, the chosen devices are kept and shown for review."""
    found = get_object_or_404(Family, pk=family_id)
    if request.method == "GET":
        return page(
            request, "family_choice", {"family": found} | rerun_of(found, request), fragment="family_rerun"
        )
    outcomes = outcomes_in(request.POST.getlist("outcome"))
    newest = family_rerun.offer(found).newest
    try:
        portions = family_rerun.portions(found, outcomes)
    except NotOffered as refusal:
        messages.error(request, f"Nothing was composed. {refusal}")
        return redirect(found)
    made = DeviceList.objects.bulk_create(
        DeviceList.of(
            request.user,
            portion.devices,
            source=f"task #{portion.parent.pk}",
            rerun_of=portion.parent,
            rerun_outcomes=outcomes,
        )
        for portion in portions
    )
    kept = _lists(request, found, [each.pk for each in made]).defer("text")
    return _show(request, found, list(kept), outcomes, newest, uuid.uuid4())


@compose_permission
@require_POST
def review(request: HttpRequest, family_id: int) -> HttpResponse:
    """Send exactly what was reviewed: the kept lists, under the key of that page."""
    found = get_object_or_404(Family, pk=family_id)
    try:
        key, ids = (
            uuid.UUID(request.POST.get("key", "")),
            list(map(uuid.UUID, request.POST.get("lists", "").split())),
        )
    except ValueError:
        ids = []
    if ids and (sent := sent_under(key, request.user)):
        return redirect(page_of(sent) if len(sent) == 1 else found)
    kept = list(_lists(request, found, ids))
    if not kept or len(kept) != len(ids):
        messages.error(request, "Nothing was sent. This page was too old: choose the devices once more.")
        return redirect(found)
    outcomes, newest = kept[0].rerun_outcomes, number(request.POST.get("newest")) or 0
    if not is_typed(_word_to_type(kept), request.POST.get("typed", "")):
        return _show(request, found, kept, outcomes, newest, key, mistyped=True)
    portions = [Portion(each.rerun_of, each.ids) for each in kept if each.rerun_of]
    try:
        tasks = family_rerun.compose_rerun(request.user, portions, outcomes, known=newest, key=key)
    except AlreadyRerun:
        return _show(request, found, kept, outcomes, newest, key, overtaken=True)
    except Invalid as error:
        messages.error(request, f"Nothing was sent. {error}")
        return redirect(found)
    messages.success(request, f"{len(tasks):,} task{'' if len(tasks) == 1 else 's'} composed.")
    return redirect(tasks[0] if len(tasks) == 1 else found)


def _lists(request: HttpRequest, found: Family, ids: Sequence[uuid.UUID]) -> QuerySet[DeviceList]:
    """One's own lists of these ids, for tasks of this family, with their tasks."""
    lists = DeviceList.objects.filter(author=request.user, rerun_of__family=found, pk__in=ids)
    return lists.select_related("rerun_of__application").order_by("rerun_of_id")


def rerun_of(found: Family, request: HttpRequest) -> dict[str, Any]:
    """The choice: every outcome with its count over all tasks."""
    offer = family_rerun.offer(found)
    chosen = chosen_of(offer.choices, request)
    return {
        "rerun_choices": [(choice, choice in chosen) for choice in offer.choices],
        "rerun_label": label_of(chosen),
        "rerun_refusal": offer.refusal,
        "rerun_waiting": offer.waiting,
    }


def _show(
    request: HttpRequest,
    found: Family,
    kept: Sequence[DeviceList],
    outcomes: Sequence[str],
    newest: int,
    key: uuid.UUID,
    *,
    mistyped: bool = False,
    overtaken: bool = False,
) -> HttpResponse:
    """What would be sent, before it is."""
    tasks = sum(task_count(each.count) for each in kept)
    parents = [each.rerun_of for each in kept if each.rerun_of]
    limit = min(parent.application.unfinished_limit for parent in parents)
    context = {
        "family": found,
        "kept": kept,
        "shown": kept[:MOST_SHOWN],
        "hidden": max(len(kept) - MOST_SHOWN, 0),
        "devices": sum(each.count for each in kept),
        "tasks": tasks,
        "at_once": limit,
        "rounds": -(-tasks // limit),
        "words": words_of(outcomes),
        "newest": newest,
        "key": key,
        "word": _word_to_type(kept),
        "typed": request.POST.get("typed", ""),
        "mistyped": mistyped,
        "newer": Task.objects.filter(family=found, pk__gt=newest).order_by("-pk")[:20] if overtaken else [],
    }
    return page(request, "family_rerun", context, status=422 if mistyped or overtaken else 200)


def _word_to_type(kept: Sequence[DeviceList]) -> str:
    """The number of devices, before a send of this size."""
    devices = sum(each.count for each in kept)
    least = min(each.rerun_of.application.confirm_above for each in kept if each.rerun_of)
    return str(devices) if devices > least else ""
