"""Find devices of a catalogue by several filters, at a cost that does not grow with the fleet.

One filter alone is answered from its own index. Of several, the devices that pass the rarest one are looked at for
the others, so many at a time, and the page says when there are more to look at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from dashboard.paging import MOST_COUNTED, Page, number
from tasks.fleet import Choice, Search, search
from tasks.models import Application, Device

REACH = 25_000
"""Devices that one page looks at, at the most."""

Ids = QuerySet[Any] | list[int]

COSTLY_REACH = 2_500
"""The same where the newest result of each has to be found."""


@dataclass(frozen=True)
class Found(Page):
    """``count`` is known on the first page at most. ``looked_at`` devices were not all when it is set."""

    count: int | None = None
    looked_at: int | None = None

    @property
    def is_more_than_counted(self) -> bool:
        return self.count is not None and self.count > MOST_COUNTED


def find(application: Application, choice: Choice, asked: Mapping[str, str], size: int) -> Found:
    """The page of devices, by id, that ``asked`` (``before`` or ``after``) names; a wrong id gives the first one."""
    found = search(application, choice)
    before, after = number(asked.get("before")), number(asked.get("after"))
    backwards = after is not None
    start = after if backwards else before
    reach = size + 1 if found.is_whole else COSTLY_REACH if found.is_costly else REACH
    ids = found.ids(reach + 1, start, backwards=backwards)
    passing = found.among(ids[:reach])
    rows = list((passing.reverse() if backwards else passing)[: size + 1])
    there_is_more = len(rows) > size
    edge = None if found.is_whole else _edge(ids, reach)
    onward = rows[size - 1].pk if there_is_more else edge
    looked_at = reach if edge and not there_is_more else None
    shown = rows[:size]
    if after is not None:
        return Found(
            shown[::-1], shown[0].pk if shown else after - 1, onward, onward is None, looked_at=looked_at
        )
    back = None if start is None else shown[0].pk if shown else start + 1
    count = _count(found, passing, rows, edge, there_is_more=there_is_more) if start is None else None
    return Found(shown, onward, back, start is None, count, looked_at)


def _edge(ids: Ids, reach: int) -> int | None:
    """The last device that is looked at, when there are others behind it."""
    last = list(ids[reach - 1 : reach + 1])
    return last[0] if len(last) == 2 else None


def _count(
    found: Search, passing: QuerySet[Device], rows: list[Device], edge: int | None, *, there_is_more: bool
) -> int | None:
    if found.is_whole:
        return found.count(MOST_COUNTED + 1)
    if edge is not None:
        return None
    if not there_is_more:
        return len(rows)
    return None if found.is_costly else passing.count()
