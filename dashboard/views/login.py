"""Signing in."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.views import LoginView
from django.http import HttpResponse

from dashboard.http import HttpRequest


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
