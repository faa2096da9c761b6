"""Templates: found, read, saved from the composer, brought back to an older version, deleted and restored."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.db.models import Q
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from dashboard.forms.templates import TemplateForm, copy_version, parts_of
from dashboard.http import HttpRequest, page
from dashboard.paging import number
from tasks.models import Draft, Template, TemplateVersion

SHOWN = 200
view_permission = permission_required("tasks.view_template", raise_exception=True)
write_permission = permission_required("tasks.write_template", raise_exception=True)


@view_permission
@require_safe
def templates(request: HttpRequest) -> HttpResponse:
    """Those whose name or description holds the text."""
    text = request.GET.get("text", "").strip().replace("\0", "")
    found = Template.objects.usable().select_related("author")
    if text:
        found = found.filter(Q(name__icontains=text) | Q(description__icontains=text))
    context = {
        "text": text,
        "templates": found[:SHOWN],
        "shown": SHOWN,
        "deleted": Template.objects.exclude(deleted_at=None).order_by("-deleted_at")[:SHOWN],
        "just_deleted": number(request.GET.get("deleted")),
    }
    return page(request, "templates", context, fragment="templates")


@view_permission
@require_safe
def template(request: HttpRequest, template_id: int) -> HttpResponse:
    """One version of it, what it locks, and all its versions."""
    found = get_object_or_404(Template.objects.select_related("author"), pk=template_id)
    wanted = number(request.GET.get("version")) or found.version
    version = get_object_or_404(
        found.versions.select_related("device_list").defer("device_list__text"), number=wanted
    )
    context = {
        "template": found,
        "version": version,
        "parts": [
            (part, part.key in version.locked) for part in parts_of(version.values, version.device_list)
        ],
        "versions": found.versions.select_related("author").defer("values")[:SHOWN],
        "tasks": version.tasks.order_by("-pk")[:10],
    }
    return page(request, "template", context)


@write_permission
@require_http_methods(["GET", "POST"])
def save(request: HttpRequest) -> HttpResponse:
    """What the composer holds, as a new template or as the next version of the one it began with."""
    draft = _draft(request)
    origin = _origin(draft)
    as_new = "as_new" in request.POST
    data = request.POST if request.method == "POST" else None
    form = TemplateForm(data, user=request.user, values=draft.values, template=None if as_new else origin)
    if request.method == "POST" and form.is_valid():
        saved = form.save()
        draft.delete()
        messages.success(request, f"Saved version {saved.version} of the template “{saved}”.")
        return redirect(saved)
    status = 422 if request.method == "POST" else 200
    context = {"form": form, "draft": draft, "origin": origin}
    return page(request, "template_save", context, status=status)


@write_permission
@require_POST
def adopt(request: HttpRequest, template_id: int) -> HttpResponse:
    """Make an older version the newest one."""
    found = get_object_or_404(Template.objects.usable(), pk=template_id)
    version = get_object_or_404(
        found.versions.select_related("template", "device_list"), number=number(request.POST.get("version"))
    )
    copied = copy_version(version, request.user)
    messages.success(request, f"Version {copied.number} is as version {version.number} was.")
    return redirect(found)


@write_permission
@require_POST
def delete(request: HttpRequest, template_id: int) -> HttpResponse:
    """Hide it; its tasks still name it."""
    found = get_object_or_404(Template, pk=template_id)
    Template.objects.usable().filter(pk=found.pk).update(deleted_at=timezone.now())
    return redirect(reverse("templates", query={"deleted": found.pk}))


@write_permission
@require_POST
def restore(request: HttpRequest, template_id: int) -> HttpResponse:
    """Undo the deletion."""
    found = get_object_or_404(Template, pk=template_id)
    if Template.objects.usable().filter(name=found.name).exclude(pk=found.pk).exists():
        messages.error(request, f"There is another template “{found}” now: rename or delete that one first.")
        return redirect("templates")
    Template.objects.filter(pk=found.pk).update(deleted_at=None)
    return redirect(found)


def _draft(request: HttpRequest) -> Draft:
    try:
        key = UUID(request.GET.get("draft", ""))
    except ValueError:
        raise Http404("no such draft") from None
    return get_object_or_404(Draft, pk=key, author=request.user)


def _origin(draft: Draft) -> Template | None:
    """The template that the composition began with."""
    if edits := number(draft.first("edits")):
        return Template.objects.usable().filter(pk=edits).first()
    version = TemplateVersion.objects.filter(pk=number(draft.first("template_version")) or 0)
    return Template.objects.usable().filter(versions__in=version).first()
