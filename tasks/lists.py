"""Lists of devices as sets: combined and counted, taken from the catalogue or a task, kept under a name in versions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain

from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone

from tasks import fleet
from tasks.lifecycle import Outcome, rerun
from tasks.models import Application, DeviceList, ListVersion, NamedList, Task
from tasks.models.lists import NAME_MAX
from tasks.targets import TargetType

SHOWN_CHANGES = 20
"""Ids that a version remembers of those it added and of those it removed."""


class Operation(StrEnum):
    """What becomes of the ids at hand and of others."""

    INSTEAD = "instead"
    ADD = "add"
    BOTH = "both"
    WITHOUT = "without"
    OTHERS = "others"


class TooMany(Exception):
    """More ids than one task may list."""

    def __init__(self) -> None:
        super().__init__(f"More than {settings.MOST_DEVICES:,} devices are too many for one list.")


class NotSaved(Exception):
    """The list cannot be saved like this; the text says why."""


def combine(operation: Operation, ids: Sequence[str], others: Sequence[str]) -> list[str]:
    """Each id once: those at hand in their order, then others in theirs. Raises ``TooMany``."""
    match operation:
        case Operation.INSTEAD:
            return list(dict.fromkeys(others))
        case Operation.ADD:
            return _bounded(chain(ids, others))
        case Operation.BOTH:
            known = set(others)
            return [each for each in dict.fromkeys(ids) if each in known]
        case Operation.WITHOUT:
            known = set(others)
            return [each for each in dict.fromkeys(ids) if each not in known]
        case Operation.OTHERS:
            return combine(Operation.WITHOUT, others, ids)


def numbers(ids: Iterable[str], others: Iterable[str]) -> dict[Operation, int]:
    """How many ids each operation would give."""
    mine, theirs = set(ids), set(others)
    both = len(mine & theirs)
    return {
        Operation.ADD: len(mine) + len(theirs) - both,
        Operation.BOTH: both,
        Operation.WITHOUT: len(mine) - both,
        Operation.OTHERS: len(theirs) - both,
        Operation.INSTEAD: len(theirs),
    }


def most() -> int:
    """Ids that one list may have."""
    return settings.MOST_DEVICES


def chosen(application: Application, choice: fleet.Choice) -> list[str]:
    """The ids that a filter over the catalogue chooses now. Raises ``TooMany``."""
    rows = fleet.select(application, choice).values_list("device_id", flat=True)
    return _bounded(rows.iterator(chunk_size=20_000))


EVERY, SUCCESSFUL = "every", "successful"
"""What may be asked of a task's devices besides the outcomes of a rerun."""


@dataclass(frozen=True)
class Asked:
    """What may be asked of a task's devices: how many they are, and why they cannot be had; empty when they can."""

    outcome: str
    words: str
    count: int
    refusal: str


def asked_of(task: Task) -> list[Asked]:
    """Every device, the successful ones, and every outcome of a rerun."""
    pruned = rerun.PRUNED if task.results_pruned_at else ""
    listed = task.target_type == TargetType.DEVICE_LIST
    every = (task.expected or 0) if listed else sum(task.counts.values())
    successful = task.counts.get("SUCCESSFUL", 0)
    return [
        Asked(
            EVERY,
            "every device" if listed else "every device that was heard of",
            every,
            "" if listed and every else pruned or _none(every, "known"),
        ),
        Asked(SUCCESSFUL, SUCCESSFUL, successful, pruned or _none(successful, SUCCESSFUL)),
        *(
            Asked(choice.outcome, choice.words, choice.count, choice.refusal)
            for choice in rerun.choices(task)
        ),
    ]


def of_task(task: Task, outcomes: Iterable[str]) -> list[str]:
    """The ids of a task's devices with one of ``outcomes``. Raises ``rerun.NotOffered`` and ``TooMany``."""
    outcomes = set(outcomes)
    if EVERY in outcomes:
        if task.target_type == TargetType.DEVICE_LIST:
            return list(json.loads(task.request_body)["param"]["deviceList"])
        return _of_results(task)
    found: list[Sequence[str]] = []
    if SUCCESSFUL in outcomes:
        found.append(_of_results(task, status="SUCCESSFUL"))
    if others := [outcome for outcome in Outcome if outcome in outcomes]:
        found.append(rerun.devices_with(task, others))
    return _bounded(chain.from_iterable(found))


