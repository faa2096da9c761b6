"""One's drafts: saved as one types, to go on with or to discard; discarding can be undone."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import replace_url

from dashboard.http import HttpRequest, page
from dashboard.saving import keep
from dashboard.views.compose import compose_permission
from tasks.models import Draft

SHOWN = 200


@compose_permission
@require_POST
def save(request: HttpRequest) -> HttpResponse:
    """What is typed so far. The answer says when it was saved, or who was faster."""
    saved = keep(request.POST, request.user)
    here = reverse("compose", query={"draft": saved.key})
    if not request.htmx:
        return redirect(here)
    response = page(request, "compose", {"saved": saved}, fragment="saved")
    return replace_url(response, here) if saved.at else response


@compose_permission
@require_safe
def drafts(request: HttpRequest) -> HttpResponse:
    """One's own, the newest first, and those that were discarded."""
    mine = Draft.objects.filter(author=request.user)
    context = {
        "drafts": mine.open()[:SHOWN],
        "discarded": mine.exclude(discarded_at=None).order_by("-discarded_at")[:SHOWN],
        "just_discarded": request.GET.get("discarded", ""),
    }
    return page(request, "drafts", context)


@compose_permission
@require_POST
def discard(request: HttpRequest, draft_id: UUID) -> HttpResponse:
    """Take it out of the list."""
    draft = get_object_or_404(Draft, pk=draft_id, author=request.user)
    Draft.objects.filter(pk=draft.pk, discarded_at=None).discard()
    return redirect(reverse("drafts", query={"discarded": draft.pk}))


@compose_permission
@require_POST
def restore(request: HttpRequest, draft_id: UUID) -> HttpResponse:
    """Undo the discarding."""
    draft = get_object_or_404(Draft, pk=draft_id, author=request.user)
    Draft.objects.filter(pk=draft.pk).update(discarded_at=None)
    return redirect("drafts")
