"""Where a rerun comes from: which devices of which task, and whether somebody was first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from tasks.models import Family, Origin, Task


class Outcome(StrEnum):
    """What became of a device, as an operator chooses it."""

    FAILED = "failed"
    TIMED_OUT = "timed-out"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    NO_ANSWER = "no-answer"
    NOT_DISPATCHED = "not-dispatched"


WORDS: dict[Outcome, str] = {
    Outcome.FAILED: "failed",
    Outcome.TIMED_OUT: "timed out",
    Outcome.EXPIRED: "expired",
    Outcome.CANCELLED: "cancelled",
    Outcome.NO_ANSWER: "without an answer",
    Outcome.NOT_DISPATCHED: "not dispatched",
}

MANY = 20
"""Reruns of one task that are looked at."""

NAMED = 3
"""Parents that are named in a sentence."""


class AlreadyRerun(Exception):
    """Somebody has composed a rerun for the same devices since its author looked; nothing was composed."""


@dataclass(frozen=True)
class Lineage:
    """The devices of ``parents`` that came to ``outcomes``, or that ``filter`` (a query string) showed.

    ``devices`` says of which parent each of several parents' devices is. ``known`` is the newest rerun that the author
    knows of, 0 where there was none, None to go on whatever there is.
    """

    parents: tuple[Task, ...]
    outcomes: tuple[str, ...] = ()
    filter: str = ""
    known: int | None = None
    devices: Mapping[str, Task] = field(default_factory=dict)

    @property
    def words(self) -> str:
        return words_of(self.outcomes)

    @property
    def numbers(self) -> str:
        """``#3, #5 and 7 more``."""
        shown = ", ".join(f"#{parent.pk}" for parent in self.parents[:NAMED])
        more = len(self.parents) - NAMED
        return f"{shown} and {more:,} more" if more > 0 else shown

    def origins_of(self, devices: Sequence[str]) -> dict[int, int]:
        """Parent -> how many of these devices are its own."""
        if len(self.parents) == 1:
            return {self.parents[0].pk: len(devices)}
        return Counter(self.devices[device].pk for device in devices)

    def earlier(self) -> list[Task]:
        """Reruns of the parents that may have commanded some of these devices already, newest first."""
        origins = Origin.objects.filter(parent__in=self.parents).order_by()
        reruns = Task.objects.filter(pk__in=origins.values("task")).select_related("author").order_by("-id")
        return [rerun for rerun in reruns[:MANY] if self._overlaps(rerun)]

    def confirm(self) -> Family:
        """Hold the parents and look for reruns that are not known; the family that the rerun belongs to.

        Call in the transaction that adds this one.
        """
        held = Task.objects.select_for_update().filter(pk__in=[parent.pk for parent in self.parents])
        rows = list(held.order_by("pk").values_list("family", "name", "author"))
        if self.known is not None and any(rerun.pk > self.known for rerun in self.earlier()):
            raise AlreadyRerun
        known = next((family for family, *_ in rows if family), None)
        name, author = rows[0][1:]
        family = Family.objects.get(pk=known) if known else Family.objects.create(name=name, author_id=author)
        held.filter(family=None).update(family=family)
        return family

    def _overlaps(self, rerun: Task) -> bool:
        by_outcome = bool(rerun.rerun_outcomes and self.outcomes)
        return not by_outcome or not set(rerun.rerun_outcomes).isdisjoint(self.outcomes)


def words_of(outcomes: Iterable[str]) -> str:
    """``devices: failed, timed out``; without outcomes a filter chose them."""
    known = [WORDS[Outcome(outcome)] for outcome in outcomes if outcome in set(Outcome)]
    return f"devices: {', '.join(known)}" if known else "devices shown by a filter"
