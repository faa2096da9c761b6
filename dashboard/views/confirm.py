"""What will happen, before it does: the preview beside the composer, and the page that sends."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_http_methods, require_POST

from dashboard.forms.compose import ComposeForm
from dashboard.http import HttpRequest, page
from dashboard.previews import preview_of
from dashboard.views.compose import compose_permission, drafted, show
from tasks import catalogue, lifecycle
from tasks.lifecycle.families import page_of, sent_under
from tasks.models import Application, Draft, Task
from tasks.targets import TargetType


@compose_permission
@require_POST
def preview(request: HttpRequest) -> HttpResponse:
    """The request as it would be sent now, from those fields that are valid."""
    form = ComposeForm(request.POST, user=request.user)
    return page(request, "preview", preview_of(form), fragment="preview")


@compose_permission
@require_http_methods(["GET", "POST"])
def confirm(request: HttpRequest, draft_id: UUID) -> HttpResponse:
    """What will happen, before it does. Sending the same draft twice makes its tasks once."""
    if sent := sent_under(draft_id, request.user):
        return redirect(page_of(sent))
    draft = get_object_or_404(Draft, pk=draft_id, author=request.user)
    form = ComposeForm(drafted(draft), user=request.user)
    if not form.is_valid():
        return show(request, form, status=422)
    application, wanted = form.cleaned_data["application"], form.request()
    reach = _reach(form, application, wanted)
    word = _word_to_type(application, wanted, reach)
    typed = request.POST.get("typed", "").strip()
    mistyped = request.method == "POST" and word not in ("", typed, typed.replace(",", "").replace(" ", ""))
    rerun = _lineage(form, request.POST.get("known", ""))
    overtaken = False
    if request.method == "POST" and not mistyped:
        copied = form.cleaned_data.get("copied_from")
        try:
            tasks = lifecycle.compose_family(
                application,
                request.user,
                form.request(whole=True),
                sets=form.values.sets,
                callback=form.cleaned_data["callback"],
                profile=form.chosen_profile,
                priority=form.cleaned_data.get("priority") or 0,
                copied_from=Task.objects.filter(pk=copied).first() if copied else None,
                rerun=rerun,
                key=draft.pk,
            )
        except lifecycle.AlreadyRerun:
            overtaken = True
        else:
            draft.delete()
            return redirect(page_of(tasks))
    context = {
        "form": form,
        "draft": draft,
        "application": application,
        "wanted": wanted,
        "reach": reach,
        "word": word,
        "mistyped": mistyped,
        "typed": request.POST.get("typed", ""),
        "target": TargetType(wanted["param"]["type"]),
        "rerun": rerun,
        "earlier": rerun.earlier() if rerun else [],
        "overtaken": overtaken,
        "confirming": True,
        **preview_of(form),
    }
    return page(request, "confirm", context, status=422 if mistyped or overtaken else 200)


def _lineage(form: ComposeForm, known: str) -> lifecycle.Lineage | None:
    """What the devices come from, as long as they are the very ones that a rerun chose."""
    kept = form.devices.kept
    if form.chosen_target != TargetType.DEVICE_LIST or kept is None or kept.rerun_of_id is None:
        return None
    parent = Task.objects.get(pk=kept.rerun_of_id)
    if parent.application != form.cleaned_data["application"]:
        return None
    seen = int(known) if known.isascii() and known.isdecimal() and len(known) < 19 else 0
    return lifecycle.Lineage(parent, tuple(kept.rerun_outcomes), kept.rerun_filter, known=seen)


def _reach(form: ComposeForm, application: Application, wanted: dict[str, Any]) -> catalogue.Reach:
    if form.chosen_target == TargetType.DEVICE_LIST:
        return catalogue.Reach(form.devices.count, "as listed")
    return catalogue.reach(application, wanted["param"])


def _word_to_type(application: Application, wanted: dict[str, Any], reach: catalogue.Reach) -> str:
    """What the operator must type before a send of this size: the number, or the application's name."""
    broadcast = wanted["param"]["type"] == TargetType.BROADCAST
    if reach.count is None:
        return application.name
    if broadcast or reach.count > application.confirm_above:
        return str(reach.count)
    return ""
