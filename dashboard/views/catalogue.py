"""An application's devices and groups, as the platform reported them."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import permission_required
from django.http import HttpResponse
from django.views.decorators.http import require_safe

from dashboard.devices import Found, find
from dashboard.forms.devices import DeviceFilter
from dashboard.http import HttpRequest, page
from dashboard.paging import number
from dashboard.views.reading import reading_of
from tasks import fleet
from tasks.models import Application

PAGE = 50
view_permission = permission_required("tasks.view_profile", raise_exception=True)


@view_permission
@require_safe
def catalogue(request: HttpRequest) -> HttpResponse:
    """The devices that pass a filter; without one all of them."""
    context = chosen_of(request)
    if chosen := context["chosen"]:
        form = DeviceFilter(request.GET.dict(), fleet.facets(chosen))
        paging: Found = find(chosen, form.choice, request.GET, PAGE)
        context |= {
            "form": form,
            "paging": paging,
            "is_empty": not (paging.rows or form.choice or paging.after),
        }
    return page(request, "catalogue", context, fragment="fleet")


@view_permission
@require_safe
def groups(request: HttpRequest) -> HttpResponse:
    """All groups with their size as the platform counts it, and the members that are in the catalogue."""
    context = chosen_of(request)
    if chosen := context["chosen"]:
        context |= {"groups": list(chosen.groups.all()[: fleet.MOST_GROUPS]), "most": fleet.MOST_GROUPS}
    return page(request, "groups", context)


def chosen_of(request: HttpRequest) -> dict[str, Any]:
    """The applications, the one that ``?application=`` names, or else the first, and how its reading stands."""
    applications = list(Application.objects.select_related("census"))
    wanted = number(request.GET.get("application"))
    chosen = next((each for each in applications if each.pk == wanted), None)
    chosen = chosen or next(iter(applications), None)
    context = {"applications": applications, "chosen": chosen}
    return context | reading_of(chosen) if chosen else context
