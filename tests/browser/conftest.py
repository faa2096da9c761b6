"""A real Chromium, and a watch over everything that its pages complain about."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

OPTIONS = [
    "--no-sandbox", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip

os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = (
    "true"  # playwright's loop runs in this thread, and the tests use the ORM
)

OVERTAKEN = ("htmx:sendAbort", "htmx:afterRequest")  # htmx tells of every request that a newer one replaces


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        if os.environ.get("CI"):
            pytest.fail("CI has no Chromium; install it, these tests are not optional there")
        pytest.skip("Chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=OPTIONS)
        yield browser
        browser.close()


@dataclass
class Visit:
    """A person's browser window: its page, where the site is, and what the console said."""

    page: Page
    site: str
    complaints: list[str] = field(default_factory=list)

    def hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not message.text.startswith(OVERTAKEN):
            self.complaints.append(message.text)

    def go(self, path: str) -> None:
        self.page.goto(self.site + path)

    def sign_in(self, user: User) -> None:
        self.go("/login/?next=/tasks/")
        self.page.get_by_label("Username").fill(user.username)
        self.page.get_by_label("Password").fill("a-good-long-password")
        self.page.get_by_role("button", name="Sign in").click()
        self.page.wait_for_url("**/tasks/")


@pytest.fixture
def visit_with(chromium: Browser, live_server: Any) -> Iterator[Any]:
    """Options of a browser context -> a visit; whatever its console complained about fails the test."""
    visits: list[Visit] = []

    def start(**options: Any) -> Visit:
        context = chromium.new_context(**options)
        context.set_default_timeout(8000)
        visit = Visit(context.new_page(), live_server.url)
        visit.page.on("console", visit.hear)
        visit.page.on("pageerror", lambda error: visit.complaints.append(str(error)))
        visits.append(visit)
        return visit

    yield start
    for visit in visits:
        visit.page.context.close()
    assert [each for visit in visits for each in visit.complaints] == []
