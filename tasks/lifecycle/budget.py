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
        spend(lock(application), clock.now(), submission=submission, spare=spare)


def lock(application: Application) -> Application:
    """Read it anew, and let nobody else take a call of it until the transaction ends."""
    application.refresh_from_db(from_queryset=Application.objects.select_for_update())
    return application


def spend(
    application: Application, now: dt.datetime, *, submission: bool = False, spare: bool = False
) -> None:
    """What ``take`` does, for an application that is locked, at a moment after that.

    It takes the row of a call that no longer counts, when there is one: there are never more rows than calls a minute.
    """
    calls = list(application.calls.order_by("at"))
    if until := _until(application, [call.at for call in calls], now, submission=submission, spare=spare):
        raise NoCall(until)
    if calls and calls[0].at <= now - WINDOW:
        application.calls.filter(pk=calls[0].pk).update(at=now)
    else:
        application.calls.create(at=now)


def exhausted_until(application: Application, *, submission: bool, spare: bool = False) -> dt.datetime | None:
    """When the next call may be made; None when it may be made now."""
    made = list(application.calls.order_by("at").values_list("at", flat=True))
    return _until(application, made, clock.now(), submission=submission, spare=spare)


def _until(
    application: Application, made: list[dt.datetime], now: dt.datetime, *, submission: bool, spare: bool
) -> dt.datetime | None:
    if application.drained_until and application.drained_until > now:
        return application.drained_until
    limit = application.calls_per_minute
    kept = 0 if submission else max(limit // (SPARE if spare else FOR_SUBMISSIONS), 1)
    allowed = max(limit - kept, 1)
    recent = [at for at in made if at > now - WINDOW]
    return recent[-allowed] + WINDOW if len(recent) >= allowed else None


def used(application: Application) -> int:
    """Calls made in the present window."""
    return Call.objects.filter(application=application, at__gt=clock.now() - WINDOW).count()


def drain(application: Application) -> None:
    """The platform says that it was called too often: no call for a minute, whatever was counted."""
    Application.objects.filter(pk=application.pk).update(drained_until=clock.now() + DRAINED)
