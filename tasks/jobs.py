"""What Celery workers run: when and how often, never what. Arguments are one id; nothing secret travels."""

from __future__ import annotations

from celery import shared_task

from tasks import catalogue, lifecycle


@shared_task
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


@shared_task(soft_time_limit=900, time_limit=960)
def read_catalogue(application_id: int) -> None:
    catalogue.read(application_id)


@shared_task
def sweep() -> None:
    lifecycle.sweep()
