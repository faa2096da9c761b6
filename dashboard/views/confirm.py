"""What will happen, before it does: the preview beside the composer, and the page that sends."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from dashboard.curl import FILE
from dashboard.forms.compose import ComposeForm
from dashboard.forms.typed import as_posted
from dashboard.http import HttpRequest, page
from dashboard.previews import outlook_of, preview_of, whole_request
from dashboard.saving import of_draft
from dashboard.views.compose import compose_permission, show
from tasks import lifecycle
from tasks.lifecycle.families import page_of, sent_under
from tasks.models import Application, Draft, Task
from tasks.reach import Reach
from tasks.targets import TargetType
from tasks.warnings import Severity


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
    form = ComposeForm(as_posted(draft.values), user=request.user)
    if not form.is_valid():
        return show(request, form, of_draft(draft, request.user), status=422)
    outlook = outlook_of(form)
    application, wanted, reach = form.cleaned_data["application"], outlook.request, outlook.reach
    word = _word_to_type(application, wanted, reach)
    mistyped = request.method == "POST" and not is_typed(word, request.POST.get("typed", ""))
    cautions = [concern.key for concern in outlook.concerns if concern.severity == Severity.CAUTION]
    acknowledged = set(cautions) <= set(request.POST.get("acknowledged", "").split(","))
    unread = request.method == "POST" and not acknowledged
    rerun = _lineage(form, request.POST.get("known", ""))
    overtaken = False
    is_stale = request.POST.get("revision", str(draft.revision)) != str(draft.revision)
    if request.method == "POST" and not (mistyped or unread or is_stale):
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
                template=form.locks.version if form.locks else None,
                key=draft.pk,
            )
        except lifecycle.AlreadyRerun:
            overtaken = True
        except lifecycle.Invalid as refusal:
            form.add_error(None, str(refusal))
            return show(request, form, of_draft(draft, request.user), status=422)
        else:
            draft.delete()
            return redirect(page_of(tasks))
    context = {
        "form": form,
        "draft": draft,
        "application": application,
        "wanted": wanted,
        "word": word,
        "mistyped": mistyped,
        "typed": request.POST.get("typed", ""),
        "cautions": ",".join(cautions),
        "acknowledged": request.method == "POST" and acknowledged,
        "unread": unread,
        "target": TargetType(wanted["param"]["type"]),
        "rerun": rerun,
        "earlier": rerun.earlier() if rerun else [],
        "overtaken": overtaken,
        "is_stale": is_stale,
        **preview_of(form, outlook),
    }
    refused = mistyped or unread or overtaken or is_stale
    return page(request, "confirm", context, status=422 if refused else 200)


@compose_permission
@require_safe
def request_file(request: HttpRequest, draft_id: UUID) -> HttpResponse:
    """The whole request of a draft, for a look at all of it; a variable stands for its secret address."""
    draft = get_object_or_404(Draft, pk=draft_id, author=request.user)
    form = ComposeForm(as_posted(draft.values), user=request.user)
    if not form.is_valid():
        raise Http404
    body = whole_request(outlook_of(form))
    headers = {"Content-Disposition": f'attachment; filename="{FILE}"'}
    return HttpResponse(body, content_type="application/json", headers=headers)


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


def is_typed(word: str, typed: str) -> bool:
    """Was the word typed that a large send asks for? A number may be grouped as people write it."""
    typed = typed.strip()
    return word in ("", typed, typed.replace(",", "").replace(" ", ""))


def _word_to_type(application: Application, wanted: dict[str, Any], reach: Reach | None) -> str:
    """What the operator must type before a send of this size: the number, or the application's name."""
    broadcast = wanted["param"]["type"] == TargetType.BROADCAST
    if reach is None or reach.count is None:
        return application.name
    if broadcast or reach.count > application.confirm_above:
        return str(reach.count)
    return ""
