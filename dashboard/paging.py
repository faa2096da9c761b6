"""Keyset paging: a page costs the same wherever it is, and nothing is counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

MOST_COUNTED = 10_000
"""Of more rows than these a page says only that they are more."""


@dataclass(frozen=True)
class Page:
    """``before`` and ``after`` are the ids to ask for in ``?before=`` and ``?after=``; None where there is no more."""

    rows: list[Any]
    before: int | None
    after: int | None
    is_first: bool


def keyset(rows: QuerySet[Any], asked: Mapping[str, str], size: int) -> Page:
    """The page of ``rows`` (ordered by id, either way) that ``asked`` names; a wrong id gives the first one."""
    descending = str(rows.query.order_by[0]).startswith("-")
    below, above = ("lt", "gt") if descending else ("gt", "lt")
    before, after = number(asked.get("before")), number(asked.get("after"))
    if after is not None:
        nearest = rows.filter(**{f"id__{above}": after}).reverse()[: size + 1]
        found = list(nearest)
        more_above, more_below = len(found) > size, True
        found = found[:size][::-1]
    else:
        wanted = rows if before is None else rows.filter(**{f"id__{below}": before})
        found = list(wanted[: size + 1])
        more_above, more_below = before is not None, len(found) > size
        found = found[:size]
    return Page(
        rows=found,
        before=found[-1].pk if found and more_below else None,
        after=found[0].pk if found and more_above else None,
        is_first=before is None and not more_above,
    )


def number(text: str | None) -> int | None:
    """An id as a link names it; None for what is none."""
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 19 else None
