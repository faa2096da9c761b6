"""Where a rerun comes from: which devices of which task, and whether somebody was first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from tasks.models import Family, Task


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


class AlreadyRerun(Exception):
    """Somebody has composed a rerun for the same devices since its author looked; nothing was composed."""


@dataclass(frozen=True)
class Lineage:
    """The devices of ``parent`` that came to ``outcomes``, or that ``filter`` (a query string) showed.

    ``known`` is the newest rerun that the author knows of, 0 where there was none, None to go on whatever there is.
    """

    parent: Task
    outcomes: tuple[str, ...] = ()
    filter: str = ""
    known: int | None = None

    @property
    def words(self) -> str:
        return words_of(self.outcomes)

    def earlier(self) -> list[Task]:
        """Reruns of the parent that may have commanded some of these devices already, newest first."""
        reruns = self.parent.reruns.select_related("author").order_by("-id")[:MANY]
        return [rerun for rerun in reruns if self._overlaps(rerun)]

    def confirm(self) -> Family:
        """Hold the parent and look for reruns that are not known; the family that the rerun belongs to.

        Call in the transaction that adds this one.
        """
        held = Task.objects.select_for_update().only("name", "author_id", "family_id").get(pk=self.parent.pk)
        if self.known is not None and any(rerun.pk > self.known for rerun in self.earlier()):
            raise AlreadyRerun
        if held.family_id is None:
            family = Family.objects.create(name=held.name, author_id=held.author_id)
            Task.objects.filter(pk=held.pk).update(family=family)
            return family
        return Family.objects.get(pk=held.family_id)

    def _overlaps(self, rerun: Task) -> bool:
        by_outcome = bool(rerun.rerun_outcomes and self.outcomes)
        return not by_outcome or not set(rerun.rerun_outcomes).isdisjoint(self.outcomes)


def words_of(outcomes: Iterable[str]) -> str:
    """``devices: failed, timed out``; without outcomes a filter chose them."""
    known = [WORDS[Outcome(outcome)] for outcome in outcomes if outcome in set(Outcome)]
    return f"devices: {', '.join(known)}" if known else "devices shown by a filter"
