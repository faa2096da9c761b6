"""Rerun: a new task for chosen devices of an old one. Which may be chosen, and in words why others may not."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db.models import QuerySet

from tasks import clock
from tasks.models import Result, Task
from tasks.platform import wire
from tasks.platform.pushes import FINAL_STATUSES
from tasks.states import State
from tasks.targets import MEMBERS, TargetType

from .lineage import WORDS, Outcome
from .listing import list_devices

STATUSES: dict[Outcome, str] = {
    Outcome.FAILED: "FAILED",
    Outcome.TIMED_OUT: "TIMEOUT",
    Outcome.EXPIRED: "EXPIRED",
    Outcome.CANCELLED: "CANCELED",
}
"""Outcome -> the status that means it; the other two depend on where the task stands."""

OVER = frozenset({State.COMPLETE, State.TIMED_OUT})
NEVER_SENT = frozenset({State.REFUSED, State.CANCELLED})
OPEN: dict[State, str] = {
    State.QUEUED: "The task has not been sent yet.",
    State.SUBMITTING: "The task is being sent right now.",
    State.RUNNING: "The task is still running: a device without an answer may yet get its command, "
    "and with a rerun it would get it twice.",
    State.UNCONFIRMED: "Whether the platform has this task is not known: its devices could get the command twice.",
    State.ABANDONED: "Whether the platform ever had this task is not known: its devices could get the command twice.",
}
"""State -> why devices without a final answer cannot be chosen."""

PRUNED = "Its results were pruned: which devices these were is no longer known."


@dataclass(frozen=True)
class Choice:
    """An outcome, how many devices came to it, and why it cannot be chosen; empty when it can."""

    outcome: Outcome
    count: int
    refusal: str

    @property
    def words(self) -> str:
        return WORDS[self.outcome]


class NotOffered(Exception):
    """These devices cannot be commanded again; the text says why."""


def choices(task: Task) -> list[Choice]:
    """Every outcome with its count, in the order of ``Outcome``."""
    return [Choice(outcome, count_of(task, outcome), refusal_of(task, outcome)) for outcome in Outcome]


def devices_with(task: Task, outcomes: Iterable[Outcome]) -> list[str]:
    """The ids of the devices that came to one of ``outcomes``. Raises ``NotOffered``."""
    outcomes = list(outcomes)
    found = results_with(task, outcomes)
    if Outcome.NOT_DISPATCHED in outcomes:
        return bounded(_request(task)["param"]["deviceList"])
    return _chosen(found)


def results_with(task: Task, outcomes: Iterable[Outcome]) -> QuerySet[Result]:
    """The results that are one of ``outcomes``; of devices not dispatched there are none. Raises ``NotOffered``."""
    outcomes = list(dict.fromkeys(outcomes))
    if not outcomes:
        raise NotOffered("Choose what became of the devices that are to be commanded again.")
    for outcome in outcomes:
        if refusal := refusal_of(task, outcome):
            raise NotOffered(refusal)
    if Outcome.NO_ANSWER in outcomes:
        list_devices(task.pk)  # a task that nothing was ever heard of has no rows yet
        task.refresh_from_db(fields=["counts", "listed"])
    return task.results.filter(unexpected=False, status__in=statuses_of(task, outcomes))


def devices_among(task: Task, results: QuerySet[Result]) -> list[str]:
    """The ids of the devices in ``results`` of ``task`` that may be commanded again. Raises ``NotOffered``."""
    if task.results_pruned_at:
        raise NotOffered(PRUNED)
    if task.state not in OVER:
        results = results.filter(status__in=sorted(FINAL_STATUSES))
    return _chosen(results)


def request_for(task: Task, devices: list[str], name: str = "") -> dict[str, Any]:
    """The create request of a rerun: all as in the task's own, for these devices, under a fresh name."""
    asked = _request(task)
    others = {member for members in MEMBERS.values() for member in members} | {"callbackUrl", "type"}
    param = {member: value for member, value in asked["param"].items() if member not in others}
    target = {"type": str(TargetType.DEVICE_LIST), "deviceList": devices}
    del asked["appId"]
    return asked | {"taskName": name or fresh_name(task.name, f"#{task.pk}"), "param": target | param}


def fresh_name(name: str, numbers: str, at: dt.datetime | None = None) -> str:
    """A name for the rerun of these tasks that no other has: the platform refuses one that it has seen."""
    ending = f" · rerun of {numbers} · {at or clock.now():%Y-%m-%d %H:%M:%S.%f}"[:-3]
    return name.partition(" · rerun of #")[0][: wire.NAME_MAX - len(ending)] + ending


def _request(task: Task) -> dict[str, Any]:
    return json.loads(task.request_body)


def refusal_of(task: Task, outcome: Outcome) -> str:
    if outcome == Outcome.NOT_DISPATCHED:
        return _not_dispatched_refusal(task)
    if task.results_pruned_at:
        return PRUNED
    if outcome == Outcome.NO_ANSWER:
        if task.state in NEVER_SENT:
            return "Nothing was sent: its devices are those not dispatched."
        if task.state in OPEN:
            return OPEN[State(task.state)]
    return "" if count_of(task, outcome) else f"No device is {WORDS[outcome]}."


def _not_dispatched_refusal(task: Task) -> str:
    if task.state not in NEVER_SENT:
        return (
            OPEN[State(task.state)] if task.state in BEFORE_KNOWN else "The task was sent to all its devices."
        )
    if task.target_type != TargetType.DEVICE_LIST:
        return "The task named no devices, and none was commanded. Repeat it instead."
    return ""


BEFORE_KNOWN = frozenset({State.QUEUED, State.SUBMITTING, State.UNCONFIRMED, State.ABANDONED})


def count_of(task: Task, outcome: Outcome) -> int:
    if outcome == Outcome.NOT_DISPATCHED:
        return (task.expected or 0) if task.state in NEVER_SENT else 0
    if outcome == Outcome.NO_ANSWER:
        if task.state in NEVER_SENT:
            return 0
        counted = sum(task.counts.get(status, 0) for status in statuses_of(task, [outcome]))
        return counted or ((task.expected or 0) if not task.listed else 0)
    return task.counts.get(STATUSES[outcome], 0)


def statuses_of(task: Task, outcomes: Iterable[Outcome]) -> list[str]:
    """The statuses that mean ``outcomes``; whatever is not final is no answer."""
    statuses = [STATUSES[outcome] for outcome in outcomes if outcome in STATUSES]
    if Outcome.NO_ANSWER in outcomes:
        statuses += [status for status in task.counts if status not in FINAL_STATUSES]
    return statuses


def _chosen(results: QuerySet[Result]) -> list[str]:
    """Each device once, in the order in which the index has them; those that are not on the task's list never."""
    ids = results.filter(unexpected=False).order_by().values_list("device_id", flat=True)
    return bounded(ids.iterator(chunk_size=10_000))


def bounded(ids: Iterable[str]) -> list[str]:
    """Memory is bounded by what one task may list."""
    found: dict[str, None] = {}
    for device_id in ids:
        found[device_id] = None
        if len(found) > settings.MOST_DEVICES:
            raise NotOffered(
                f"These are more than {settings.MOST_DEVICES:,} devices, the most that one task may list. "
                "Choose fewer with the filter."
            )
    if not found:
        raise NotOffered("None of these devices may be commanded again.")
    return list(found)
