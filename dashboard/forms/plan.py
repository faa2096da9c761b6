"""How many tasks the devices and values of a form become: said before anything is sent."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.conf import settings

from dashboard.words import spoken
from tasks.lifecycle.families import task_count
from tasks.lifecycle.queue import usual_duration
from tasks.targets import TargetType

if TYPE_CHECKING:
    from .compose_shape import ShapedFields

SHOWN = 100
"""Sets of values that a page lists."""


@dataclass(frozen=True)
class Plan:
    """What is going to be several tasks. ``rows``: the values in the order of ``columns``, devices, tasks."""

    tasks: int
    columns: list[str]
    rows: list[tuple[list[Any], int, int]]
    sets: int
    unused: list[str]
    first: int
    """Devices of the first task."""
    at_once: int | None = None
    usual: dt.timedelta | None = None
    """How long the last tasks held their places."""

    @property
    def rounds(self) -> int:
        return math.ceil(self.tasks / self.at_once) if self.at_once else 0

    @property
    def wait(self) -> str:
        """How long the last one waits for its place, as far as can be told."""
        return spoken(self.usual * (self.rounds - 1)) if self.usual and self.rounds > 1 else ""

    @property
    def hidden(self) -> int:
        return self.sets - len(self.rows)


def plan_of(form: ShapedFields) -> Plan | None:
    """How many tasks the form's devices and values become; None for one task without values of its own."""
    given, sets, tasks = form.values, _sets(form), tasks_of(form)
    if not tasks or (tasks == 1 and not given.columns):
        return None
    application = getattr(form, "cleaned_data", {}).get("application")
    return Plan(
        tasks=tasks,
        columns=given.columns,
        rows=list(_rows(sets[:SHOWN], given.columns)) if given.columns else [],
        sets=len(sets) if given.columns else 0,
        unused=given.kept.unused if given.kept and given.columns else [],
        first=min(sets[0][1], settings.FAMILY_DEVICES),
        at_once=application.unfinished_limit if application else None,
        usual=usual_duration(application) if application else None,
    )


def tasks_of(form: ShapedFields) -> int:
    """How many tasks its list of devices becomes; 0 for none, and for what names no devices."""
    return sum(task_count(count) for _, count in _sets(form))


def _sets(form: ShapedFields) -> list[list[Any]]:
    """Different values, and how many devices they are for."""
    if form.chosen_target != TargetType.DEVICE_LIST or not form.devices.count:
        return []
    given = form.values
    return given.kept.sets if given.kept and given.columns else [[{}, form.devices.count]]


def _rows(sets: list[list[Any]], columns: list[str]) -> Iterator[tuple[list[Any], int, int]]:
    for each, count in sets:
        yield [each.get(name) for name in columns], count, task_count(count)
