"""The composer: one page that follows its own answers; what it ends with is a draft to confirm."""

from __future__ import annotations

from uuid import UUID

from django.contrib.auth.decorators import permission_required
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe
from django_htmx.http import replace_url

from dashboard.export import csv_of
from dashboard.forms import free_json, recent
from dashboard.forms.compose import ComposeForm
from dashboard.forms.device_buttons import pressed, take_offered
from dashboard.forms.start import start
from dashboard.forms.typed import tags_of
from dashboard.http import HttpRequest, page
from dashboard.previews import preview_of
from dashboard.saving import Saved, keep, of_draft
from tasks.models import Application, DeviceList, Draft
from tasks.targets import TargetType

PARTS = {
    "where-part": ("_where-part.html",),
    "devices": ("_where-part.html",),
    "known-groups": ("_where-part.html",),
    "what-part": ("_what-part.html",),
    "command-part": ("_command-part.html",),
    "tags-part": ("_tags-part.html",),
}
"""What htmx puts in place -> the fragments it needs for that: the rest of the page is not drawn."""

compose_permission = permission_required("tasks.add_task", raise_exception=True)


@compose_permission
@require_http_methods(["GET", "POST"])
def compose(request: HttpRequest) -> HttpResponse:
    """The composer. Its own buttons and fields ask for it again with what was typed; *Review* checks it all."""
    if not Application.objects.exists():
        return page(request, "compose_empty", {})
    if request.method == "GET":
        begun = start(request.GET, request.user)
        form = ComposeForm(begun.data, user=request.user, is_unfinished=True)
        form.values.is_read = True
        return show(request, form, of_draft(begun.draft, request.user) if begun.draft else Saved())
    if "review" in request.POST or "as_template" in request.POST:
        return _review(request)
    form = _redrawn(request)
    saved = keep(request.POST, request.user, form.data)
    return replace_url(show(request, form, saved), reverse("compose", query={"draft": saved.key}))


@compose_permission
@require_safe
def bad_lines(request: HttpRequest, list_id: UUID) -> HttpResponse:
    """Every line of an uploaded list that cannot be used, as CSV."""
    kept = get_object_or_404(DeviceList.objects.defer("text"), pk=list_id, author=request.user)
    return csv_of("bad-lines.csv", ("line", "text", "problem"), kept.bad)


def show(
    request: HttpRequest, form: ComposeForm, saved: Saved | None = None, *, status: int = 200
) -> HttpResponse:
    """The composer's page for this form."""
    asked = request.htmx.target if request.htmx else ""
    parts = PARTS.get(asked or "", ())
    if asked == "what-part" and form.chosen_target == TargetType.DEVICE_TYPE:
        parts = (*parts, "_where-part.html")  # the profile fills in the type
    if asked == "what-part" and (form.values.kept or form.values.parsed or "forget_values" in request.POST):
        parts = (*parts, "_where-part.html")  # the table's devices take the place of others
    if asked in ("devices", "where-part") and (form.values.kept or form.values.before):
        parts = (*parts, "_what-part.html")  # its table has other devices now, or is gone
    if asked in ("what-part", "command-part") and form.chosen_target == TargetType.DEVICE_LIST:
        parts = (*parts, "_doubts.html")  # which devices know the command
    context = {"form": form, "saved": saved or Saved(), "parts": parts} | preview_of(form)
    is_asked_where = "_where-part.html" in PARTS.get(asked or "", ())
    if not (is_asked_where or asked == "tags-part") or "_what-part.html" in parts:
        sent = recent.sent_by(request.user)
        context |= {"recent": sent[: recent.OFFERED], "last": recent.last_of(sent, *form.chosen_command)}
        context["parameters"] = recent.offered(sent, form)
    if parts:
        return page(request, "compose_parts", context)
    if request.method == "GET":
        context["drafts"] = Draft.objects.filter(author=request.user).open()[:4]
    return page(request, "compose", context, fragment="compose", status=status)


def _redrawn(request: HttpRequest) -> ComposeForm:
    """The form for what is posted, without errors except at the devices, which are read now."""
    typed = request.POST.copy()
    _change_tags(typed)
    form = ComposeForm(typed, request.FILES, user=request.user, is_unfinished=True)
    if form.chosen_target == TargetType.DEVICE_LIST:
        before = form.values.kept
        form = pressed(form, request.POST)
        form.values.before = before
    if "edit_values" in request.POST and form.values.kept:
        form = form.again({"values_text": form.values.kept.text})
        form.values.is_read = True
        form.fields["values_text"].widget.attrs["autofocus"] = True
    if "recent" in request.POST:
        return form.again(recent.values_of(request.user, request.POST["recent"]))
    if "last" in request.POST:
        return form.again(recent.last_value(request.user, form, request.POST["last"]))
    if form.command and "to_json" in request.POST:
        text = free_json.text_of(form.command, form.data)
        return form.again({"as_json": "on", "paras": text or form.raw("paras")})
    if form.command and "to_fields" in request.POST:
        try:
            return form.again(free_json.fields_of(form.command, form.raw("paras")) | {"as_json": ""})
        except free_json.Unshowable as refusal:
            form.json_problem = f"Fields cannot hold this: {refusal}."
    return form


def _change_tags(typed: QueryDict) -> None:
    rows = tags_of(typed)
    if "add_tag" in typed:
        rows.append(("", ""))
    elif (number := typed.get("remove_tag", "")) in map(str, range(len(rows))):
        del rows[int(number)]
    typed.setlist("tag_name", [name for name, _ in rows])
    typed.setlist("tag_value", [value for _, value in rows])


def _review(request: HttpRequest) -> HttpResponse:
    """Check and save what is typed; then to the page that sends it, or to the one that makes a template of it."""
    form = ComposeForm(request.POST, request.FILES, user=request.user)
    if form.chosen_target == TargetType.DEVICE_LIST:
        take_offered(form)
    is_good = form.is_valid()
    if is_good and "review" in request.POST:
        form.data["name"] = form.cleaned_data["name"]
    saved = keep(request.POST, request.user, form.data)
    if "as_template" in request.POST and not saved.overtaken:
        return redirect(reverse("template-save", query={"draft": saved.key}))
    if not is_good or saved.overtaken:
        return show(request, form, saved, status=422)
    return redirect("confirm", saved.key)
