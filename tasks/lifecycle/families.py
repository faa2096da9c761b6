"""What one request asks for may be several tasks that belong together: composed and cancelled as one."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from tasks.models import Application, Family, Task
from tasks.platform import wire
from tasks.platform.wire import Problem
from tasks.states import State
from tasks.targets import TargetType

from .cancel import cancel
from .compose import Invalid, check, compose
from .lineage import AlreadyRerun, Lineage
from .values import MOST_SETS, ValueSet, with_values

MOST_TASKS = MOST_SETS
TOGETHER = 100
"""Tasks that are cancelled in one transaction: others want the write lock meanwhile."""


@dataclasses.dataclass(frozen=True)
class Part:
    """One task of a family to be: its request, the devices it reruns, and other keywords of ``compose``."""

    application: Application
    request: Mapping[str, Any]
    rerun: Lineage | None
    others: Mapping[str, Any]


def compose_family(
    application: Application,
    author: User,
    request: Mapping[str, Any],
    *,
    sets: Sequence[ValueSet] = (),
    rerun: Lineage | None = None,
    key: uuid.UUID | None = None,
    **others: Any,
) -> list[Task]:
    """The tasks that ``request`` becomes: one, or a family of several; all of them or none.

    There is one for every ``settings.FAMILY_DEVICES`` devices of its list, and for every set of values, whose devices
    take the place of the list. ``others`` are keywords of ``compose``. Raises what ``compose`` raises.
    """
    problems = []
    if sets and isinstance(request.get("param"), Mapping):
        if request["param"].get("type") != TargetType.DEVICE_LIST:
            problems.append(Problem("param.type", "must be DeviceList where values differ by device"))
        listed = {"deviceList": [device for each in sets for device in each.devices]}
        request = {**request, "param": request["param"] | listed}
    if problems := problems or check(application, request):
        raise Invalid(problems)
    parts = [Part(application, each, rerun, others) for each in requests_of(request, sets)]
    return compose_parts(author, parts, name=request["taskName"], key=key)


def compose_parts(
    author: User, parts: Sequence[Part], *, name: str, key: uuid.UUID | None = None
) -> list[Task]:
    """Queue all parts or none. The first one has ``key`` itself; the others' keys follow from it."""
    if key and (first := sent_under(key, author)):
        return first
    family = None
    try:
        with transaction.atomic():
            if len(parts) > 1 and not any(part.rerun for part in parts):
                family = Family.objects.create(name=name, author=author)
            tasks: list[Task] = []
            for number, part in enumerate(parts, 1):
                own = _key(key, number) if number > 1 else None
                tasks.append(compose(
                    part.application, author, part.request, rerun=_known(part, parts[: number - 1]), family=family,
                    key=own, **part.others,
                ))  # fmt: skip
                if number == 1 and key:
                    # Fails where the key was used meanwhile; compose would hand over the task that has it.
                    Task.objects.filter(pk=tasks[0].pk).update(compose_key=key)
    except (IntegrityError, AlreadyRerun):
        if key and (first := sent_under(key, author)):
            return first
        raise
    return tasks


def _known(part: Part, earlier: Sequence[Part]) -> Lineage | None:
    """The part's lineage; a rerun that is newer than its author knows is a sibling where parts share a parent."""
    lineage = part.rerun
    if lineage and any(other.rerun and other.rerun.parent == lineage.parent for other in earlier):
        return dataclasses.replace(lineage, known=None)
    return lineage


def sent_under(key: uuid.UUID, author: User) -> list[Task]:
    """The task that was composed under this key, and the next one of several; [] when there is none."""
    tasks = Task.objects.filter(compose_key__in=[key, _key(key, 2)], author=author)
    return list(tasks.select_related("family").order_by("pk"))


def page_of(tasks: Sequence[Task]) -> Task | Family:
    """Where what was composed is shown: the only task, or the family."""
    family = tasks[0].family if len(tasks) > 1 else None
    return family or tasks[0]


def requests_of(request: Mapping[str, Any], sets: Sequence[ValueSet] = ()) -> list[Mapping[str, Any]]:
    """The create requests that ``request`` becomes, in their order, each under a name of its own."""
    shares = list(_shares(request, sets))
    if len(shares) > MOST_TASKS:
        words = f"would become {len(shares):,} tasks; at most {MOST_TASKS:,} can be composed at once"
        raise Invalid([Problem("param.deviceList" if "deviceList" in request["param"] else "", words)])
    if len(shares) == 1 and not sets:
        return [request]
    named = [
        {"taskName": numbered(request["taskName"], number, len(shares)), "param": request["param"] | share}
        for number, share in enumerate(shares, 1)
    ]
    return [{**request, **each} for each in named]


def numbered(name: str, number: int, count: int) -> str:
    """``name (2 of 7)``; of a name that is too long the middle goes, for its end may be what makes it unique."""
    ending = f" ({number} of {count})" if count > 1 else ""
    if len(name) + len(ending) > wire.NAME_MAX:
        kept = wire.NAME_MAX - len(ending) - 1
        name = f"{name[: kept - kept // 3]}…{name[-(kept // 3) :]}"
    return name + ending


def task_count(devices: int) -> int:
    """How many tasks a list of so many devices becomes."""
    return max(-(-devices // settings.FAMILY_DEVICES), 1)


def cancel_family(family: Family, actor: User) -> tuple[int, int]:
    """Cancel each task of the family that was not sent yet: how many those were, and how many go on."""
    cancelled = 0
    last = 0
    queued = Task.objects.filter(family=family, state=State.QUEUED).order_by("pk")
    while some := list(queued.filter(pk__gt=last)[:TOGETHER]):
        last = some[-1].pk
        with transaction.atomic():
            cancelled += sum(cancel(task, actor) for task in some)
    return cancelled, family.tasks.filter(state__in=UNDERWAY).count()


UNDERWAY = (State.QUEUED, State.SUBMITTING, State.RUNNING, State.UNCONFIRMED)


def _shares(request: Mapping[str, Any], sets: Sequence[ValueSet]) -> Iterator[dict[str, Any]]:
    """The members of ``param`` that differ from task to task."""
    param = request["param"]
    if sets:
        command = param["command"]
        for each in sets:
            paras = with_values(command.get("paras"), each.values)
            for devices in _slices(each.devices):
                others = {name: value for name, value in command.items() if name != "paras"}
                yield {"deviceList": devices, "command": others | ({"paras": paras} if paras else {})}
    elif "deviceList" in param:
        ids = param["deviceList"]
        if len(ids) > settings.FAMILY_DEVICES:
            ids = list(dict.fromkeys(ids))
        for devices in _slices(ids):
            yield {"deviceList": devices}
    else:
        yield {}


def _slices(ids: Sequence[str]) -> Iterator[list[str]]:
    for start in range(0, len(ids), settings.FAMILY_DEVICES):
        yield list(ids[start : start + settings.FAMILY_DEVICES])


def _key(key: uuid.UUID | None, number: int) -> uuid.UUID | None:
    return key and uuid.uuid5(key, str(number))
