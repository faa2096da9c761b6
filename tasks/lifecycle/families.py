"""What one request asks for may be several tasks that belong together: composed and cancelled as one."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from tasks.models import Application, DeviceList, Family, Profile, Task, TemplateVersion
from tasks.platform import wire
from tasks.platform.wire import Problem
from tasks.states import State
from tasks.targets import TargetType

from .cancel import cancel
from .compose import Invalid, check, compose, unfit
from .lineage import AlreadyRerun, Lineage
from .values import MOST_SETS, ValueSet, with_values

MOST_TASKS = MOST_SETS
TOGETHER = 100
"""Tasks that are cancelled in one transaction: others want the write lock meanwhile."""


@dataclasses.dataclass(frozen=True)
class Proposal:
    """What somebody asks for, through whichever door.

    ``request`` is a create request of the API page without ``appId`` and ``callbackUrl``. The devices of ``sets`` take
    the place of its list. ``kept`` is that list where it is kept on the server.
    """

    application: Application
    request: Mapping[str, Any]
    sets: Sequence[ValueSet] = ()
    callback: bool = True
    profile: Profile | None = None
    priority: int = 0
    copied_from: Task | None = None
    rerun: Lineage | None = None
    template: TemplateVersion | None = None
    kept: DeviceList | None = None

    @property
    def whole(self) -> Mapping[str, Any]:
        """The request with all devices in its list."""
        param = self.request.get("param") if isinstance(self.request, Mapping) else None
        if not self.sets or not isinstance(param, Mapping):
            return self.request
        devices = [device for each in self.sets for device in each.devices]
        return {**self.request, "param": {**param, "deviceList": devices}}

    @property
    def parts(self) -> list[Mapping[str, Any]]:
        """The create requests that it becomes, in their order."""
        return requests_of(self.request, self.sets)


def check_all(proposals: Sequence[Proposal]) -> None:
    """Raises ``Invalid`` with every reason why one of them cannot be sent."""
    if problems := list(dict.fromkeys(chain.from_iterable(map(_problems_of, proposals)))):
        raise Invalid(problems)
    tasks = sum(map(tasks_of, proposals))
    if tasks > MOST_TASKS:
        words = f"would become {tasks:,} tasks; at most {MOST_TASKS:,} can be composed at once"
        raise Invalid([Problem("param.deviceList", words)])


def _problems_of(proposal: Proposal) -> Iterable[Problem]:
    request, profile = proposal.whole, proposal.profile
    if not proposal.sets:
        return check(proposal.application, request, profile)
    param = request.get("param") if isinstance(request, Mapping) else None
    if isinstance(param, Mapping) and param.get("type") != TargetType.DEVICE_LIST:
        return [Problem("param.type", "must be DeviceList where values differ by device")]
    problems = check(proposal.application, request)
    if profile and not problems:
        problems = [found for each in proposal.sets for found in unfit(profile, _command(request, each))]
    return problems


def tasks_of(proposal: Proposal) -> int:
    """How many tasks it becomes."""
    if proposal.sets:
        return sum(task_count(len(each.devices)) for each in proposal.sets)
    return task_count(len(set(proposal.request["param"].get("deviceList", ()))))


def compose_family(
    author: User, proposals: Sequence[Proposal], *, key: uuid.UUID | None = None
) -> list[Task]:
    """Queue the tasks that the proposals become, all or none: one, or a family of several.

    There is one for every ``settings.FAMILY_DEVICES`` devices of a list, and for every set of values, whose devices
    take the place of the list. The first one has ``key`` itself; the others' keys follow from it, so that the same key
    gives the same tasks. Raises what ``compose`` raises.
    """
    if key and (first := sent_under(key, author)):
        return first
    check_all(proposals)
    parts = [(proposal, request) for proposal in proposals for request in proposal.parts]
    try:
        with transaction.atomic():
            family = _family_of(author, proposals, len(parts))
            tasks: list[Task] = []
            for number, (proposal, request) in enumerate(parts, 1):
                tasks.append(compose(
                    proposal.application, author, request, callback=proposal.callback, profile=proposal.profile,
                    priority=proposal.priority, copied_from=proposal.copied_from, rerun=proposal.rerun,
                    template=proposal.template, family=family, key=_key(key, number) if number > 1 else None,
                ))  # fmt: skip
            if key:
                # Fails where the key was used meanwhile; compose would hand over the task that has it.
                Task.objects.filter(pk=tasks[0].pk).update(compose_key=key)
    except (IntegrityError, AlreadyRerun):
        if key and (first := sent_under(key, author)):
            return first
        raise
    return tasks


def _family_of(author: User, proposals: Sequence[Proposal], tasks: int) -> Family | None:
    """A rerun joins the family of its parents, which are held; others begin one when there are several."""
    if lineages := [proposal.rerun for proposal in proposals if proposal.rerun]:
        parents = {parent.pk: parent for lineage in lineages for parent in lineage.parents}
        return dataclasses.replace(lineages[0], parents=tuple(parents.values())).confirm()
    name = proposals[0].request["taskName"]
    return Family.objects.create(name=name, author=author) if tasks > 1 else None


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
    if sets:
        for each in sets:
            command = _command(request, each)
            for devices in _slices(each.devices):
                yield {"deviceList": devices, "command": command}
    elif "deviceList" in request["param"]:
        ids = request["param"]["deviceList"]
        if len(ids) > settings.FAMILY_DEVICES:
            ids = list(dict.fromkeys(ids))
        for devices in _slices(ids):
            yield {"deviceList": devices}
    else:
        yield {}


def _command(request: Mapping[str, Any], values: ValueSet) -> dict[str, Any]:
    """The request's command with these values."""
    command = dict(request["param"]["command"])
    paras = with_values(command.pop("paras", None), values.values)
    return command | ({"paras": paras} if paras else {})


def _slices(ids: Sequence[str]) -> Iterator[list[str]]:
    for start in range(0, len(ids), settings.FAMILY_DEVICES):
        yield list(ids[start : start + settings.FAMILY_DEVICES])


def _key(key: uuid.UUID | None, number: int) -> uuid.UUID | None:
    return key and uuid.uuid5(key, str(number))
