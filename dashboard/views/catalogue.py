"""Profiles, devices and groups: what can be commanded, and with what."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from dashboard.forms.profiles import ProfileUpload
from dashboard.http import HttpRequest, page
from dashboard.paging import MOST_COUNTED, Page, following, keyset
from tasks import catalogue as domain
from tasks.bells import ring
from tasks.models import Application, Device, Profile
from tasks.profiles.archive import Unreadable

PAGE = 50
view_permission = permission_required("tasks.view_profile", raise_exception=True)


@view_permission
@require_safe
def catalogue(request: HttpRequest) -> HttpResponse:
    """Profiles, and one application's groups and devices."""
    applications = Application.objects.all()
    chosen = _chosen(request)
    devices = chosen.devices.order_by("id") if chosen else Device.objects.none()
    count = devices[: MOST_COUNTED + 1].count()
    search = request.GET.get("device", "").strip().replace("\0", "")
    context = {
        "profiles": Profile.objects.defer("definition"),
        "upload": ProfileUpload(),
        "applications": applications,
        "chosen": chosen,
        "groups": chosen.groups.all()[:500] if chosen else (),
        "paging": _found(devices, search, request, is_large=count > MOST_COUNTED),
        "device_count": count,
        "is_large": count > MOST_COUNTED,
        "search": search,
    }
    return page(request, "catalogue", context)


@view_permission
@require_safe
def profile(request: HttpRequest, profile_id: int) -> HttpResponse:
    """One profile, readable: services, commands, parameters, properties, and what was tolerated on import."""
    found = get_object_or_404(Profile, pk=profile_id)
    return page(request, "profile", {"profile": found, "schema": found.schema})


@permission_required("tasks.add_profile", raise_exception=True)
@require_POST
def upload(request: HttpRequest) -> HttpResponse:
    """Import every profile in the files; each file that cannot be read is named with its reason."""
    form = ProfileUpload(request.POST, request.FILES)
    if not form.is_valid():
        for problem in form.errors.get("profiles", ["Choose a profile file first."]):
            messages.error(request, str(problem))
        return redirect("catalogue")
    for file in form.cleaned_data["profiles"]:
        try:
            stored = domain.import_profiles(file.name, file.read(), request.user)
        except Unreadable as error:
            messages.error(request, f"{file.name}: {error}")
            continue
        for kept in stored:
            notes = len(kept.schema.notes)
            tolerated = f" with {notes} remark{'s' if notes != 1 else ''}: see its page" if notes else ""
            messages.success(request, f"Imported {kept}{tolerated}.")
    return redirect("catalogue")


@permission_required("tasks.add_profile", raise_exception=True)
@require_POST
def refresh(request: HttpRequest, application_id: int) -> HttpResponse:
    """Ask a worker to read devices, groups and profiles from the platform."""
    application = get_object_or_404(Application, pk=application_id)
    ring("read_catalogue", application.pk)
    messages.success(
        request, f"Reading the catalogue of {application} from the platform. Reload in a moment."
    )
    return redirect(reverse("catalogue", query={"application": application.pk}))


def _found(devices: QuerySet[Device], text: str, request: HttpRequest, *, is_large: bool) -> Page:
    """Devices whose id begins with the text or whose name holds it; of a large fleet the first by an index."""
    if not text:
        return keyset(devices, request.GET, PAGE)
    if not is_large:
        passing = devices.filter(device_id__startswith=text) | devices.filter(name__icontains=text)
        return keyset(passing, request.GET, PAGE)
    found: dict[int, Device] = {}
    for column in ("device_id", "name"):
        beginning = devices.filter(**{f"{column}__gte": text})
        if end := following(text):
            beginning = beginning.filter(**{f"{column}__lt": end})
        found |= {device.pk: device for device in beginning.order_by(column)[:PAGE]}
    return Page(rows=list(found.values())[:PAGE], before=None, after=None, is_first=True)


def _chosen(request: HttpRequest) -> Application | None:
    wanted = request.GET.get("application", "")
    found = Application.objects.filter(pk=wanted).first() if wanted.isdecimal() and len(wanted) < 19 else None
    return found or Application.objects.first()
