"""One access token per application, shared by all processes: a new login makes the old token invalid.

The lease on the application's row lets one process log in while the others wait for what it brings.
"""

from __future__ import annotations

import datetime as dt
import time

from django.db.models import F, Q

from tasks import clock
from tasks.models import Application
from tasks.platform import auth
from tasks.platform.errors import NotAccepted, PlatformError

from . import breaker, budget

EARLY = dt.timedelta(seconds=60)
LEASE = dt.timedelta(seconds=75)
PATIENCE_SECONDS = 10.0
PAUSES = (60, 240, 600)
"""Seconds without a login after the first, second, and every further refusal: a locked account helps nobody."""


def access_token(application: Application) -> str:
    """A token that is valid for another minute at least. Raises ``NotAccepted`` when there is none to be had."""
    give_up = time.monotonic() + PATIENCE_SECONDS
    while True:
        application.refresh_from_db(
            fields=["access_token", "token_expires_at", "login_after", "login_failures", "login_problem"]
        )
        if is_fresh(application, clock.now()):
            return application.access_token
        if application.login_after and application.login_after > clock.now():
            raise NotAccepted(application.login_problem, reason="token")
        if _claim_login(application):
            return _log_in(application)
        if time.monotonic() > give_up:
            raise NotAccepted("Another worker is still logging in.", reason="token")
        time.sleep(0.1)


def discard(application: Application, token: str) -> None:
    """Forget ``token``, which the platform rejected, unless another process has already renewed it."""
    application.refresh_from_db(fields=["access_token", "token_expires_at"])
    if application.access_token == token:
        Application.objects.filter(pk=application.pk, token_expires_at=application.token_expires_at).update(
            access_token="", token_expires_at=None
        )


def is_fresh(application: Application, now: dt.datetime) -> bool:
    """Is there a token that is valid for another minute?"""
    expires = application.token_expires_at
    return bool(application.access_token and expires and expires > now + EARLY)


def _claim_login(application: Application) -> bool:
    now = clock.now()
    free = Q(login_lease_until__isnull=True) | Q(login_lease_until__lt=now)
    unrenewed = Q(token_expires_at=application.token_expires_at)  # nobody has logged in since it was read
    return bool(
        Application.objects.filter(free, unrenewed, pk=application.pk).update(login_lease_until=now + LEASE)
    )


def _log_in(application: Application) -> str:
    changes: dict[str, object] = {"login_lease_until": None}
    try:
        budget.take(application, submission=True)
        token = auth.login(application.connection())
    except PlatformError as error:
        changes["login_problem"] = str(error)[:500]
        if error.reason == "login":
            pause = PAUSES[min(application.login_failures, len(PAUSES) - 1)]
            changes |= {
                "login_failures": F("login_failures") + 1,
                "login_after": clock.now() + dt.timedelta(seconds=pause),
            }
        else:
            breaker.note(application, error)
        raise
    else:
        expires = clock.now() + dt.timedelta(seconds=max(token.expires_in, 120))
        changes |= {
            "access_token": token.access,
            "token_expires_at": expires,
            "login_problem": "",
            "login_failures": 0,
            "login_after": None,
        }
        breaker.note(application, None)
        return token.access
    finally:
        Application.objects.filter(pk=application.pk).update(**changes)
