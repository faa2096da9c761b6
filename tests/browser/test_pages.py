"""Every page there is, judged in Chromium: names, landmarks, headings, contrast, focus and layout."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.urls import URLPattern

from dashboard.urls import urlpatterns

from .checks import faults
from .everything import fill

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

NO_PAGES = frozenset({
    "home", "save", "bad-lines", "request-file", "draft-discard", "draft-restore", "template-adopt",
    "template-delete", "template-restore", "history-csv", "history-jsonl", "results-columns", "answer", "results-csv",
    "results-jsonl", "request", "cancel", "settle", "family-cancel", "family-csv", "family-jsonl", "list-ids",
    "list-adopt", "list-rename", "list-delete", "list-restore", "danger", "catalogue-refresh", "reading-cancel",
    "callback", "callback-unslashed", "logout", "livez", "readyz",
})  # fmt: skip
"""Addresses that lead elsewhere, take a form or give a file."""

ALONE = frozenset({"login", "family-rerun-review"})
"""Pages that only some other test reaches: signed out, or after a form."""

DJANGO = re.compile(
    r"for names id_(groups|user_permissions)|names id_password_helptext|no label: .*id_(last_login|date_joined)_[01]"
)
"""What Django's own form of a user does."""


@pytest.fixture
def pages(superuser: User) -> dict[str, str]:
    return fill(superuser)


def test_no_page_is_left_out(pages: dict[str, str]) -> None:
    visited = {address.partition("?")[0].lstrip("/") for address in pages.values()}
    patterns = [each for each in urlpatterns if isinstance(each, URLPattern)]
    left_out = {each.name for each in patterns if not any(each.pattern.match(address) for address in visited)}
    assert left_out == NO_PAGES | ALONE


def test_every_page_can_be_read_by_everybody_and_breaks_no_policy(
    visit_with: Any, superuser: User, pages: dict[str, str]
) -> None:
    """At 1440 and 390 pixels, light and dark; and its console is silent (C32, section 5)."""
    visit = visit_with(viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
    visit.sign_in(superuser)
    found = {}
    for name, address in pages.items():
        visit.go(address)
        found[name] = [each for each in faults(visit.page) if not DJANGO.search(each)]
    assert {name: each for name, each in found.items() if each} == {}
    visit.complaints = [each for each in visit.complaints if not EXPECTED.search(each)]


EXPECTED = re.compile("status of 404|status of 405|does not conform to the required format")
"""Chromium reports the status of a page that is missing, and the date that one address misspells."""


@pytest.mark.parametrize("address", ["/login/?next=/tasks/", "/login/?next=/compose/preview/"])
def test_the_door_and_where_it_may_lead_can_be_read_by_everybody(
    address: str, visit_with: Any, operator: User
) -> None:
    visit = visit_with(reduced_motion="reduce")
    visit.go(address)
    assert faults(visit.page) == []
    visit.page.get_by_label("Username").fill(operator.username)
    visit.page.get_by_label("Password").fill("wrong")
    visit.page.get_by_role("button", name="Sign in").click()
    assert faults(visit.page) == []
    visit.page.get_by_label("Password").fill("a-good-long-password")
    visit.page.get_by_role("button", name="Sign in").click()
    visit.page.wait_for_url(lambda url: "login" not in url)
    assert faults(visit.page) == []
    visit.complaints = [each for each in visit.complaints if not EXPECTED.search(each)]


EMPTY = (
    "/compose/", "/tasks/", "/queue/", "/attention/", "/catalogue/", "/catalogue/groups/", "/catalogue/profiles/",
    "/lists/", "/templates/", "/drafts/", "/devices/",
)  # fmt: skip


def test_pages_of_an_empty_installation_say_how_to_begin(visit_with: Any, superuser: User) -> None:
    visit = visit_with(reduced_motion="reduce")
    visit.sign_in(superuser)
    found = {}
    for address in EMPTY:
        visit.go(address)
        hints = visit.page.locator("main .empty").count()
        found[address] = faults(visit.page) + ([] if hints == 1 else [f"{hints} hints how to begin"])
    assert {address: each for address, each in found.items() if each} == {}
