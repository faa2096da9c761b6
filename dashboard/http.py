"""Page or fragment, request types, and the few things every answer needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.http import HttpRequest as DjangoRequest
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import NoReverseMatch, reverse
from django_htmx.middleware import HtmxDetails


class HttpRequest(DjangoRequest):
    """A request of somebody who is logged in, with htmx's headers read."""

    user: User
    htmx: HtmxDetails


NAVIGATION = (
    ("Compose", "compose", "tasks.add_task"),
    ("Tasks", "history", "tasks.view_task"),
    ("Devices", "device", "tasks.view_result"),
    ("Lists", "lists", "tasks.view_namedlist"),
    ("Queue", "queue", "tasks.view_task"),
    ("Catalogue", "catalogue", "tasks.view_profile"),
    ("Audit", "admin:index", "tasks.view_transition"),
)
"""The menu: words, the page's name, the permission that shows it."""


def navigation(request: HttpRequest) -> dict[str, Any]:
    """Context processor: the entries of the menu that this user may follow."""
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return {"navigation": []}
    here = request.path
    entries = []
    for words, name, permission in NAVIGATION:
        if user.has_perm(permission):
            try:
                url = reverse(name)
            except NoReverseMatch:
                continue
            entries.append({"words": words, "url": url, "current": here.startswith(url)})
    return {"navigation": entries}


def page(
    request: HttpRequest, noun: str, context: dict[str, Any], *, fragment: str = "", status: int = 200
) -> HttpResponse:
    """The page ``noun.html``; or, when htmx asks for it, the fragment ``_fragment.html`` alone."""
    partial = request.htmx and not request.htmx.boosted and fragment
    template = f"_{fragment}.html" if partial else f"{noun}.html"
    return render(request, template, context, status=status)


def explain_wrong_method(get_response: Callable[[DjangoRequest], HttpResponse]) -> Any:
    """Middleware: whom a login or a bookmark leads to where only forms post finds a page, not a blank."""

    def middleware(request: DjangoRequest) -> HttpResponse:
        response = get_response(request)
        if response.status_code == 405 and request.method == "GET" and not response.content:
            explained = render(request, "405.html", status=405)
            explained.headers["Allow"] = response.headers["Allow"]
            return explained
        return response

    return middleware


def content_security_policy(get_response: Callable[[DjangoRequest], HttpResponse]) -> Any:
    """Middleware: scripts and styles come from our own files only; pages of operators are never cached."""
    policy = "; ".join(f"{directive} {value}" for directive, value in settings.SECURE_CSP.items())

    def middleware(request: DjangoRequest) -> HttpResponse:
        response = get_response(request)
        response.headers.setdefault("Content-Security-Policy", policy)
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    return middleware
