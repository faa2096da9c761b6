"""One rerun over all tasks of a family: each device is commanded again from the last task that listed it.

A device that was rerun already counts where the rerun has it, so that none is commanded twice for the same failure.
"""

from __future__ import annotations

import json
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.conf import settings
from django.contrib.auth.models import User

from tasks.models import Family, Request, Result, Task
from tasks.platform.pushes import FINAL_STATUSES
from tasks.states import FINAL

from .families import Part, compose_parts, requests_of
from .lineage import WORDS, Lineage, Outcome
from .listing import list_devices
from .rerun import OPEN, OVER, PRUNED, STATUSES, Choice, NotOffered, count_of, refusal_of, request_for


@dataclass(frozen=True)
class Portion:
    """The devices of one task of the family that are to be commanded again."""

    parent: Task
    devices: list[str]


@dataclass(frozen=True)
class Offer:
    """What may be chosen, or why nothing may. ``newest`` is the newest task; ``waiting`` tasks may still answer."""

    choices: list[Choice]
    refusal: str
    newest: int
    waiting: int


def offer(family: Family) -> Offer:
    """Every outcome with its count over all tasks, in the order of ``Outcome``."""
    tasks = _tasks(family)
    moved = _moved(tasks)
    choices = []
    for outcome in Outcome:
        offered = [task for task in tasks if not refusal_of(task, outcome)]
        count = sum(count_of(task, outcome) - _moved_of(task, outcome, moved) for task in offered)
        choices.append(Choice(outcome, max(count, 0), "" if count > 0 else _why_not(tasks, outcome)))
    waiting = sum(task.state not in FINAL for task in tasks)
    refusal = "" if any(choice.count for choice in choices) else _why_nothing(tasks, moved)
    return Offer(choices, refusal, max((task.pk for task in tasks), default=0), waiting)


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
    reruns = _rerun_devices(tasks)
    found: dict[int, dict[str, None]] = defaultdict(dict)
    for task_id, device_id in _devices(tasks, outcomes):
        if reruns.get(device_id, 0) <= task_id:
            found[task_id][device_id] = None
    if not found:
        raise NotOffered("None of these devices may be commanded again.")
    if sum(map(len, found.values())) > settings.MOST_DEVICES:
        raise NotOffered(f"These are more than {settings.MOST_DEVICES:,} devices. Choose fewer outcomes.")
    return [Portion(task, list(found[task.pk])) for task in reversed(tasks) if task.pk in found]


def compose_rerun(
    author: User,
    given: Sequence[Portion],
    outcomes: Sequence[str],
    *,
    known: int | None,
    key: uuid.UUID | None = None,
) -> list[Task]:
    """Queue a rerun for each portion, all or none, with the parent's own command.

    ``known`` is the newest task of the family that the author knows of. Raises ``AlreadyRerun`` when one of the
    parents has a newer rerun for such devices.
    """
    parts = []
    for portion in given:
        parent = portion.parent
        lineage = Lineage(parent, tuple(outcomes), known=known)
        others = {"callback": parent.callback_token is not None, "profile": parent.profile}
        for request in requests_of(request_for(parent, portion.devices)):
            parts.append(Part(parent.application, request, lineage, others))
    return compose_parts(author, parts, name="", key=key)


def _tasks(family: Family) -> list[Task]:
    """Newest first, with what the choice needs of them."""
    needed = ("state", "counts", "expected", "listed", "target_type", "rerun_of_id", "results_pruned_at")
    return list(Task.objects.filter(family=family).only(*needed).order_by("-pk"))


def _why_not(tasks: Sequence[Task], outcome: Outcome) -> str:
    """Why an outcome cannot be chosen: what keeps those back that have such devices."""
    refusals = Counter(refusal_of(task, outcome) for task in tasks if count_of(task, outcome))
    del refusals[""]
    return refusals.most_common(1)[0][0] if refusals else f"No device is {WORDS[outcome]}."


def _rerun_devices(tasks: Sequence[Task]) -> Mapping[str, int]:
    """Device -> the newest task that was made to command it again."""
    here = {task.pk for task in tasks}
    reruns = [task.pk for task in tasks if task.rerun_of_id in here]
    bodies = Request.objects.filter(task__in=reruns).order_by("pk").values_list("pk", "body")
    return {
        device_id: task_id
        for task_id, body in bodies.iterator(chunk_size=10)
        for device_id in json.loads(body)["param"]["deviceList"]
    }


def _moved(tasks: Sequence[Task]) -> Mapping[int, Counter[str]]:
    """Task -> how many of its devices a newer task of the family commands, by status or ``NEVER``."""
    reruns = _rerun_devices(tasks)
    parents = {task.rerun_of_id for task in tasks}
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
