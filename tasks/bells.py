"""Ring for a worker. A bell that is not heard costs seconds, never work: the sweep finds whatever is due."""

from __future__ import annotations

import logging

from celery import current_app

logger = logging.getLogger(__name__)


def ring(job: str, pk: int) -> None:
    """Ask a worker to run ``tasks.jobs.<job>(pk)``. A broker that is down is logged, never raised."""
    try:
        current_app.send_task(f"tasks.jobs.{job}", args=[pk], retry=False)
    except Exception as error:
        logger.warning("the broker did not take %s(%s), the sweep will: %s", job, pk, error)
