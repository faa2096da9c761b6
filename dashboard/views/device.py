"""One device: what the catalogue knows of it, and every task that commanded it."""

from __future__ import annotations

from django.http import HttpResponse
from django.views.decorators.http import require_safe

from dashboard.http import HttpRequest, page
from dashboard.paging import keyset
from dashboard.views.history import view_permission
from dashboard.views.results import COLUMNS, row_of
from tasks.models import Application, Device, Profile, Result

PAGE = 50
SHOWN = ("answer", "error", "times", "source")


@view_permission
@require_safe
def device(request: HttpRequest) -> HttpResponse:
    """The device of ``?id=``: a query parameter, since ids may hold any character. Newest task first."""
    device_id = _asked(request.GET.get("id", "").replace("\0", ""))
    results = (
        Result.objects.filter(device_id=device_id)
        .select_related("task__application", "task__author")
        .order_by("-id")
    )
    paging = keyset(results, request.GET, PAGE)
    known = Device.objects.filter(
        application__in=Application.objects.values_list("pk", flat=True), device_id=device_id
    )
    context = {
        "device_id": device_id,
        "known": [_known(each) for each in known.select_related("application").prefetch_related("groups")],
        "columns": SHOWN,
        "headings": [COLUMNS[name] for name in SHOWN],
        "rows": [row_of(result) for result in paging.rows],
        "paging": paging,
    }
    return page(request, "device", context)


def _known(known: Device) -> tuple[Device, Profile | None]:
    """With the profile of its kind."""
    kind = {name: getattr(known, name) for name in ("device_type", "manufacturer_id", "model")}
    return known, Profile.objects.defer("definition").filter(**kind).first()


def _asked(text: str) -> str:
    """What was typed or pasted, without the blanks around it unless they belong to the id."""
    stripped = text.strip()
    return text if text != stripped and Result.objects.filter(device_id=text).exists() else stripped
