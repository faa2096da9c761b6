"""What becomes of the devices at hand when others are added to them, taken away, or take their place."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User

from tasks import lists, sets
from tasks.lifecycle import NotOffered
from tasks.models import DeviceList
from tasks.sets import Operation, TooMany

from .offers import Offer

WORDS: dict[Operation, str] = {
    Operation.ADD: "Add them",
    Operation.WITHOUT: "Take them away",
    Operation.BOTH: "Keep only those in both",
    Operation.OTHERS: "Only them, without those above",
    Operation.INSTEAD: "Use them instead",
}

STEPS: dict[Operation, str] = {
    Operation.ADD: "with {words}",
    Operation.WITHOUT: "without {words}",
    Operation.BOTH: "only those also in {words}",
    Operation.OTHERS: "taken away from {words}",
}

PARTS = frozenset({Operation.WITHOUT, Operation.BOTH})
"""What leaves some of the devices at hand, and no others."""

KEEP_VALUES = PARTS | {Operation.INSTEAD}
"""What is offered for devices that have values of their own: others than those at hand would have none."""


class Refused(Exception):
    """It cannot be done; the message says why."""


def counted(kept: DeviceList, offer: Offer) -> list[tuple[Operation, int, str]]:
    """Operation, how many devices it would give, and the words of its button; raises ``Refused``."""
    try:
        counts = sets.numbers(kept.text, offer.read())
    except (NotOffered, TooMany) as refusal:
        raise Refused(str(refusal)) from refusal
    offered = KEEP_VALUES if lists.has_values(kept) else WORDS
    return [
        (operation, counts[operation], words) for operation, words in WORDS.items() if operation in offered
    ]


def carried_out(operation: Operation, kept: DeviceList | None, offer: Offer, user: User) -> DeviceList:
    """The list that it gives, with the way back; raises ``Refused``."""
    is_new = kept is None or operation == Operation.INSTEAD
    if is_new and offer.kept is not None:
        return offer.kept
    try:
        ids = sets.combine(operation, kept.text if kept else "", offer.read())
    except (NotOffered, TooMany) as refusal:
        raise Refused(str(refusal)) from refusal
    if not ids:
        raise Refused("No device would be left." if kept else "There is no such device now.")
    if kept is None or is_new:
        before = kept.pk if kept else None
        return made(ids, user, source=offer.words[:300], before=before, **offer.marks)
    words = STEPS[operation].format(words=offer.words)
    return step(kept, ids, user, words, is_part=operation in PARTS)


def made(ids: str, author: User, **columns: Any) -> DeviceList:
    """A list of these ids, one a line, as the form carries it."""
    kept = DeviceList.of_text(author, ids, **columns)
    kept.save()
    return kept


def step(kept: DeviceList, ids: str, author: User, words: str, *, is_part: bool) -> DeviceList:
    """What is made of a list, with the way back. A part of a rerun's devices is its rerun, and keeps its values."""
    stepped = _stepped(kept, ids, author, words, is_part=is_part)
    if is_part:
        lists.keep_values(kept, stepped)
    return stepped


def without_values(kept: DeviceList, author: User) -> DeviceList:
    """The same devices with the way back, each of which gets what all get."""
    return _stepped(kept, kept.text, author, "without values of their own", is_part=True)


def _stepped(kept: DeviceList, ids: str, author: User, words: str, *, is_part: bool) -> DeviceList:
    names = ("rerun_of", "rerun_outcomes", "rerun_filter")
    lineage = {name: getattr(kept, name) for name in names} if is_part else {}
    return made(ids, author, source=kept.source, before=kept.pk, step=words[:300], **lineage)
