"""Reading the fleet from the platform: begin, watch, stop."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from dashboard.http import HttpRequest, page
from dashboard.words import spoken
from tasks import clock, sync
from tasks.models import Application, Sync
from tasks.sync import devices, groups

SOON = dt.timedelta(seconds=6)
"""A reading that goes on so soon is not said to wait."""

SHARE = 0.8
"""Of the allowed calls, for readings."""

read_permission = permission_required("tasks.add_profile", raise_exception=True)


@read_permission
@require_POST
def refresh(request: HttpRequest, application_id: int) -> HttpResponse:
    """Have a worker read all devices, or with ``new`` only new ones, and groups and profiles."""
    application = get_object_or_404(Application, pk=application_id)
    sync.start(application, request.user, only_new="new" in request.POST)
    return _back(application)


@permission_required("tasks.view_profile", raise_exception=True)
@require_safe
def reading(request: HttpRequest, application_id: int) -> HttpResponse:
    """How it stands: a fragment that renews itself until it is over."""
    application = get_object_or_404(Application.objects.select_related("census"), pk=application_id)
    return page(request, "reading", {"chosen": application} | reading_of(application), fragment="reading")


@read_permission
@require_POST
def cancel(request: HttpRequest, sync_id: int) -> HttpResponse:
    """Stop it; what was read stays."""
    found = get_object_or_404(Sync.objects.select_related("application"), pk=sync_id)
    if sync.cancel(found, request.user):
        messages.success(request, "The reading was stopped. What was read stays; nothing was removed.")
    else:
        messages.warning(request, "The reading had ended already.")
    return _back(found.application)


def reading_of(application: Application) -> dict[str, Any]:
    """What the fragment shows: the newest reading, where it stands, and what it waits for."""
    newest = application.syncs.select_related("asked_by", "cancelled_by").first()
    context: dict[str, Any] = {
        "newest": newest,
        "going_on": None,
        "census": getattr(application, "census", None),
        "only_new_since": sync.since_of(application),
    }
    if newest is None or newest.finished_at:
        return context
    waits = newest.is_waiting and newest.due_at > clock.now() + SOON
    return context | {
        "going_on": newest,
        "section": Sync.Section(newest.section),
        "waits_until": newest.due_at if waits else None,
        "left": _left(newest),
    }


def _left(going_on: Sync) -> str:
    """How long the rest of the section takes at the pace that the platform allows, where it takes minutes."""
    sizes = {Sync.Section.DEVICES: devices.PAGE, Sync.Section.MEMBERS: groups.MEMBER_PAGE}
    size = sizes.get(Sync.Section(going_on.section))
    pages = (going_on.total - going_on.done) / size if size else 0
    minutes = pages / max(SHARE * going_on.application.calls_per_minute, 1)
    return spoken(dt.timedelta(minutes=math.ceil(minutes))) if minutes > 1 else ""


def _back(application: Application) -> HttpResponse:
    return redirect(reverse("catalogue", query={"application": application.pk}))
