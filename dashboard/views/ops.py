"""For whatever watches the processes: is this one alive, and can it do its work?"""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from dashboard.readiness import readiness


@login_not_required
def livez(request: HttpRequest) -> HttpResponse:
    """This process alone: nothing else is asked, so that a slow database never gets it restarted."""
    return HttpResponse("ok", content_type="text/plain")


@login_not_required
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """200 when tasks are sent and answers settled, 503 when not; why is for admins only."""
    checks = readiness()
    problems = {check.name: check.problem for check in checks}
    status = 503 if any(problems.values()) else 200
    # Who asks is looked up in the database, which must be there for it.
    if not problems["database"] and request.user.has_perm("tasks.change_application"):
        shown = {
            check.name: {"problem": check.problem, "milliseconds": round(check.seconds * 1000)}
            for check in checks
        }
        return JsonResponse({"ready": status == 200, "checks": shown}, status=status)
    return HttpResponse("ok" if status == 200 else "not ready", content_type="text/plain", status=status)
