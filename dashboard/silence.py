"""What it means when no push comes, in words: who is asked instead, what can be checked, and what is not stuck."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings

from dashboard.words import spoken
from tasks.models import Task
from tasks.platform import counters
from tasks.states import State

PATIENCE = dt.timedelta(minutes=10)
"""Without a push for so long, a running task is called silent."""

MINUTE = dt.timedelta(minutes=1)


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
        lost=max(_final(task) - task.answered, 0),
        asks=bool(task.platform_task_id),
        address=f"{host.scheme}://{host.netloc}",
        is_local=(host.hostname or "") in ("localhost", "127.0.0.1", "::1"),
    )


def _final(task: Task) -> int:
    return sum(theirs for theirs, _ in counters.pairs(task.platform_counts, task.counts).values())
