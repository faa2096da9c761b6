"""One rerun over all tasks of a family: each device is commanded again from the last task that listed it.

A device that was rerun already counts where the rerun has it, so that none is commanded twice for the same failure.
Devices of tasks with the same command are commanded by the same task.
"""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from django.conf import settings
from django.db.models import prefetch_related_objects

from tasks.models import Family, Origin, Request, Result, Task
from tasks.platform.pushes import FINAL_STATUSES
from tasks.states import FINAL

from .families import Proposal, task_count
from .lineage import WORDS, Lineage, Outcome
from .listing import list_devices
from .rerun import (
    OPEN,
    OVER,
    PRUNED,
    STATUSES,
    Choice,
    NotOffered,
    count_of,
    fresh_name,
    refusal_of,
    request_for,
)


@dataclass(frozen=True)
class Portion:
    """The devices of one task of the family that are to be commanded again."""

    parent: Task
    devices: list[str]


@dataclass(frozen=True)
class Offer:
    """What may be chosen, or why nothing may. ``newest`` is the newest task; ``waiting`` tasks may still answer.

    ``counts`` is outcome -> task -> how many of its devices came to it and may be commanded again.
    """

    choices: list[Choice]
    refusal: str
    newest: int
    waiting: int
    counts: Mapping[Outcome, Mapping[Task, int]]

    def tasks(self, outcomes: Iterable[Outcome]) -> int:
        """How many tasks a rerun on these outcomes becomes."""
        devices: Counter[str] = Counter()
        for outcome in outcomes:
            for task, count in self.counts[outcome].items():
                devices[_command(task)] += count
        return sum(task_count(count) for count in devices.values() if count)


def offer(family: Family) -> Offer:
    """Every outcome with its count over all tasks, in the order of ``Outcome``."""
    tasks = _tasks(family)
    moved = _moved(tasks)
    counts = {
        outcome: {
            task: max(count_of(task, outcome) - _moved_of(task, outcome, moved), 0)
            for task in tasks
            if not refusal_of(task, outcome)
        }
        for outcome in Outcome
    }
    choices = []
    for outcome, of_tasks in counts.items():
        count = sum(of_tasks.values())
        choices.append(Choice(outcome, count, "" if count else _why_not(tasks, outcome)))
    waiting = sum(task.state not in FINAL for task in tasks)
    refusal = "" if any(choice.count for choice in choices) else _why_nothing(tasks, moved)
    return Offer(choices, refusal, max((task.pk for task in tasks), default=0), waiting, counts)


def _why_nothing(tasks: Sequence[Task], moved: Mapping[int, Counter[str]]) -> str:
    if any(counts.total() for counts in moved.values()):
        return "What failed or stayed silent was commanded again, and counts where it was commanded last."
    for outcome in Outcome:
        if (refusal := _why_not(tasks, outcome)) in (*OPEN.values(), PRUNED):
            return refusal
    return "No device of this family failed or stayed silent: there is nothing to rerun."


def portions(family: Family, outcomes: Iterable[Outcome]) -> list[Portion]:
    """The devices that came to one of ``outcomes``, by the task that listed them last. Raises ``NotOffered``."""
    outcomes = list(dict.fromkeys(outcomes))
    if not outcomes:
        raise NotOffered("Choose what became of the devices that are to be commanded again.")
    tasks = _tasks(family)
    newest = dict(_rerun_devices(tasks))
    chosen: set[str] = set()
    for task_id, device_id in _devices(tasks, outcomes):
        if newest.get(device_id, 0) <= task_id:
            newest[device_id] = task_id
            chosen.add(device_id)
    if not chosen:
        raise NotOffered("None of these devices may be commanded again.")
    if len(chosen) > settings.MOST_DEVICES:
        raise NotOffered(f"These are more than {settings.MOST_DEVICES:,} devices. Choose fewer outcomes.")
    found: dict[int, list[str]] = defaultdict(list)
    for device_id, task_id in newest.items():
        if device_id in chosen:
            found[task_id].append(device_id)
    return [Portion(task, found[task.pk]) for task in reversed(tasks) if task.pk in found]


def merged(given: Iterable[Portion]) -> list[list[Portion]]:
    """Those whose tasks have the same command together: they become as few tasks as their devices fit into."""
    together: dict[str, list[Portion]] = defaultdict(list)
    for portion in given:
        together[_command(portion.parent)].append(portion)
    return list(together.values())


def proposals_of(
    family: Family,
    given: Iterable[Portion],
    outcomes: Sequence[str],
    *,
    known: int | None,
    at: dt.datetime | None = None,
) -> list[Proposal]:
    """The rerun of each device with the command that it had.

    ``known`` is the newest task of the family that the author knows of; ``at`` is the moment that the names tell, now
    when it is not given.
    """
    together = merged(given)
    firsts = [portions[0].parent for portions in together]
    prefetch_related_objects(firsts, "request", "application", "profile", "template")
    return [
        _proposal(family, portions, Lineage((), tuple(outcomes), known=known), at) for portions in together
    ]


