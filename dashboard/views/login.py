"""Signing in, and where one begins."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.views import LoginView
from django.http import HttpResponse
from django.shortcuts import redirect

from dashboard.http import HttpRequest
from tasks.models import Task


class Login(LoginView):
    """A fragment that is led here has outlived its session: htmx loads its whole page again, and with it this form."""

    request: HttpRequest
    template_name = "login.html"
    redirect_authenticated_user = True

    def render_to_response(self, context: dict[str, Any], **options: Any) -> HttpResponse:
        response = super().render_to_response(context, **options)
        if self.request.htmx:
            response.headers["HX-Refresh"] = "true"
        return response


def home(request: HttpRequest) -> HttpResponse:
    """Whoever never composed anything begins with the composer; everybody else with the tasks."""
    is_new = request.user.has_perm("tasks.add_task") and not Task.objects.filter(author=request.user).exists()
    return redirect("compose" if is_new else "history")
