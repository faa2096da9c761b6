"""S19 in short form; ``make saturation`` is the long one."""

from __future__ import annotations

import time
from collections import deque

import pytest

from tasks.models import Task

from .site import running_site

pytestmark = [pytest.mark.processes, pytest.mark.faults]

LIMIT = 20
MINUTE = 3.0
"""Seconds that the platform and we call a minute, so that one need not wait for several."""


def most_within(seconds: float, moments: list[float]) -> int:
    window, most = deque(), 0
    for moment in moments:
        window.append(moment)
        while window[0] <= moment - seconds:
            window.popleft()
        most = max(most, len(window))
    return most


def test_s19_four_workers_at_saturation_use_the_limit_and_never_cross_it():
    limits = {"calls_per_minute": LIMIT}
    with running_site(limits=limits, calls_per_minute=LIMIT) as site:
        platform, moments = site.sandbox.platform, []
        platform.account.clock = lambda: time.monotonic() * 60 / MINUTE
        count = platform.ledger.called
        platform.ledger.called = lambda route: (moments.append(time.monotonic()), count(route))
        tasks = [site.compose() for _ in range(4 * LIMIT)]
        for _ in range(4):
            site.start_worker(concurrency=1, MUSTER_TEST_MINUTE=str(MINUTE))
        began = time.monotonic()
        site.arrived(*tasks)
        took = time.monotonic() - began
        assert [len(site.entries(task)) for task in tasks] == [1] * len(tasks)
        assert platform.ledger.errors["1010009"] == 0
        assert platform.ledger.calls["login"] == 1
        assert most_within(MINUTE, moments) <= LIMIT
        window = MINUTE + 2  # with the two seconds by which a call may arrive late
        assert took < 6 * window, "it used less than the limit"
        assert Task.objects.filter(error_code="").count() == len(tasks)
