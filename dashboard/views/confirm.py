"""What will happen, before it does: the preview beside the composer, and the page that sends."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from dashboard.curl import FILE
from dashboard.forms.compose import ComposeForm
from dashboard.forms.typed import as_posted
from dashboard.http import HttpRequest, page
from dashboard.previews import outlook_of, preview_of, proposal_of, whole_request
from dashboard.saving import of_draft
from dashboard.views.compose import compose_permission, show
from tasks import lifecycle
from tasks.lifecycle.families import page_of, sent_under
from tasks.models import Application, Draft
from tasks.proposals import send
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
    form = ComposeForm(as_posted(draft.values), user=request.user)
    if not form.is_valid():
        return show(request, form, of_draft(draft, request.user), status=422)
    outlook = outlook_of(form)
    application, wanted, prospect = form.cleaned_data["application"], outlook.request, outlook.prospect
    target = TargetType(wanted["param"]["type"])
    word = word_to_type([application], prospect.count, is_broadcast=target == TargetType.BROADCAST)
    acknowledged = request.POST.get("acknowledged", "").split(",")
    is_sent = request.method == "POST"
    proposal = proposal_of(form, whole=is_sent, known=request.POST.get("known", ""))
    mistyped = is_sent and not is_typed(word, request.POST.get("typed", ""))
    unread = is_sent and bool(prospect.unread(acknowledged))
    is_stale = request.POST.get("revision", str(draft.revision)) != str(draft.revision)
    overtaken = False
    if is_sent and not (mistyped or unread or is_stale):
        try:
            tasks = send(request.user, [proposal], prospect, acknowledged=acknowledged, key=draft.pk)
        except lifecycle.AlreadyRerun:
            overtaken = True
        except lifecycle.Invalid as refusal:
            form.add_error(None, str(refusal))
            return show(request, form, of_draft(draft, request.user), status=422)
        else:
            draft.delete()
            return redirect(page_of(tasks))
    rerun = proposal.rerun
    context = {
        "form": form,
        "draft": draft,
        "application": application,
        "wanted": wanted,
        "word": word,
        "mistyped": mistyped,
        "typed": request.POST.get("typed", ""),
        "cautions": ",".join(caution.key for caution in prospect.cautions),
        "acknowledged": is_sent and not unread,
        "unread": unread,
        "target": target,
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


def is_typed(word: str, typed: str) -> bool:
    """Was the word typed that a large send asks for? A number may be grouped as people write it."""
    typed = typed.strip()
    return word in ("", typed, typed.replace(",", "").replace(" ", ""))


def word_to_type(
    applications: Sequence[Application], count: int | None, *, is_broadcast: bool = False
) -> str:
    """What the operator must type before a send to so many devices: the number, or the application's name."""
    if count is None:
        return applications[0].name
    least = min(application.confirm_above for application in applications)
    return str(count) if is_broadcast or count > least else ""
