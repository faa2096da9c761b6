"""What must hold after any faults, judged by the sandbox's ledger: our own database is the accused, not a witness."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from tasks.models import Task, Transition
from tasks.states import State

NOT_CREATED = (State.QUEUED, State.REFUSED, State.CANCELLED)
LINGERING = ("stall", "drip", "latency", "flood")
"""The sandbox goes on with these for seconds after the caller hung up; its clock is not the schedule's."""

LIMBO = (State.QUEUED, State.SUBMITTING)


@dataclass
class Counts:
    """What came of schedules of faults; ``broken`` names each broken invariant in words."""

    schedules: int = 0
    tasks: int = 0
    posts: int = 0
    creates: int = 0
    doubles: int = 0
    losses: int = 0
    false_successes: int = 0
    false_failures: int = 0
    unsettled: int = 0
    unknown: int = 0
    kills: int = 0
    freezes: int = 0
    broken: list[str] = field(default_factory=list)

    def __iadd__(self, other: Counts) -> Counts:
        for each in dataclasses.fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))
        return self

    def __str__(self) -> str:
        shown = dataclasses.asdict(self)
        del shown["broken"]
        return ", ".join(f"{name.replace('_', ' ')} {number:,}" for name, number in shown.items())


def check(
    counts: Counts, tasks: Iterable[Task], creates: Iterable[dict[str, Any]], overlaps: Iterable[str]
) -> None:
    """Count, and note what is broken, for ``tasks`` at rest; ``creates`` as the ledger shows them."""
    received: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for entry in creates:
        received[entry["taskName"]].append(entry)
    overlapping = set(overlaps)
    for task in tasks:
        posts = received[task.name]
        made = [entry["taskID"] for entry in posts if entry["taskID"]]
        counts.tasks += 1
        counts.posts += len(posts)
        counts.creates += len(made)
        lingers = any(fault in (entry["fault"] or "") for entry in posts for fault in LINGERING)
        broken = _broken(counts, task, posts, made, overlaps=task.name in overlapping and not lingers)
        counts.broken += [
            f"{what}: task {task.name} {task.state} ({task.reason}), made {made}" for what in broken
        ]


def _broken(
    counts: Counts, task: Task, posts: list[dict[str, Any]], made: list[str], *, overlaps: bool
) -> Iterable[str]:
    if len(made) > 1:
        counts.doubles += 1
        yield "I1 double"
    if task.platform_task_id and task.platform_task_id not in made:
        counts.false_successes += 1
        yield "I3 false success: the platform has no such taskID under this name"
    elif task.state in (State.RUNNING, State.COMPLETE, State.TIMED_OUT) and not made:
        counts.false_successes += 1
        yield "I3 false success: nothing was created"
    if task.state in NOT_CREATED and made:
        counts.false_failures += 1
        yield "I4 false failure"
    if task.state in LIMBO:
        counts.losses += 1
        yield "I6 limbo"
    if task.state == State.REFUSED and not posts:
        counts.losses += 1
        yield "I4 refused without having been sent"
    if task.state == State.UNCONFIRMED:
        counts.unsettled += 1
        if not task.attempts.exists():
            yield "I5 doubt without an attempt"
    if (
        task.attempts.filter(outcome="outcome unknown").exists()
        or task.transitions.filter(to_state=State.UNCONFIRMED).exists()
    ):
        counts.unknown += 1
    if overlaps:
        yield "I7 two requests in flight"
    if task.attempts.filter(finished_at__isnull=True).count() > 1:
        yield "I7 two open attempts"
    if len(posts) > task.attempts.count():
        yield "I2 a request without an attempt"
    if len({entry["sha256"] for entry in posts}) > 1:
        yield "I8 other bytes"
    if not _replays(task):
        yield "I11 the transitions do not lead to the state"


def _replays(task: Task) -> bool:
    state = ""
    for step in Transition.objects.filter(task=task).order_by("id"):
        if step.from_state != state:
            return False
        state = step.to_state
    return state == task.state
