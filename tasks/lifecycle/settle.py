"""Turn kept callbacks into results and counts: in batches, in any order, any number of times, same outcome."""

from __future__ import annotations

import json
import time

from django.db import transaction

from tasks import clock
from tasks.bells import ring
from tasks.models import Callback, Result, Task
from tasks.models.callback import inbox
from tasks.platform import pushes
from tasks.states import State

from .results import Observation, apply
from .transitions import move
from .trim import trim

BATCH = 1000
TURN_SECONDS = 30
"""After that a worker lets another job have its turn."""


def settle(task_id: int) -> None:
    """Settle every callback kept for the task. A crash leaves whole batches undone, never half ones."""
    if not Task.objects.filter(pk=task_id).exists():
        Callback.objects.filter(task_id=task_id).delete()  # a push that crossed with the pruning of its task
        return
    list_devices(task_id)
    over = time.monotonic() + TURN_SECONDS
    while _settle_batch(task_id):
        trim(task_id)
        if time.monotonic() > over:
            ring("settle", task_id)
            return
    trim(task_id)


def _settle_batch(task_id: int) -> bool:
    """Settle the oldest callbacks: their effect in one transaction, then their marks; True while there may be more."""
    with transaction.atomic():
        task = Task.objects.light().select_for_update().get(pk=task_id)
        callbacks = list(task.callbacks.filter(state=Callback.State.NEW).order_by("id")[:BATCH])
        observations, settled, malformed = [], [], []
        for callback in callbacks:
            try:
                push = pushes.parse(bytes(callback.body))
            except pushes.Malformed as error:
                malformed.append((callback.pk, str(error)))
                continue
            settled.append(callback.pk)
            task.last_push_at = max(filter(None, (task.last_push_at, callback.received_at)))
            observations.append(
                Observation(
                    device_id=push.device_id,
                    command_id=push.command_id,
                    status=push.status,
                    at=callback.received_at,
                    source="push",
                    detail=push.detail,
                )
            )
        apply(task, observations)
        task.save(update_fields=["last_push_at"])
        conclude(task)
    _mark(settled, malformed)  # a crash before this has the batch settled once more, without effect
    return len(callbacks) == BATCH


def _mark(settled: list[int], malformed: list[tuple[int, str]]) -> None:
    """Note in the inbox what became of callbacks: briefly, for the receiver waits meanwhile."""
    with transaction.atomic(using=inbox()):
        Callback.objects.filter(pk__in=settled).update(state=Callback.State.SETTLED)
        for pk, problem in malformed:
            Callback.objects.filter(pk=pk).update(state=Callback.State.QUARANTINED, problem=problem[:300])


def conclude(task: Task) -> None:
    """Move the task as far as its results prove: an answer proves that it exists, all of them that it is over."""
    if task.state == State.UNCONFIRMED and task.last_push_at:
        move(
            task,
            State.RUNNING,
            "A device's answer came to this task's own address, so the platform has the task; "
            "its taskID is not known.",
            evidence={"callbacks": task.callbacks.count()},
            submitted_at=clock.now(),
            poll_at=clock.now(),
        )
    if task.state == State.RUNNING and task.expected and task.answered >= task.expected:
        move(task, State.COMPLETE, "every device has a final answer", poll_at=None)


def list_devices(task_id: int) -> None:
    """Give every device of a DeviceList its row, so that the silent ones can be seen too."""
    unlisted = Task.objects.filter(pk=task_id, listed=False)
    if not unlisted.exists():
        return
    with transaction.atomic():
        task = unlisted.select_for_update().first()
        if task is None:
            return  # another worker got there first
        ids = json.loads(task.request_body)["param"]["deviceList"]
        Result.objects.bulk_create(
            (Result(task=task, device_id=device_id) for device_id in ids), batch_size=5000
        )
        task.listed, task.counts = True, {"": len(ids)}
        task.save(update_fields=["listed", "counts"])
