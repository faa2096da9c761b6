"""A page of many rows whose filter no index serves whole: look at so many rows a page, say so, and go on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

from django.db.models import Q, QuerySet

LOOKED_AT = 10_000
"""Rows that one page looks at, at most, for a condition that no index serves."""

COUNTED = 10_000
"""Rows beyond which a count says "more than"."""

Key = tuple[Any, ...]


@dataclass(frozen=True)
class Search:
    """What is looked for. ``parts`` share no row; an index serves each in the order of ``order``, unique in all.

    ``checks`` are the conditions that no index serves; empty when there are none. ``since`` is the first key that
    counts and ``until`` the first that no longer does; they stand apart because databases use one bound at each end.
    """

    parts: Sequence[QuerySet[Any]]
    checks: Q
    order: tuple[str, ...] = ("id",)
    since: Key | None = None
    until: Key | None = None

    def capped_count(self) -> int:
        """How many rows the index serves; more than ``COUNTED`` of them are ``COUNTED + 1``."""
        bounds = _bounds(self.order, [("gte", self.since), ("lt", self.until)])
        count = 0
        for part in self.parts:
            if count <= COUNTED:
                count += part.filter(bounds).order_by()[: COUNTED + 1 - count].count()
        return count


@dataclass(frozen=True)
class Window:
    """``after`` is the id to go on from, None at the end; ``looked_at`` is set where the search was broken off."""

    rows: list[Any]
    after: int | None
    looked_at: int | None
    is_first: bool

    @property
    def is_whole(self) -> bool:
        """Nothing is before or after these rows."""
        return self.is_first and self.after is None


def window(search: Search, asked: Mapping[str, str], size: int) -> Window:
    """The rows that follow the one whose id is ``?after=``; a wrong id gives the first ones."""
    start = _key(search, asked.get("after"))
    if start and search.since:
        start = max(start, search.since)
    lower = ("gt", start) if start else ("gte", search.since)
    upper: tuple[str, Key | None] = ("lt", search.until)
    after = None
    if search.checks:
        to_look_at = _together(search, _bounds(search.order, [lower, upper]), only_keys=True)
        if last := to_look_at[LOOKED_AT - 1 : LOOKED_AT].first():
            after, upper = last[0], ("lte", last[-len(search.order) :])
    rows = list(_together(search, _bounds(search.order, [lower, upper]) & search.checks)[: size + 1])
    if len(rows) > size:
        return Window(rows[:size], rows[size - 1].pk, None, start is None)
    return Window(rows, after, LOOKED_AT if after else None, start is None)


def _together(search: Search, which: Q, *, only_keys: bool = False) -> QuerySet[Any]:
    """All parts in one order, which databases merge without sorting. A row's keys begin with its id."""
    parts = [part.filter(which).order_by() for part in search.parts]
    if only_keys:
        parts = [part.values_list(*dict.fromkeys(("id", *search.order))) for part in parts]
    return reduce(lambda one, other: one.union(other, all=True), parts).order_by(*search.order)


def _key(search: Search, after: str | None) -> Key | None:
    if not (after and after.isascii() and after.isdecimal() and len(after) < 19):
        return None
    return search.parts[0].model.objects.filter(pk=after).values_list(*search.order).first()


def _bounds(order: tuple[str, ...], bounds: Iterable[tuple[str, Key | None]]) -> Q:
    return reduce(Q.__and__, (_side(than, order, key) for than, key in bounds if key is not None), Q())


def _side(than: str, order: tuple[str, ...], key: Key) -> Q:
    """Rows on one side of ``key``; the first column is bounded on its own, which is what an index needs."""
    if len(order) == 1:
        return Q(**{f"{order[0]}__{than}": key[0]})
    first, *others = order
    strictly = than.removesuffix("e")
    rest = Q(**{first: key[0]}) & _side(than, tuple(others), key[1:])
    return Q(**{f"{first}__{strictly}e": key[0]}) & (Q(**{f"{first}__{strictly}": key[0]}) | rest)