def _proposal(family: Family, given: Sequence[Portion], lineage: Lineage, at: dt.datetime | None) -> Proposal:
    first, *others = parents = tuple(portion.parent for portion in given)
    devices = {device: portion.parent for portion in given for device in portion.devices}
    lineage = replace(lineage, parents=parents, devices=devices)
    name = fresh_name(family.name if others else first.name, lineage.numbers, at)
    return Proposal(
        first.application,
        request_for(first, list(devices), name),
        callback=first.callback_token is not None,
        profile=first.profile,
        rerun=lineage,
        template=first.template if all(other.template_id == first.template_id for other in others) else None,
    )


COMMAND = ("service_id", "method", "paras", "timeout", "max_retransmit", "group_tag", "tags")
"""What tasks for a list of devices are told apart by, besides their devices and names."""


def _command(task: Task) -> str:
    """The same for tasks that send the same to their devices, in the same way."""
    about = [task.application_id, task.profile_id, task.callback_token is None]
    return json.dumps([*about, *(getattr(task, name) for name in COMMAND)], sort_keys=True)


def _tasks(family: Family) -> list[Task]:
    """Newest first, with what the choice needs of them."""
    needed = (
        "state", "counts", "expected", "listed", "target_type", "results_pruned_at", "application", "profile",
        "callback_token", "template", "name", *COMMAND,
    )  # fmt: skip
    return list(Task.objects.filter(family=family).only(*needed).order_by("-pk"))


def _why_not(tasks: Sequence[Task], outcome: Outcome) -> str:
    """Why an outcome cannot be chosen: what keeps those back that have such devices."""
    refusals = Counter(refusal_of(task, outcome) for task in tasks if count_of(task, outcome))
    del refusals[""]
    return refusals.most_common(1)[0][0] if refusals else f"No device is {WORDS[outcome]}."


def _rerun_devices(tasks: Sequence[Task]) -> Mapping[str, int]:
    """Device -> the newest task that was made to command it again."""
    reruns = Origin.objects.filter(task__in=tasks, parent__in=tasks).order_by().values("task")
    bodies = Request.objects.filter(task__in=reruns).order_by("pk").values_list("pk", "body")
    return {
        device_id: task_id
        for task_id, body in bodies.iterator(chunk_size=10)
        for device_id in json.loads(body)["param"]["deviceList"]
    }


def _moved(tasks: Sequence[Task]) -> Mapping[int, Counter[str]]:
    """Task -> how many of its devices a newer task of the family commands, by status or ``NEVER``."""
    reruns = _rerun_devices(tasks)
    parents = set(Origin.objects.filter(task__in=tasks).order_by().values_list("parent", flat=True))
    some = [task for task in tasks if task.pk in parents]
    moved: dict[int, Counter[str]] = defaultdict(Counter)
    results = Result.objects.filter(task__in=some, unexpected=False).exclude(status="SUCCESSFUL").order_by()
    seen = set()
    for row in results.values_list("task_id", "status", "device_id").iterator(chunk_size=10_000):
        if reruns.get(row[2], 0) > row[0] and row not in seen:
            seen.add(row)
            moved[row[0]][row[1]] += 1
    for task_id, device_id in _never_sent(some):
        moved[task_id][NEVER] += reruns.get(device_id, 0) > task_id
    return moved


NEVER = "never sent"


def _moved_of(task: Task, outcome: Outcome, moved: Mapping[int, Counter[str]]) -> int:
    of_task = moved.get(task.pk, Counter())
    if outcome == Outcome.NOT_DISPATCHED:
        return of_task[NEVER]
    if outcome == Outcome.NO_ANSWER:
        return sum(count for status, count in of_task.items() if status not in (*FINAL_STATUSES, NEVER))
    return of_task[STATUSES[outcome]]


def _devices(tasks: Sequence[Task], outcomes: Sequence[Outcome]) -> Iterable[tuple[int, str]]:
    """(task, device) of those that came to one of ``outcomes`` and may be commanded again."""
    offered = {outcome: [task for task in tasks if not refusal_of(task, outcome)] for outcome in outcomes}
    yield from _never_sent(offered.get(Outcome.NOT_DISPATCHED, ()))
    rows = (
        Result.objects.filter(unexpected=False).order_by("task_id", "pk").values_list("task_id", "device_id")
    )
    final = {STATUSES[outcome]: found for outcome, found in offered.items() if outcome in STATUSES}
    for status, found in final.items():
        yield from rows.filter(task__in=found, status=status).iterator(chunk_size=10_000)
    silent = [task for task in offered.get(Outcome.NO_ANSWER, ()) if task.state in OVER]
    for task in silent:
        if not task.listed:
            list_devices(task.pk)  # nothing was ever heard of it
    if silent:
        yield from rows.filter(task__in=silent).exclude(status__in=FINAL_STATUSES).iterator(chunk_size=10_000)


def _never_sent(tasks: Iterable[Task]) -> Iterable[tuple[int, str]]:
    """(task, device) of the tasks of which nothing was sent."""
    never = [task.pk for task in tasks if not refusal_of(task, Outcome.NOT_DISPATCHED)]
    bodies = Request.objects.filter(task__in=never).order_by("pk").values_list("pk", "body")
    for task_id, body in bodies.iterator(chunk_size=10) if never else ():
        for device_id in json.loads(body)["param"]["deviceList"]:
            yield task_id, device_id
