"""What Celery workers run: when and how often, never what. Arguments are one id; nothing secret travels.

There are no soft limits: an exception in the middle of a POST would leave a doubt. The hard one of a submission is
below the lease of 180 s, and above the longest turn: 30 s, a login of 30 s, and an attempt of 60 s.
"""

from __future__ import annotations

from celery import shared_task
from django.conf import settings

from tasks import lifecycle, sync
from tasks.lifecycle.prune import DRAFTS, KINDS

PRUNE_SECONDS = 60


@shared_task(time_limit=175)
def submit(task_id: int) -> None:
    lifecycle.submit(task_id)


@shared_task
def settle(task_id: int) -> None:
    lifecycle.settle(task_id)


@shared_task
def reconcile(task_id: int) -> None:
    lifecycle.reconcile(task_id)


@shared_task
def seek_evidence(task_id: int) -> None:
    lifecycle.seek_evidence(task_id)


@shared_task
def read_catalogue(sync_id: int) -> None:
    sync.go_on(sync_id)


@shared_task
def sweep() -> None:
    lifecycle.sweep()


@shared_task
def prune() -> None:
    """An hour's share. Without the switch only drafts go: what was sent and answered is deleted on request alone."""
    lifecycle.prune(KINDS if settings.PRUNE else (DRAFTS,), seconds=PRUNE_SECONDS)
