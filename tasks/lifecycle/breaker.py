"""A circuit breaker per application: a platform that fails is left alone, and asked by one task from time to time."""

from __future__ import annotations

import datetime as dt

from django.db.models import F, Q

from tasks import clock
from tasks.models import Application
from tasks.platform.errors import PlatformError, Refused

FAILURES = 5
"""Calls in a row that got no proper answer, after which it opens."""

PAUSE = dt.timedelta(seconds=30)


OURS = frozenset({"call budget", "token"})
"""Reasons that lie with us: no call was made, so nothing is known of the platform."""


def note(application: Application, error: PlatformError | None) -> None:
    """Remember how a call went. A refusal is a proper answer; no answer, or a server error, is none."""
    if error is not None and error.reason in OURS:
        return
    rows = Application.objects.filter(pk=application.pk)
    if error is None or isinstance(error, Refused) or (error.status is not None and error.status < 500):
        rows.exclude(failures=0, open_until=None).update(failures=0, open_until=None)
        return
    rows.update(failures=F("failures") + 1)
    rows.filter(failures__gte=FAILURES).update(open_until=clock.now() + PAUSE)


def admits(application: Application) -> bool:
    """May a call be made? While open, one caller in every pause may: the half-open probe."""
    if application.failures < FAILURES:
        return True
    now = clock.now()
    passed = Q(open_until__isnull=True) | Q(open_until__lte=now)
    return bool(
        Application.objects.filter(passed, pk=application.pk, failures__gte=FAILURES).update(
            open_until=now + PAUSE
        )
    )
