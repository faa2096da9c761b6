"""Ask the platform something: with the shared token, under the shared budget, and not while it is left alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

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
    application.refresh_from_db()
    if application.open_until and application.open_until > clock.now():
        raise NotAccepted(
            "The platform does not answer properly; it is left alone for a while.", reason="resting"
        )
    token = tokens.access_token(application)
    budget.take(application, spare=spare)
    try:
        found = read(application.connection(), token)
    except PlatformError as error:
        if isinstance(error, TokenRejected):
            tokens.discard(application, token)
        if isinstance(error, Throttled):
            budget.drain(application)
        breaker.note(application, error)
        raise
    breaker.note(application, None)
    return found
