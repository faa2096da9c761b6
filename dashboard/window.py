"""A page of many rows whose filter no index serves whole: look at so many rows a page, say so, and go on."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from django.db import connection
from django.db.models import Q, QuerySet
from django.db.models.fields.tuple_lookups import (
    Tuple,
    TupleGreaterThan,
    TupleGreaterThanOrEqual,
    TupleLessThan,
    TupleLessThanOrEqual,
)

LOOKED_AT = 10_000
"""Rows that one page looks at, at most, for a condition that no index serves."""

COUNTED = 10_000
"""Rows beyond which a count says "more than"."""

Key = tuple[Any, ...]
Bound = tuple[str, Key]
"""A comparison (gt, gte, lt or lte) and what is compared with."""

COMPARED = {
    "gt": TupleGreaterThan,
    "gte": TupleGreaterThanOrEqual,
    "lt": TupleLessThan,
    "lte": TupleLessThanOrEqual,
}


@dataclass(frozen=True)
class Part:
    """Rows that one index serves in order: it begins with ``columns``, which in all of them have ``values``."""

    rows: QuerySet[Any]
    columns: tuple[str, ...] = ()
    values: Key = ()

    def between(self, order: tuple[str, ...], lower: Bound, upper: Bound) -> QuerySet[Any]:
        """The rows between two bounds in ``order``.

        Told that a column is constant, PostgreSQL may walk the primary key instead, past millions of rows of other
        tasks; so it is told of a range that holds one value. SQLite wants it the other way round: equal, then a range.
        """
        if connection.vendor == "postgresql":
            columns = (*self.columns, *order)
            bounds = [
                _compared(columns, than, (*self.values, *key))
                & _about(columns, than, (*self.values, *key[:1]))
                for than, key in (lower, upper)
            ]
            return self.rows.filter(*bounds).order_by(*columns)
        equal = {f"{column}__in": [value] for column, value in zip(self.columns, self.values, strict=True)}
        return self.rows.filter(_side(order, *lower), _side(order, *upper), **equal).order_by(*order)


@dataclass(frozen=True)
class Search:
    """What is looked for: ``parts`` share no row, and ``order`` is unique in all of them together.

    ``checks`` are the conditions that no index serves; empty when there are none. ``since`` is where the order
    begins and ``until`` the first key beyond its end.
    """

    parts: Sequence[Part]
    checks: Q
    order: tuple[str, ...] = ("id",)
    since: Key = ()
    until: Key = ()

    @property
    def lower(self) -> Bound:
        return "gte", self.since

    @property
    def upper(self) -> Bound:
        return ("lt", self.until) if self.until else ("lte", ())

    def capped_count(self) -> int:
        """How many rows the index serves; more than ``COUNTED`` of them are ``COUNTED + 1``."""
        count = 0
        for part in self.parts:
            if count <= COUNTED:
                served = part.between(self.order, self.lower, self.upper)
                count += served[: COUNTED + 1 - count].count()
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
    lower: Bound = ("gt", max(start, search.since)) if start else search.lower
    upper, looked_at, after = search.upper, None, None
    if search.checks:
        looked_at, ends, after = _look_ahead(search, lower)
        if ends:
            lower, upper = ("gte", ends[0]), ("lte", ends[1])
    found = [
        part.between(search.order, lower, upper).filter(search.checks)[: size + 1] for part in search.parts
    ]
    rows = sorted(chain.from_iterable(found), key=lambda row: [getattr(row, name) for name in search.order])
    if len(rows) > size:
        return Window(rows[:size], rows[size - 1].pk, None, start is None)
    return Window(rows, after, looked_at if after else None, start is None)


def _look_ahead(search: Search, lower: Bound) -> tuple[int, tuple[Key, Key] | None, int | None]:
    """How many rows one page looks at, the keys of the first and the last of them, and the id to go on from."""
    share = LOOKED_AT // len(search.parts)
    keys = [
        list(part.between(search.order, lower, search.upper).values_list(*search.order, "id")[:share])
        for part in search.parts
    ]
    end = min((part[-1] for part in keys if len(part) == share), default=None)
    found = [part for part in keys if part]
    ends = (
        (min(part[0] for part in found)[:-1], (end or max(part[-1] for part in found))[:-1])
        if found
        else None
    )
    looked_at = sum(bisect_right(part, end) if end else len(part) for part in keys)
    return looked_at, ends, end[-1] if end else None


def _key(search: Search, after: str | None) -> Key | None:
    if not (after and after.isascii() and after.isdecimal() and len(after) < 19):
        return None
    return search.parts[0].rows.model.objects.filter(pk=after).values_list(*search.order).first()


def _compared(columns: tuple[str, ...], than: str, key: Key) -> Q:
    """Rows on one side of ``key``, which may be shorter than ``columns``: compared as a whole, as an index has them."""
    if len(key) > 1:
        return Q(COMPARED[than](Tuple(*columns[: len(key)]), key))
    return Q(**{f"{columns[0]}__{than}": key[0]}) if key else Q()


def _about(columns: tuple[str, ...], than: str, key: Key) -> Q:
    """What follows from the above, column by column: of a comparison of rows PostgreSQL knows no better than that a
    third of the table passes, and reads all of it."""
    within = than.removesuffix("e") + "e"
    return Q(**{f"{column}__{within}": value for column, value in zip(columns, key, strict=False)})


def _side(columns: tuple[str, ...], than: str, key: Key) -> Q:
    """The same spelled out; the first column is bounded on its own, which is what an index needs."""
    if len(key) < 2:
        return Q(**{f"{columns[0]}__{than}": key[0]}) if key else Q()
    first, strictly = columns[0], than.removesuffix("e")
    rest = Q(**{first: key[0]}) & _side(columns[1:], than, key[1:])
    return Q(**{f"{first}__{strictly}e": key[0]}) & (Q(**{f"{first}__{strictly}": key[0]}) | rest)
