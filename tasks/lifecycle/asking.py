"""Ask the platform something: with the shared token, under the shared budget, and not while it is left alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from django.db import transaction

from tasks import clock
from tasks.models import Application
from tasks.platform.connection import Connection
from tasks.platform.errors import NotAccepted, PlatformError, Throttled, TokenRejected

from . import breaker, budget, tokens

Found = TypeVar("Found")


def ask(application: Application, read: Callable[[Connection, str], Found], *, spare: bool = False) -> Found:
    """What ``read(connection, token)`` gives. Raises PlatformError; none of it does harm, as nothing is created.

    ``spare`` leaves more of the budget alone; see there.
    """
    while not (token := _admitted(application, spare=spare)):
        tokens.access_token(application)
    try:
        found = read(application.connection(), token)
    except PlatformError as error:
        if isinstance(error, TokenRejected):
            tokens.discard(application, token)
        if isinstance(error, Throttled):
            budget.drain(application)
        breaker.note(application, error)
        raise
    if application.failures or application.open_until:
        breaker.note(application, None)
    return found


def _admitted(application: Application, *, spare: bool) -> str:
    """The token for one call, which is written down; empty when nobody is logged in, and nothing is written.

    All that decides is read from one row under one lock: a page of a long reading costs few statements.
    """
    with transaction.atomic():
        budget.lock(application)
        now = clock.now()
        if application.open_until and application.open_until > now:
            raise NotAccepted(
                "The platform does not answer properly; it is left alone for a while.", reason="resting"
            )
        if not tokens.is_fresh(application, now):
            return ""
        budget.spend(application, now, spare=spare)
        return application.access_token
