"""One budget of calls per application, across all processes: so many in any sliding minute, login and queries too."""

from __future__ import annotations

import datetime as dt

from django.db import transaction

from tasks import clock
from tasks.models import Application, Call
from tasks.platform.errors import Throttled

WINDOW = dt.timedelta(seconds=62)
"""A minute as the platform counts it, and two seconds by which a call may arrive late."""

DRAINED = dt.timedelta(seconds=60)
FOR_SUBMISSIONS = 5
"""One call in so many is kept for submissions: queries and the catalogue leave it alone."""

SPARE = 2
"""One call in so many is left alone by what can wait, as long as a submission does not."""


class NoCall(Throttled):
    """The budget is used up until ``until``; nothing was sent."""

    def __init__(self, until: dt.datetime) -> None:
        super().__init__("The calls per minute that the platform allows are used up.", reason="call budget")
        self.until = until


def take(application: Application, *, submission: bool = False, spare: bool = False) -> None:
    """Write down one call that is about to be made. Raises ``NoCall`` when there is none left.

    ``spare`` takes only what is left over when a submission may come any moment.
    """
    with transaction.atomic():
        locked = Application.objects.select_for_update().get(pk=application.pk)
        if until := exhausted_until(locked, submission=submission, spare=spare):
            raise NoCall(until)
        now = clock.now()
        Call.objects.filter(application=locked, at__lte=now - WINDOW).delete()
        Call.objects.create(application=locked, at=now)


def exhausted_until(application: Application, *, submission: bool, spare: bool = False) -> dt.datetime | None:
    """When the next call may be made; None when it may be made now."""
    now = clock.now()
    if application.drained_until and application.drained_until > now:
        return application.drained_until
    limit = application.calls_per_minute
    kept = 0 if submission else max(limit // (SPARE if spare else FOR_SUBMISSIONS), 1)
    allowed = max(limit - kept, 1)
    recent = Call.objects.filter(application=application, at__gt=now - WINDOW)
    made = list(recent.order_by("at").values_list("at", flat=True))
    if len(made) < allowed:
        return None
    return made[len(made) - allowed] + WINDOW


def used(application: Application) -> int:
    """Calls made in the present window."""
    return Call.objects.filter(application=application, at__gt=clock.now() - WINDOW).count()


def drain(application: Application) -> None:
    """The platform says that it was called too often: no call for a minute, whatever was counted."""
    Application.objects.filter(pk=application.pk).update(drained_until=clock.now() + DRAINED)
