"""What an operator should know before a task is sent: one table of rules, each of which finds one thing or nothing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from tasks import clock
from tasks.models import Application, Task
from tasks.platform import wire
from tasks.reach import NAMED, Part, Reach
from tasks.targets import TargetType
from tasks.underway import Overlap


class Severity(StrEnum):
    NOTE = "note"  # to be read
    CAUTION = "caution"  # to be acknowledged before anything is sent


@dataclass(frozen=True)
class Facts:
    """What the rules look at. ``request`` is the create request as it stands; it may be incomplete."""

    application: Application
    request: Mapping[str, Any]
    callback: bool
    reach: Reach
    overlaps: Sequence[Overlap] = ()
    is_dangerous: bool = False

    @property
    def command(self) -> str:
        command = self.request["param"].get("command", {})
        return " · ".join(filter(None, (command.get("serviceId"), command.get("method"))))


@dataclass(frozen=True)
class Concern:
    """One finding; ``tasks`` are those it speaks of."""

    rule: str
    severity: Severity
    sentence: str
    tasks: tuple[Task, ...] = ()

    @property
    def key(self) -> str:
        """The same for the same finding: who has acknowledged it has not acknowledged another task on its way."""
        return ":".join([self.rule, *(str(task.pk) for task in self.tasks)])


@dataclass(frozen=True)
class Rule:
    name: str
    severity: Severity
    find: Callable[[Facts], str | None]
    tasks: Callable[[Facts], Iterator[Task]] = lambda _: iter(())


def concerns(facts: Facts) -> list[Concern]:
    """Every finding of every rule, cautions first."""
    found = [
        Concern(rule.name, rule.severity, sentence, tuple(rule.tasks(facts)))
        for rule in RULES
        if (sentence := rule.find(facts))
    ]
    return sorted(found, key=lambda concern: concern.severity != Severity.CAUTION)


DAY = 25 * 60
"""Minutes in which a device that reports once a day does so: NB-IoT ones are called ABNORMAL after them."""

OLD = dt.timedelta(days=1)


def _broadcast(facts: Facts) -> str | None:
    if facts.request["param"]["type"] != TargetType.BROADCAST:
        return None
    return f"Every device of {facts.application} gets the command, whatever it is."


def _dangerous(facts: Facts) -> str | None:
    return f"{facts.command} is marked as dangerous." if facts.is_dangerous else None


def _on_its_way(facts: Facts) -> str | None:
    sure = [overlap for overlap in facts.overlaps if overlap.is_sure]
    if not sure:
        return None
    counts = [overlap.shared for overlap in sure if overlap.shared is not None]
    if len(counts) < len(sure):
        whom = "these devices"
    elif len(sure) == 1:
        whom = f"{counts[0]:,} of these devices"
    else:
        whom = f"at least {max(counts):,} of these devices"
    return f"{facts.command} is already on its way to {whom}: they would get it twice."


def _perhaps_on_its_way(facts: Facts) -> str | None:
    if all(overlap.is_sure for overlap in facts.overlaps):
        return None
    return f"{facts.command} is on its way in another task; whether to some of these devices is not known."


def _not_understood(facts: Facts) -> str | None:
    lacking = [part for part in facts.reach.parts if part.knows is False]
    if not lacking or facts.reach.count is None:
        return None
    models = ", ".join(map(_model, lacking[:NAMED])) + (", …" if lacking[NAMED:] else "")
    those = _some(facts.reach.incompatible_ids, facts.reach.incompatible)
    have = "1 device has" if facts.reach.incompatible == 1 else f"{facts.reach.incompatible:,} devices have"
    return f"{_about(facts)}{have} no {facts.command} by their profile ({models}): {those}"


def _nobody(facts: Facts) -> str | None:
    return "The catalogue knows no device that this reaches." if facts.reach.count == 0 else None


def _not_in_the_catalogue(facts: Facts) -> str | None:
    unknown = facts.reach.unknown
    if not unknown:
        return None
    are = "1 device is" if unknown == 1 else f"{unknown:,} devices are"
    return (
        f"{_about(facts)}{are} not in the catalogue, being new, mistyped or another application's: "
        f"{_some(facts.reach.unknown_ids, unknown)}"
    )


def _mostly_silent(facts: Facts) -> str | None:
    reach = facts.reach
    if reach.silent * 2 <= reach.known:
        return None
    return (
        f"Most of these devices, {_about(facts).lower()}{reach.silent:,} of {reach.known:,}, were silent when the "
        "catalogue was read. They get the command only if they report in time."
    )


def _too_short(facts: Facts) -> str | None:
    timeout = facts.request.get("timeout")
    if not facts.reach.silent or not isinstance(timeout, int) or timeout >= DAY:
        return None
    return (
        f"A device that reports once a day may not do so within {timeout:,} minutes, and {_about(facts).lower()}"
        f"{facts.reach.silent:,} of these were silent when the catalogue was read. "
        f"The timeout can be up to {wire.TIMEOUT_MAX:,} minutes."
    )


def _no_callback(facts: Facts) -> str | None:
    if facts.callback:
        return None
    return "No answer is pushed: answers are read from the platform now and then, and use up its calls."


def _old_catalogue(facts: Facts) -> str | None:
    read = facts.reach.as_of
    if read is None or clock.now() - read <= OLD:
        return None
    days = (clock.now() - read).days
    return f"The catalogue was read {days} day{'' if days == 1 else 's'} ago; the fleet may look different by now."


RULES: tuple[Rule, ...] = (
    Rule("broadcast", Severity.CAUTION, _broadcast),
    Rule("dangerous", Severity.CAUTION, _dangerous),
    Rule(
        "on its way",
        Severity.CAUTION,
        _on_its_way,
        lambda facts: (overlap.task for overlap in facts.overlaps if overlap.is_sure),
    ),
    Rule("not understood", Severity.CAUTION, _not_understood),
    Rule("nobody", Severity.CAUTION, _nobody),
    Rule(
        "perhaps on its way",
        Severity.NOTE,
        _perhaps_on_its_way,
        lambda facts: (overlap.task for overlap in facts.overlaps if not overlap.is_sure),
    ),
    Rule("not in the catalogue", Severity.NOTE, _not_in_the_catalogue),
    Rule("mostly silent", Severity.NOTE, _mostly_silent),
    Rule("too short", Severity.NOTE, _too_short),
    Rule("no callback", Severity.NOTE, _no_callback),
    Rule("old catalogue", Severity.NOTE, _old_catalogue),
)
"""Cautions are what may do harm; notes are what may disappoint."""


def _about(facts: Facts) -> str:
    return "About " if facts.reach.sampled > 1 else ""


def _model(part: Part) -> str:
    return f"{part.kind.device_type} {part.kind.model}".strip() or "without a model"


def _some(ids: Sequence[str], count: int) -> str:
    """The end of a sentence that names them."""
    return ", ".join(ids) + (", …" if count > len(ids) else ".")
