"""Lists of devices: taken from the catalogue or from a task, and kept under a name in versions."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.exceptions import EmptyResultSet
from django.db import IntegrityError, connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from tasks import fleet
from tasks.lifecycle import Outcome, rerun, value_rows
from tasks.models import Application, DeviceList, ListVersion, NamedList, Task, ValueTable
from tasks.models.lists import NAME_MAX
from tasks.sets import Operation, TooMany, combine, count, marks, pieces
from tasks.targets import TargetType

SHOWN_CHANGES = 20
"""Ids that a version remembers of those it added and of those it removed."""


class NotSaved(Exception):
    """The list cannot be saved like this; the text says why."""


def most() -> int:
    """Ids that one list may have."""
    return settings.MOST_DEVICES


def chosen(application: Application, choice: fleet.Choice) -> str:
    """The ids that a filter over the catalogue chooses now, one a line. Raises ``TooMany``."""
    return _lines(fleet.select(application, choice))


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


def of_task(task: Task, outcomes: Iterable[str]) -> str:
    """The ids of a task's devices with one of ``outcomes``. Raises ``rerun.NotOffered`` and ``TooMany``."""
    outcomes = set(outcomes)
    others = [outcome for outcome in Outcome if outcome in outcomes]
    if EVERY in outcomes and task.target_type == TargetType.DEVICE_LIST:
        return "\n".join(dict.fromkeys(json.loads(task.request_body)["param"]["deviceList"]))
    if task.results_pruned_at:
        raise rerun.NotOffered(rerun.PRUNED)
    results = task.results.filter(unexpected=False).order_by()
    if EVERY in outcomes:
        return _lines(results)
    if Outcome.NOT_DISPATCHED in outcomes:
        return "\n".join(rerun.devices_with(task, others))
    found = results.filter(status="SUCCESSFUL") if SUCCESSFUL in outcomes else results.none()
    return _lines(found | rerun.results_with(task, others) if others else found)


def has_values(devices: DeviceList) -> bool:
    """Does each of them come with values of its own?"""
    return ValueTable.objects.filter(pk=devices.pk).exists()


def keep_values(whole: DeviceList, part: DeviceList) -> None:
    """Give ``part``, some of the devices of ``whole`` in their order, the values that they have there, if any."""
    table = ValueTable.of(whole)
    if table is None:
        return
    stays, at, left = marks(whole.text, part.text), 0, []
    for values, devices in table.sets:
        if staying := stays[at : at + devices].count(1):
            left.append([values, staying])
        at += devices
    gone = frozenset(chain.from_iterable(pieces(combine(Operation.WITHOUT, whole.text, part.text))))
    ValueTable.objects.create(
        devices=part,
        columns=table.columns,
        unused=table.unused,
        sets=left,
        checked_for=table.checked_for,
        text=value_rows.without(table.text, gone),
    )


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
        earlier = held.newest.devices.text if held.version else ""
        added = combine(Operation.WITHOUT, devices.text, earlier)
        removed = combine(Operation.WITHOUT, earlier, devices.text)
        if held.version and not added and not removed:
            raise NotSaved("The list has exactly these devices already.")
        named.version = held.version + 1
        named.count, named.changed_at, named.changed_by = devices.count, timezone.now(), author
        named.save(update_fields=["version", "count", "changed_at", "changed_by"])
        copy = DeviceList.objects.create(
            author=author,
            source=f"the list {named.name}, version {named.version}",
            count=devices.count,
            query=devices.query,
            first=devices.first_ids,
            text=devices.text,
        )
        return named.versions.create(
            number=named.version,
            devices=copy,
            origin=(origin or devices.source or "pasted")[:300],
            added=count(added),
            removed=count(removed),
            changes={"added": _first(added), "removed": _first(removed)},
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


def _first(ids: str) -> list[str]:
    return ids.split("\n", SHOWN_CHANGES)[:SHOWN_CHANGES] if ids else []


def _lines(rows: QuerySet[Any]) -> str:
    """The device ids of these rows, in their order, made one text by the database. Raises ``TooMany``."""
    try:
        sql, params = rows.values("device_id")[: settings.MOST_DEVICES + 1].query.sql_with_params()
    except EmptyResultSet:
        return ""
    join = (
        "group_concat(device_id, char(10))"
        if connection.vendor == "sqlite"
        else "string_agg(device_id, chr(10))"
    )
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*), {join} FROM ({sql}) AS found", params)  # noqa: S608
        found, ids = cursor.fetchone()
    if found > settings.MOST_DEVICES:
        raise TooMany
    return ids or ""


def _none(count: int, words: str) -> str:
    return "" if count else f"No device is {words}."
