"""Give every device of a list its row before any of them answers, so that the silent ones can be seen too."""

from __future__ import annotations

import json
import time

from django.db import transaction

from tasks.models import Result, Task

from . import bulk
from .shares import COLUMNS, Share, columns_of

CHUNK = 2000
"""Rows of one transaction at the most: pages wait for the lock of an embedded database."""


def list_devices(task_id: int, *, until: float | None = None) -> bool:
    """True when each device has its row. At the monotonic time ``until`` it stops; the next call goes on there."""
    if not Task.objects.filter(pk=task_id, listed=False).exists():
        return True
    ids = json.loads(Task.objects.select_related("request").get(pk=task_id).request_body)["param"][
        "deviceList"
    ]
    size, began = CHUNK, time.monotonic()
    while _list_chunk(task_id, ids, size):
        size = bulk.next_size(size, time.monotonic() - began, CHUNK)
        bulk.let_others_write()
        began = time.monotonic()
        if until is not None and time.monotonic() > until:
            return False
    if len(ids) > CHUNK:
        bulk.analyze(Result)
    return True


def _list_chunk(task_id: int, ids: list[str], size: int) -> bool:
    """List some more; True while there are more. Nothing is settled before all are, so their number is known."""
    with transaction.atomic():
        task = Task.objects.select_for_update().get(pk=task_id)
        if task.listed:
            return False  # another worker got there first
        done = task.counts.get("", 0)
        chunk = ids[done : done + size]
        blank = columns_of(Share(None, "", ""))
        bulk.insert(
            Result,
            ("task_id", "device_id", *COLUMNS),
            [(task_id, device_id, *blank) for device_id in chunk],
        )
        task.counts = {"": done + len(chunk)}
        task.listed = done + len(chunk) == len(ids)
        task.save(update_fields=["counts", "listed"])
        return not task.listed
