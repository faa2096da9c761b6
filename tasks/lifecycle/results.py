"""Merge what is observed of devices into their results, by rank: order-free and duplicate-free."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tasks.models import Result, Task
from tasks.platform.pushes import FINAL_STATUSES, merge
from tasks.targets import TargetType


@dataclass(frozen=True)
class Observation:
    """What one push or one polled detail says of one device."""

    device_id: str
    command_id: str
    status: str
    at: dt.datetime
    source: str
    detail: Any = None
    error_code: str = ""
    error_text: str = ""


MERGED = [
    "command_id",
    "status",
    "detail",
    "error_code",
    "error_text",
    "source",
    "conflict",
    "sent_at",
    "delivered_at",
    "finished_at",
]
TIMES = {"SENT": "sent_at", "DELIVERED": "delivered_at", **dict.fromkeys(FINAL_STATUSES, "finished_at")}


def apply(task: Task, observations: Iterable[Observation]) -> None:
    """Merge ``observations`` into the task's results and counts.

    Call with the task's row locked, in the transaction that marks their source as settled.
    """
    observations = list(observations)
    if not observations or task.results_pruned_at:
        return
    rows: dict[str, list[Result]] = defaultdict(list)
    for row in task.results.filter(device_id__in={seen.device_id for seen in observations}).order_by("id"):
        rows[row.device_id].append(row)
    before = Counter(row.status for row in _flat(rows) if not row.unexpected)
    for seen in observations:
        _merge(_row(task, rows[seen.device_id], seen), seen)
    after = Counter(row.status for row in _flat(rows) if not row.unexpected)

    changed = _flat(rows)
    Result.objects.bulk_create([row for row in changed if row.pk is None])
    Result.objects.bulk_create(
        [row for row in changed if row.pk is not None],
        update_conflicts=True,
        unique_fields=["id"],
        update_fields=MERGED,
    )
    counts = Counter(task.counts)
    counts.update(after)
    counts.subtract(before)
    task.counts = {status: count for status, count in counts.items() if count}
    task.save(update_fields=["counts"])


def _flat(rows: dict[str, list[Result]]) -> list[Result]:
    return [row for of_device in rows.values() for row in of_device]


def _row(task: Task, of_device: list[Result], seen: Observation) -> Result:
    """The result that ``seen`` is about: its command's, one whose command is not known yet, or a new one."""
    for row in of_device:
        if seen.command_id in ("", row.command_id):
            return row
    for row in of_device:
        if not row.command_id:
            return row
    # Every listed device has its row from the start, so that one answering twice cannot stand for another.
    unexpected = task.target_type == TargetType.DEVICE_LIST
    row = Result(task=task, device_id=seen.device_id, command_id=seen.command_id, unexpected=unexpected)
    of_device.append(row)
    return row


def _merge(row: Result, seen: Observation) -> None:
    row.command_id = row.command_id or seen.command_id
    status, row.conflict = merge((row.status, row.conflict), (seen.status, False))
    if status == seen.status:
        won = status != row.status
        if won or _weight(seen.source, seen.detail) < _weight(row.source, row.detail):
            row.source, row.detail = seen.source, seen.detail
        row.error_code = seen.error_code if won or not row.error_code else row.error_code
        row.error_text = seen.error_text if won or not row.error_text else row.error_text
    row.status = status
    if time := TIMES.get(seen.status):
        setattr(row, time, min(filter(None, (getattr(row, time), seen.at))))


def _weight(source: str, detail: Any) -> tuple[bool, bool, str]:
    """Of two reports of one status the lighter is kept, whichever came first: what a device said itself."""
    return detail is None, source != "push", json.dumps(detail, sort_keys=True)
