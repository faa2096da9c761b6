"""An operator at the real web process: composes, reviews, and clicks *Submit*."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

import requests
from django.conf import settings
from django.test import Client

from tasks.models import Task

from .site import Site


@dataclass
class Click:
    """What came of one click: how long its page took, with the page that it led to; and the task."""

    seconds: float
    task: Task


class Desk:
    """A browser that is signed in already."""

    def __init__(self, site: Site) -> None:
        self.site = site
        visitor = Client()
        visitor.force_login(site.author)
        self.session = requests.Session()
        self.session.cookies.set(
            settings.SESSION_COOKIE_NAME, visitor.cookies[settings.SESSION_COOKIE_NAME].value
        )
        self.session.get(f"{site.url}/compose/", timeout=30).raise_for_status()
        self.session.headers["X-CSRFToken"] = self.session.cookies["csrftoken"]

    def review(self, devices: int = 2) -> str:
        """The address of the confirm page of a task that was typed just now."""
        typed = {
            "application": self.site.application.pk,
            "name": f"clicked {next(self.site.numbers)}",
            "target_type": "DeviceList",
            "device_ids": "\n".join(self.site.sandbox.devices(devices)),
            "service_id": "WaterMeter",
            "method": "SET_REPORT_PERIOD",
            "paras": '{"period": 60}',
            "timeout": "10",
            "review": "1",
        }
        answer = self.session.post(f"{self.site.url}/compose/", typed, timeout=30)
        assert answer.status_code == 200, answer.text
        assert answer.url != f"{self.site.url}/compose/", answer.text
        return answer.url

    def submit(self, draft: str = "") -> Click:
        """Click, and see the task's page."""
        draft = draft or self.review()
        cautions = re.search(
            r'name="acknowledged"[^>]*value="([^"]*)"', self.session.get(draft, timeout=30).text
        )
        began = time.monotonic()
        answer = self.session.post(draft, {"acknowledged": cautions[1]} if cautions else None, timeout=30)
        seconds = time.monotonic() - began
        assert answer.status_code == 200, answer.text
        assert "/tasks/" in answer.url, answer.text
        return Click(seconds, Task.objects.get(pk=int(answer.url.rstrip("/").rpartition("/")[2])))
