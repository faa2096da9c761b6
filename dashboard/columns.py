"""What exports hold: the columns of results and of tasks. Scripts depend on the names; none is ever renamed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from tasks.platform.pushes import FINAL_STATUSES

CHUNK = 500


@dataclass(frozen=True)
class Column:
    """``path`` leads to the raw value, as ``values_list`` understands it; ``shown`` makes of it what is exported."""

    name: str
    path: str
    shown: Callable[[Any], Any] | None = None


def _in_counts(*statuses: str) -> Callable[[Mapping[str, int]], int]:
    return lambda counts: sum(counts.get(status, 0) for status in statuses)


RESULTS: tuple[Column, ...] = (
    Column("device_id", "device_id"),
    Column("command_id", "command_id"),
    Column("status", "status"),
    Column("answer", "detail"),
    Column("error_code", "error_code"),
    Column("error", "error_text"),
    Column("source", "source"),
    Column("unexpected", "unexpected"),
    Column("conflict", "conflict"),
    Column("sent_utc", "sent_at"),
    Column("delivered_utc", "delivered_at"),
    Column("finished_utc", "finished_at"),
)
FAMILY_RESULTS: tuple[Column, ...] = (
    Column("task", "task_id"),
    Column("task_name", "task__name"),
    Column("parameters", "task__paras"),
    *RESULTS,
)
TASKS: tuple[Column, ...] = (
    Column("id", "id"),
    Column("name", "name"),
    Column("application", "application__name"),
    Column("operator", "author__username"),
    Column("target_type", "target_type"),
    Column("service", "service_id"),
    Column("command", "method"),
    Column("state", "state"),
    Column("reason", "reason"),
    Column("taskID", "platform_task_id"),
    Column("error_code", "error_code"),
    Column("devices", "expected"),
    Column("final_answers", "counts", _in_counts(*FINAL_STATUSES)),
    Column("successful", "counts", _in_counts("SUCCESSFUL")),
    Column("failed", "counts", _in_counts("FAILED")),
    Column("created_utc", "created_at"),
    Column("submitted_utc", "submitted_at"),
    Column("finished_utc", "finished_at"),
    Column("results_pruned_utc", "results_pruned_at"),
)


def names(columns: Sequence[Column]) -> list[str]:
    return [column.name for column in columns]


def chunks(found: QuerySet[Any], columns: Sequence[Column]) -> Iterator[list[list[Any]]]:
    """The rows of ``found``, which is ordered by id, either way: each chunk by a query of its own.

    No cursor and no transaction stays open while a slow reader reads, and the next query is asked only when wanted.
    A row that changes meanwhile is exported once, as it stood when its chunk was read.
    """
    onward = "lt" if str(found.query.order_by[0]).startswith("-") else "gt"
    paths = list(dict.fromkeys(["id", *(column.path for column in columns)]))
    shown = [(paths.index(column.path), column.shown) for column in columns]
    raw = found.values_list(*paths)
    page = list(raw[:CHUNK])
    while page:
        yield [[of(row[at]) if of else row[at] for at, of in shown] for row in page]
        page = list(raw.filter(**{f"id__{onward}": page[-1][0]})[:CHUNK]) if len(page) == CHUNK else []