def create(application: Application, name: str, devices: DeviceList, author: User) -> NamedList:
    """A new list of these devices. Raises ``NotSaved``."""
    name = free_name(application, name)
    try:
        with transaction.atomic():
            made = NamedList.objects.create(
                application=application, name=name, author=author, changed_by=author
            )
            replace(made, devices, author)
    except IntegrityError:
        raise NotSaved(TAKEN.format(name=name)) from None
    return made


def replace(named: NamedList, devices: DeviceList, author: User, origin: str = "") -> ListVersion:
    """The next version of the list; what it was before stays."""
    if not devices.is_usable:
        raise NotSaved("Choose the devices first.")
    with transaction.atomic():
        held = NamedList.objects.select_for_update().get(pk=named.pk)
        earlier = held.newest.devices.ids if held.version else []
        ids = devices.ids
        added, removed = _difference(ids, earlier)
        if held.version and not added and not removed:
            raise NotSaved("The list has exactly these devices already.")
        named.version = held.version + 1
        named.count, named.changed_at, named.changed_by = len(ids), timezone.now(), author
        named.save(update_fields=["version", "count", "changed_at", "changed_by"])
        copy = DeviceList.objects.create(
            author=author,
            source=f"the list {named.name}, version {named.version}",
            count=len(ids),
            query=devices.query,
            first=ids[: DeviceList.FIRST],
            text=devices.text,
        )
        return named.versions.create(
            number=named.version,
            devices=copy,
            origin=(origin or devices.source or "pasted")[:300],
            added=len(added),
            removed=len(removed),
            changes={"added": added[:SHOWN_CHANGES], "removed": removed[:SHOWN_CHANGES]},
            author=author,
        )


def restore(named: NamedList, number: int, author: User) -> ListVersion:
    """Make an older version the newest one, by a copy."""
    old = named.versions.select_related("devices").get(number=number)
    return replace(named, old.devices, author, origin=f"as version {number} was")


def rename(named: NamedList, name: str) -> None:
    """Raises ``NotSaved``."""
    named.name = free_name(named.application, name, but=named)
    with transaction.atomic():
        named.save(update_fields=["name"])
        for version in named.versions.all():
            source = f"the list {named.name}, version {version.number}"
            DeviceList.objects.filter(pk=version.devices_id).update(source=source)


def free_name(application: Application, name: str, but: NamedList | None = None) -> str:
    """The name without odd blanks, when no other list of the application has it. Raises ``NotSaved``."""
    name = " ".join(name.replace("\0", "").split())
    if not name:
        raise NotSaved("Give the list a name.")
    if len(name) > NAME_MAX:
        raise NotSaved(f"A name has at most {NAME_MAX} characters; this one has {len(name)}.")
    others = NamedList.objects.usable().filter(application=application, name=name)
    if but:
        others = others.exclude(pk=but.pk)
    if others.exists():
        raise NotSaved(TAKEN.format(name=name))
    return name


TAKEN = "There is a list “{name}” already. Open it to give it a new version."


def _difference(ids: Sequence[str], earlier: Sequence[str]) -> tuple[list[str], list[str]]:
    return combine(Operation.WITHOUT, ids, earlier), combine(Operation.WITHOUT, earlier, ids)


def _of_results(task: Task, **having: str) -> list[str]:
    if task.results_pruned_at:
        raise rerun.NotOffered(rerun.PRUNED)
    results = task.results.filter(unexpected=False, **having).order_by()
    return _bounded(results.values_list("device_id", flat=True).iterator(chunk_size=20_000))


def _bounded(ids: Iterable[str]) -> list[str]:
    """Each once; memory is bounded by what one task may list."""
    found: dict[str, None] = {}
    for device_id in ids:
        found[device_id] = None
        if len(found) > settings.MOST_DEVICES:
            raise TooMany
    return list(found)


def _none(count: int, words: str) -> str:
    return "" if count else f"No device is {words}."
