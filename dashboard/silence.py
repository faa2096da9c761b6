"""What it means when no push comes, in words: who is asked instead, what can be checked, and what is not stuck."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from dashboard.words import spoken
from tasks.models import Task
from tasks.states import State

PATIENCE = dt.timedelta(minutes=10)
"""Without a push for so long, a running task is called silent."""

MINUTE = dt.timedelta(minutes=1)

COUNTED: dict[str, tuple[str, str]] = {
    "success": ("SUCCESSFUL", "successful"),
    "fail": ("FAILED", "failed"),
    "timeout": ("TIMEOUT", "timed out"),
    "expired": ("EXPIRED", "expired"),
}
"""The platform's counters -> the status that Muster counts, and its words."""


@dataclass(frozen=True)
class Silence:
    """No push since ``since``. ``lost`` is how many final answers the platform knows that Muster does not."""

    since: dt.datetime
    words: str
    never: bool
    lost: int
    asks: bool
    address: str
    is_local: bool

    @property
    def is_worrying(self) -> bool:
        """Devices that sleep are no reason for it; pushes that do not arrive are."""
        return self.never or self.lost > 0


def silence_of(task: Task, now: dt.datetime) -> Silence | None:
    """None while pushes come, or while none has to: the task asked for none, is not running, or all have answered."""
    since = max(filter(None, (task.last_push_at, task.submitted_at)), default=None)
    if task.state != State.RUNNING or not task.callback_token or since is None or now - since < PATIENCE:
        return None
    if task.expected and task.answered >= task.expected:
        return None
    host = urlsplit(settings.PUBLIC_URL)
    return Silence(
        since=since,
        words=spoken((now - since) // MINUTE * MINUTE),
        never=task.last_push_at is None,
        lost=max(_final(task.platform_counts) - task.answered, 0),
        asks=bool(task.platform_task_id),
        address=f"{host.scheme}://{host.netloc}",
        is_local=(host.hostname or "") in ("localhost", "127.0.0.1", "::1"),
    )


def difference_of(task: Task) -> list[str]:
    """Where the platform's own counts say otherwise than ours, in words; empty where they agree.

    While the task runs, the platform is only believed to be ahead: what it counted is older than what we count.
    """
    theirs, running = task.platform_counts, not task.is_final
    found = []
    total = theirs.get("total")
    if total and task.expected and total != task.expected:
        found.append(f"{total:,} devices in all (Muster: {task.expected:,})")
    for name, (status, words) in COUNTED.items():
        their, our = theirs.get(name), task.counts.get(status, 0)
        if their is not None and (their > our if running else their != our):
            found.append(f"{their:,} {words} (Muster: {our:,})")
    return found


def asked_at(task: Task) -> dt.datetime | None:
    """When the platform was last asked what it counts."""
    try:
        return dt.datetime.fromisoformat(task.platform_counts.get("at") or "")
    except (TypeError, ValueError):
        return None


def _final(counts: dict[str, Any]) -> int:
    return sum(counts.get(name) or 0 for name in COUNTED)
