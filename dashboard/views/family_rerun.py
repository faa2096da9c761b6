"""Rerun over a family: choose what became of its devices, look at the tasks that this makes, send them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_http_methods, require_POST

from dashboard.http import HttpRequest, page
from dashboard.paging import number
from dashboard.views.compose import compose_permission
from dashboard.views.confirm import is_typed, word_to_type
from dashboard.views.rerun import chosen_of, label_of, outcomes_in
from tasks.lifecycle import (
    AlreadyRerun,
    Invalid,
    NotOffered,
    Proposal,
    callback_url,
    check_all,
    family_rerun,
    request_of,
)
from tasks.lifecycle.families import page_of, sent_under, tasks_of
from tasks.lifecycle.family_rerun import Portion
from tasks.models import DeviceList, Family, Task
from tasks.platform import wire
from tasks.platform.outline import outline
from tasks.proposals import Prospect, look, send

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
    proposals = family_rerun.proposals_of(found, portions, outcomes, known=newest, at=made[0].created_at)
    shown: dict[str, Any] = {"lists": [each.pk for each in made], "newest": newest, "key": uuid.uuid4()}
    try:
        check_all(proposals)
    except Invalid as error:
        shown["problems"] = error.problems
    return _show(
        request, found, proposals, look(proposals), shown, status=422 if "problems" in shown else 200
    )


@compose_permission
@require_POST
def review(request: HttpRequest, family_id: int) -> HttpResponse:
    """Send exactly what was reviewed: the kept lists, under the key of that page."""
    found = get_object_or_404(Family, pk=family_id)
    posted = request.POST
    try:
        key, ids = uuid.UUID(posted.get("key", "")), list(map(uuid.UUID, posted.get("lists", "").split()))
    except ValueError:
        ids = []
    if ids and (sent := sent_under(key, request.user)):
        return redirect(page_of(sent) if len(sent) == 1 else found)
    # One's own, for tasks of this family.
    kept = list(
        DeviceList.objects.filter(author=request.user, rerun_of__family=found, pk__in=ids)
        .select_related("rerun_of")
        .order_by("rerun_of_id")
    )
    if not kept or len(kept) != len(ids):
        messages.error(request, "Nothing was sent. This page was too old: choose the devices once more.")
        return redirect(found)
    newest = number(posted.get("newest")) or 0
    portions = [Portion(each.rerun_of, each.ids) for each in kept if each.rerun_of]
    first = kept[0]
    proposals = family_rerun.proposals_of(
        found, portions, first.rerun_outcomes, known=newest, at=first.created_at
    )
    prospect = look(proposals)
    acknowledged = posted.get("acknowledged", "").split(",")
    refused: dict[str, Any] = {
        "mistyped": not is_typed(_word(proposals, prospect), posted.get("typed", "")),
        "unread": bool(prospect.unread(acknowledged)),
    }
    if not any(refused.values()):
        try:
            tasks = send(request.user, proposals, prospect, acknowledged=acknowledged, key=key)
        except AlreadyRerun:
            refused["overtaken"] = True
        except Invalid as error:
            refused["problems"] = error.problems
        else:
            messages.success(request, f"{len(tasks):,} task{'' if len(tasks) == 1 else 's'} composed.")
            return redirect(tasks[0] if len(tasks) == 1 else found)
    shown = {"lists": ids, "newest": newest, "key": key, "acknowledged": not refused["unread"]}
    return _show(request, found, proposals, prospect, shown | refused, status=422)


def rerun_of(found: Family, request: HttpRequest) -> dict[str, Any]:
    """The choice: every outcome with its count over all tasks."""
    offer = family_rerun.offer(found)
    chosen = chosen_of(offer.choices, request)
    return {
        "rerun_choices": [(choice, choice in chosen) for choice in offer.choices],
        "rerun_label": label_of(chosen),
        "rerun_tasks": offer.tasks([choice.outcome for choice in chosen]),
        "rerun_refusal": offer.refusal,
        "rerun_waiting": offer.waiting,
    }


def _show(
    request: HttpRequest,
    found: Family,
    proposals: Sequence[Proposal],
    prospect: Prospect,
    shown: Mapping[str, Any],
    *,
    status: int = 200,
) -> HttpResponse:
    """What would be sent, before it is. ``shown`` is what the page carries along, and why it was refused."""
    tasks = sum(map(tasks_of, proposals))
    limit = min(each.application.unfinished_limit for each in proposals)
    newer = Task.objects.filter(family=found, pk__gt=shown["newest"]).order_by("-pk")[:20]
    context = {
        "family": found,
        "proposals": [(each, tasks_of(each)) for each in proposals[:MOST_SHOWN]],
        "hidden": max(len(proposals) - MOST_SHOWN, 0),
        "devices": prospect.count,
        "tasks": tasks,
        "at_once": limit,
        "rounds": -(-tasks // limit),
        "words": proposals[0].rerun.words if proposals[0].rerun else "",
        "reach": prospect.reach,
        "timeout": proposals[0].request["timeout"],
        "concerns": prospect.concerns,
        "cautions": ",".join(caution.key for caution in prospect.cautions),
        "word": _word(proposals, prospect),
        "typed": request.POST.get("typed", ""),
        "preview": _preview(proposals[0]),
        "newer": newer if shown.get("overtaken") else [],
        **shown,
    }
    return page(request, "family_rerun", context, status=status)


def _preview(proposal: Proposal) -> str:
    """The request of the first task, to be read; its list is cut short, and its address has no secret yet."""
    url = callback_url("SECRET").replace("SECRET", "…") if proposal.callback else ""
    body = wire.dumps(request_of(proposal.application, proposal.parts[0], callback_url=url))
    return json.dumps(json.loads(outline(body)), ensure_ascii=False, indent=2)


def _word(proposals: Sequence[Proposal], prospect: Prospect) -> str:
    return word_to_type([each.application for each in proposals], prospect.count)
