"""Named lists of devices: found, read version by version, made, changed, renamed, deleted and brought back."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import HttpResponse, QueryDict, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from dashboard.export import download
from dashboard.forms.device_buttons import pressed, take_offered
from dashboard.forms.lists import ListForm
from dashboard.forms.source import FIELDS
from dashboard.forms.typed import posted
from dashboard.http import HttpRequest, page
from dashboard.paging import number
from tasks import lists as domain
from tasks import sets
from tasks.models import Application, ListVersion, NamedList

SHOWN = 200
view_permission = permission_required("tasks.view_namedlist", raise_exception=True)
write_permission = permission_required("tasks.write_namedlist", raise_exception=True)


@view_permission
@require_safe
def lists(request: HttpRequest) -> HttpResponse:
    """Those whose name holds the text."""
    text = request.GET.get("text", "").strip().replace("\0", "")
    found = NamedList.objects.usable().select_related("application", "changed_by")
    deleted = NamedList.objects.exclude(deleted_at=None).select_related("application")
    context = {
        "text": text,
        "lists": (found.filter(name__icontains=text) if text else found)[:SHOWN],
        "shown": SHOWN,
        "deleted": deleted.order_by("-deleted_at")[:SHOWN],
        "just_deleted": number(request.GET.get("deleted")),
        "has_several_applications": len(Application.objects.values_list("pk")[:2]) > 1,
    }
    return page(request, "lists", context, fragment="lists")


@view_permission
@require_safe
def named_list(request: HttpRequest, named_id: int) -> HttpResponse:
    """One version of it, and all its versions."""
    found = _found(named_id)
    version = _version(found, number(request.GET.get("version")) or found.version)
    context = {
        "named": found,
        "version": version,
        "versions": found.versions.select_related("author", "devices").defer("devices__text")[:SHOWN],
    }
    return page(request, "list", context)


@write_permission
@require_http_methods(["GET", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """A new list, of devices from anywhere."""
    return _edited(request, None)


@write_permission
@require_http_methods(["GET", "POST"])
def change(request: HttpRequest, named_id: int) -> HttpResponse:
    """The next version: begun with the devices of the newest one, or of the version that is named."""
    return _edited(request, get_object_or_404(NamedList.objects.usable(), pk=named_id))


@view_permission
@require_safe
def ids(request: HttpRequest, named_id: int, version: int) -> StreamingHttpResponse:
    """The ids of a version, with a heading, one a line."""
    devices = _version(_found(named_id), version).devices
    parts = ([(each,) for each in piece] for piece in sets.pieces(devices.text))
    return download(f"list-{named_id}-version-{version}", "csv", ("deviceId",), parts)


@write_permission
@require_POST
def adopt(request: HttpRequest, named_id: int) -> HttpResponse:
    """Make an older version the newest one."""
    found = get_object_or_404(NamedList.objects.usable(), pk=named_id)
    old = _version(found, number(request.POST.get("version")) or 0)
    try:
        made = domain.restore(found, old.number, request.user)
    except domain.NotSaved as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, f"Version {made.number} is as version {old.number} was.")
    return redirect(found)


@write_permission
@require_POST
def rename(request: HttpRequest, named_id: int) -> HttpResponse:
    """Give it another name; its versions stay."""
    found = get_object_or_404(NamedList.objects.usable().select_related("application"), pk=named_id)
    try:
        domain.rename(found, request.POST.get("name", ""))
    except domain.NotSaved as refusal:
        messages.error(request, str(refusal))
    return redirect(found)


@write_permission
@require_POST
def delete(request: HttpRequest, named_id: int) -> HttpResponse:
    """Hide it; it can be brought back with all its versions."""
    found = get_object_or_404(NamedList, pk=named_id)
    NamedList.objects.usable().filter(pk=found.pk).update(deleted_at=timezone.now())
    return redirect(reverse("lists", query={"deleted": found.pk}))


@write_permission
@require_POST
def restore(request: HttpRequest, named_id: int) -> HttpResponse:
    """Undo the deletion."""
    found = get_object_or_404(NamedList.objects.select_related("application"), pk=named_id)
    try:
        domain.free_name(found.application, found.name, but=found)
    except domain.NotSaved:
        messages.error(request, f"There is another list “{found}” now: rename or delete that one first.")
        return redirect("lists")
    NamedList.objects.filter(pk=found.pk).update(deleted_at=None)
    return redirect(found)


def _edited(request: HttpRequest, named: NamedList | None) -> HttpResponse:
    status = 200
    if request.method == "GET":
        form = ListForm(_start(request, named), user=request.user, named=named, is_unfinished=True)
    elif "save" in request.POST:
        form = ListForm(request.POST, request.FILES, user=request.user, named=named)
        take_offered(form)
        if form.is_valid() and (saved := form.save()):
            messages.success(request, f"Saved version {saved.version} of the list “{saved}”.")
            return redirect(saved)
        status = 422
    else:
        form = ListForm(request.POST, request.FILES, user=request.user, named=named, is_unfinished=True)
        form = pressed(form, request.POST)
    here = reverse("list-change", args=[named.pk]) if named else reverse("list-new")
    return page(request, "list_edit", {"form": form, "named": named, "here": here}, status=status)


def _start(request: HttpRequest, named: NamedList | None) -> QueryDict:
    """What an address fills in: where devices come from, or a list of them; of a named list, what it has."""
    values: dict[str, Any] = {name: request.GET.get(name, "") for name in FIELDS}
    values |= {name: request.GET.get(name, "") for name in ("application", "name", "device_list")}
    if named and not values["device_list"]:
        values["device_list"] = named.newest.devices_id
    return posted(values)


def _found(named_id: int) -> NamedList:
    return get_object_or_404(NamedList.objects.select_related("application", "author"), pk=named_id)


def _version(found: NamedList, wanted: int) -> ListVersion:
    versions = found.versions.select_related("devices", "author").defer("devices__text")
    return get_object_or_404(versions, number=wanted)
