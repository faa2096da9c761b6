"""Is work being done? Signs of life, and how long what was pushed waits to be settled."""

from __future__ import annotations

import datetime as dt

from django.db.models import Min

from tasks import clock
from tasks.models import Callback, Heartbeat

SILENCE = dt.timedelta(seconds=120)
"""So long after its last sign of life a worker counts as gone; they sweep every few seconds."""

LAG = dt.timedelta(seconds=60)
"""The oldest push may wait so long before something is wrong."""


def beat(name: str) -> None:
    """Write down that a process of this kind is alive and can write."""
    if not Heartbeat.objects.filter(name=name).update(at=clock.now()):
        Heartbeat.objects.get_or_create(name=name, defaults={"at": clock.now()})


def worker_seen() -> dt.datetime | None:
    """When a worker last looked for work; None when none ever did."""
    return Heartbeat.objects.filter(name=Heartbeat.WORKER).values_list("at", flat=True).first()


def is_gone(seen: dt.datetime | None) -> bool:
    return seen is None or clock.now() - seen > SILENCE


def settling_lag() -> dt.timedelta:
    """How long the oldest push that is not settled has waited."""
    oldest = Callback.objects.filter(state=Callback.State.NEW).aggregate(at=Min("received_at"))["at"]
    return max(clock.now() - oldest, dt.timedelta()) if oldest else dt.timedelta()
