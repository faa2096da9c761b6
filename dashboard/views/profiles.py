"""Device profiles: import them, read them in words, mark what is dangerous."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.db.models import Count
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from dashboard.forms.profiles import ProfileUpload
from dashboard.http import HttpRequest, page
from dashboard.paging import number
from dashboard.views.catalogue import view_permission
from tasks import catalogue as domain
from tasks.models import Application, Profile
from tasks.platform import wire
from tasks.profiles.archive import Unreadable


@view_permission
@require_http_methods(["GET", "HEAD", "POST"])
def profiles(request: HttpRequest) -> HttpResponse:
    """All profiles; posted files are imported, and each that cannot be read is named with its reason."""
    if request.method == "POST":
        return _upload(request)
    known = Profile.objects.defer("definition").annotate(marks=Count("dangers"))
    context = {"profiles": known, "upload": ProfileUpload(), "applications": Application.objects.all()}
    return page(request, "profiles", context)


@view_permission
@require_safe
def profile(request: HttpRequest, profile_id: int) -> HttpResponse:
    """One profile, readable, as it is or as its ``?version=`` was; and what was tolerated on import."""
    found = get_object_or_404(Profile.objects.select_related("imported_by"), pk=profile_id)
    wanted = number(request.GET.get("version")) or found.version
    shown = found.at_version(wanted)
    if shown is None:
        raise Http404(f"There is no version {wanted} of this profile.")
    context = {
        "profile": found,
        "shown": shown,
        "schema": shown.schema,
        "versions": found.versions.select_related("imported_by").defer("definition"),
        "dangers": {
            (mark.service_id, mark.method): mark for mark in found.dangers.select_related("marked_by")
        },
    }
    return page(request, "profile", context)


@permission_required("tasks.mark_dangerous", raise_exception=True)
@require_POST
def danger(request: HttpRequest, profile_id: int) -> HttpResponse:
    """Mark one command of the profile as dangerous, or take the mark away."""
    found = get_object_or_404(Profile, pk=profile_id)
    service_id, method = request.POST.get("service_id", ""), request.POST.get("method", "")
    commands = {
        (service.id, command.name) for service in found.schema.services for command in service.commands
    }
    fits = len(service_id) <= wire.SERVICE_ID_MAX and len(method) <= wire.METHOD_MAX
    if (service_id, method) in commands and fits:
        domain.mark(found, service_id, method, dangerous="dangerous" in request.POST, author=request.user)
    else:
        messages.error(request, "The newest version of the profile has no such command that can be sent.")
    return redirect(found)


@permission_required("tasks.add_profile", raise_exception=True)
def _upload(request: HttpRequest) -> HttpResponse:
    form = ProfileUpload(request.POST, request.FILES)
    if not form.is_valid():
        for problem in form.errors["profiles"]:
            messages.error(request, str(problem))
        return redirect("profiles")
    imported: dict[int, SafeString] = {}
    for file in form.cleaned_data["profiles"]:
        try:
            stored = domain.import_profiles(file.name, file.read(), request.user)
        except Unreadable as error:
            messages.error(request, f"{file.name}: {error}")
            continue
        for kept in stored:
            notes = len(kept.schema.notes)
            remarks = f" ({notes} remark{'s' if notes != 1 else ''})" if notes else ""
            version = f", version {kept.version}" if kept.version > 1 else ""
            link = (kept.get_absolute_url(), kept, version, remarks)
            imported[kept.pk] = format_html('<a href="{}">{}</a>{}{}', *link)
    if imported:
        messages.success(
            request, format_html("Imported {}.", format_html_join("; ", "{}", zip(imported.values())))
        )
    return redirect("profiles")
