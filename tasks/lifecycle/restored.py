"""After a restore the platform may be ahead of the rows: nothing that could have been sent meanwhile is sent again."""

from __future__ import annotations

import hashlib

from django.db import transaction

from tasks.models import Attempt, Draft, Task
from tasks.states import State

from .outcomes import unconfirmed

REASON = "Muster was restored from a backup; whether this was sent after the backup was made is not known."


def restored() -> int:
    """Put every task that could still be sent in doubt, so that a person decides; how many are in doubt now.

    Call before any worker starts. The guarded probe counts as used: it may have been, and a task that was cancelled
    since the backup must not go out by it. Drafts go: one of them may have become a task that the backup does not
    know, and a confirmation still open in a browser would send it a second time.
    """
    open_tasks = Task.objects.filter(state__in=[State.QUEUED, State.SUBMITTING])
    for task_id in list(open_tasks.values_list("pk", flat=True)):
        _doubt(Task.objects.get(pk=task_id))
    Draft.objects.all().delete()
    Task.objects.filter(state=State.UNCONFIRMED).update(probed=True)
    return Task.objects.filter(state=State.UNCONFIRMED).count()


def _doubt(task: Task) -> None:
    """With an attempt of unknown outcome, which makes a name that exists a proof when it is sent again."""
    with transaction.atomic():
        attempt = task.attempts.filter(finished_at=None).first() or Attempt.objects.create(
            task=task,
            number=task.attempts.count() + 1,
            fence=task.fence,
            request_sha256=hashlib.sha256(task.request_body.encode()).hexdigest(),
        )
        unconfirmed(task, REASON)
        Attempt.objects.filter(pk=attempt.pk).update(explanation=REASON)
