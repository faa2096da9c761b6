"""Asking for a page: by which call, and when a reading goes on without the answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tasks.models import Sync
from tasks.platform.errors import PlatformError, Refused

Ask = Callable[[Callable[..., Any]], Any]
"""Called with a function of the client, it gives what that reads."""

CHUNK = 1000
"""Rows that are deleted in one transaction."""

TRIES = 2


def raise_unless_dispensable(sync: Sync, error: PlatformError) -> None:
    """What a reading can do without is left out when it is refused, or when it makes no sense time after time."""
    makes_no_sense = error.reason in ("bad answer", "too large") and sync.failures >= TRIES
    if not (isinstance(error, Refused) or makes_no_sense):
        raise error
