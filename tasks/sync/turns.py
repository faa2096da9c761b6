"""The turns of a reading: who has it, how long, what it waits for, and how it ends."""

from __future__ import annotations

import datetime as dt
import time
from functools import partial

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from tasks import clock
from tasks.bells import ring
from tasks.lifecycle import queue
from tasks.lifecycle.asking import ask
from tasks.lifecycle.budget import NoCall
from tasks.lifecycle.outcomes import backoff
from tasks.lifecycle.words import what_to_do
from tasks.models import Application, Sync
from tasks.platform.errors import PlatformError, Refused

from . import sections
from .places import Lost, end, put_off, take

TURN_SECONDS = 10
"""After that a worker lets another job have its turn."""

PATIENCE = dt.timedelta(seconds=5)
"""A worker waits so long for the next call of the budget; for longer waits the sweep comes by."""

OVERLAP = dt.timedelta(hours=1)
"""New is what was registered since so long before the last reading began: the platform has a clock of its own."""


def start(application: Application, asked_by: User | None = None, *, only_new: bool = False) -> Sync:
    """Begin a reading and ring for a worker; the one that is going on, when there is one."""
    now = clock.now()
    since = since_of(application) if only_new else None
    try:
        with transaction.atomic():
            sync = Sync.objects.create(
                application=application, asked_by=asked_by, since=since, started_at=now, due_at=now
            )
    except IntegrityError:
        return Sync.objects.get(application=application, finished_at__isnull=True)
    transaction.on_commit(lambda: ring("read_catalogue", sync.pk))
    return sync


def since_of(application: Application) -> dt.datetime | None:
    """From when on devices are new; None while there was no whole reading, so that all of them are."""
    if application.catalogue_at is None:
        return None
    done = application.syncs.filter(ended=Sync.Ended.COMPLETE).order_by("-id").first()
    return (done.started_at if done else application.catalogue_at) - OVERLAP


def cancel(sync: Sync, by: User) -> bool:
    """Stop a reading. What was read stays; False when it had ended already."""
    going_on = Sync.objects.filter(pk=sync.pk, finished_at__isnull=True)
    return bool(going_on.update(finished_at=clock.now(), ended=Sync.Ended.CANCELLED, cancelled_by=by))


def go_on(sync_id: int) -> None:
    """Take a turn, if nobody has it and it is due. Never raises for what the platform does."""
    sync = take(sync_id)
    if sync is None:
        return
    over = time.monotonic() + TURN_SECONDS
    spare = queue.call_wanted(sync.application)
    question = partial(ask, sync.application, spare=spare)
    try:
        while sync.finished_at is None:
            try:
                sections.step(sync, question)
            except NoCall as full:
                wait = full.until - clock.now()
                if wait > PATIENCE:
                    put_off(sync, full.until)
                    return
                time.sleep(max(wait.total_seconds(), 0.05))
            if sync.finished_at is None and time.monotonic() > over:
                put_off(sync, clock.now())
                ring("read_catalogue", sync_id)
                return
    except Refused as error:
        end(sync, Sync.Ended.FAILED, problem=_explained(error))
    except PlatformError as error:
        again = clock.now() + backoff(error.reason, sync.failures)
        put_off(sync, again, problem=_explained(error), failures=sync.failures + 1)
    except Lost:
        pass  # it was cancelled, or another worker took it for dead; what is stored is theirs


def read(application: Application, *, seconds: float = 30) -> Sync:
    """Begin a reading and go on with it here; what is not done when the time is over is left to the workers."""
    sync = start(application)
    over = time.monotonic() + seconds
    while sync.finished_at is None and time.monotonic() < over:
        go_on(sync.pk)
        sync.refresh_from_db()
        if sync.problem or sync.due_at > clock.now() + PATIENCE:
            break
        if sync.finished_at is None:
            time.sleep(0.1)
    return sync


def _explained(error: PlatformError) -> str:
    return " ".join(filter(None, (str(error), what_to_do(error))))
