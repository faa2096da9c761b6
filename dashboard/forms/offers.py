"""Devices that can be taken: pasted, or of a saved list, a filter over the catalogue, what came of a task."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils import timezone

from tasks import fleet, lists
from tasks.models import Application, DeviceList, NamedList, Task


@dataclass(frozen=True)
class Offer:
    """``words`` say which devices, ``read`` gives their ids, one a line; ``marks`` are kept with what comes of them."""

    words: str
    count: int
    read: Callable[[], str]
    marks: Mapping[str, Any] = field(default_factory=dict)
    kept: DeviceList | None = None


def of_pasted(kept: DeviceList) -> Offer | None:
    """What was pasted or uploaded, without what cannot be used."""
    if not kept.is_usable:
        return None
    return _of_kept(kept, kept.source or "what was pasted")


def of_list(found: NamedList) -> Offer:
    """The newest version as it is: nothing is copied."""
    kept = found.newest.devices
    return _of_kept(kept, kept.source)


def _of_kept(kept: DeviceList, words: str) -> Offer:
    """Its ids are read only when they are asked for."""
    return Offer(words, kept.count, lambda: DeviceList.objects.get(pk=kept.pk).text, kept=kept)


def of_catalogue(application: Application, choice: fleet.Choice, query: str) -> Offer | None:
    """What the filter chooses now; None without one. ``query`` is how the form asks for it again."""
    if not choice:
        return None
    count = fleet.select(application, choice).order_by()[: lists.most() + 1].count()
    words = f"the catalogue as of {timezone.now():%Y-%m-%d %H:%M} UTC: {choice_words(application, choice)}"
    return Offer(words, count, lambda: lists.chosen(application, choice), {"query": query})


def of_task(task: Task, outcomes: Sequence[str]) -> Offer | None:
    """The devices that came to one of these outcomes, as far as they may be asked for."""
    asked = [each for each in lists.asked_of(task) if each.outcome in outcomes and not each.refusal]
    if not asked:
        return None
    named = [each.outcome for each in asked]
    every = next((each.count for each in asked if each.outcome == lists.EVERY), None)
    count = sum(each.count for each in asked) if every is None else every
    marks: dict[str, Any] = {}
    if not {lists.EVERY, lists.SUCCESSFUL} & set(named):
        marks = {"rerun_of": task, "rerun_outcomes": named}
    words = f"task #{task.pk}: {', '.join(each.words for each in asked)}"
    return Offer(words, count, lambda: lists.of_task(task, named), marks)


def kind_key(kind: fleet.Kind) -> str:
    return json.dumps([kind.device_type, kind.manufacturer_id, kind.model], ensure_ascii=False)


def kind_words(kind: fleet.Kind) -> str:
    return f"{kind.device_type} · {kind.manufacturer_id} · {kind.model} ({kind.count:,})"


def kind_of(key: str) -> dict[str, str]:
    """The three members that a kind's key stands for; nothing of what is none."""
    try:
        kind = json.loads(key) if key else None
    except ValueError:
        return {}
    if not (isinstance(kind, list) and len(kind) == 3 and all(isinstance(each, str) for each in kind)):
        return {}
    return dict(zip(("device_type", "manufacturer_id", "model"), kind, strict=True))


def choice_words(application: Application, choice: fleet.Choice) -> str:
    """The choice as one would say it."""
    group = fleet.group_of(application, choice.group) if choice.group else None
    said = (
        (choice.text, f"“{choice.text}”"),
        (choice.device_type, " · ".join((choice.device_type, choice.manufacturer_id, choice.model))),
        (choice.status, choice.status),
        (choice.location, f"at {choice.location}"),
        (choice.group, f"in the group {group.name if group else choice.group}"),
        (
            choice.outcome,
            f"last command {fleet.WORDS[fleet.LastOutcome(choice.outcome)]}" if choice.outcome else "",
        ),
    )
    return ", ".join(words for given, words in said if given)
