"""Findings: what all that was heard of one command amounts to, and how two of them join.

``join`` is commutative, associative and idempotent. So what is kept is a function of the set of what was heard:
its order, its repetition, and how it was cut into batches leave no trace.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from tasks.platform.pushes import FINAL_STATUSES, RANK

CONTRADICTING = 3
"""From this rank on, two different statuses contradict each other."""

SOURCES = {"poll": 0, "push": 1, "": 2}
"""Where a finding is from -> its weight: at one rank, the platform's own list is believed first."""


class Observation(NamedTuple):
    """What one push or one polled detail says of one device."""

    device_id: str
    command_id: str
    status: str
    at: dt.datetime
    source: str
    detail: Any = None
    error_code: str = ""
    error_text: str = ""


class Finding(NamedTuple):
    """``detail`` is JSON; that of a conflict holds what was said with each status, by status. Times are ``naive``."""

    status: str = ""
    source: str = ""
    conflict: bool = False
    detail: str | None = None
    error_code: str = ""
    error_text: str = ""
    sent_at: dt.datetime | None = None
    delivered_at: dt.datetime | None = None
    finished_at: dt.datetime | None = None


def finding(seen: Observation) -> Finding:
    """What one observation amounts to."""
    status, at = seen.status, naive(seen.at)
    return Finding(
        status,
        seen.source,
        detail=None if seen.detail is None else _dumps(seen.detail),
        error_code=seen.error_code,
        error_text=seen.error_text,
        sent_at=at if status == "SENT" else None,
        delivered_at=at if status == "DELIVERED" else None,
        finished_at=at if status in FINAL_STATUSES else None,
    )


def naive(at: dt.datetime | None) -> dt.datetime | None:
    """The time in UTC without saying so, as SQLite keeps it: cheap to read and to compare by the million."""
    return at if at is None or at.tzinfo is None else at.astimezone(dt.UTC).replace(tzinfo=None)


def rank(status: str) -> int:
    """How much a status tells; an unknown one less than any that is known, and none at all the least."""
    return RANK.get(status, -1 if status else -2)


def join(a: Finding, b: Finding) -> Finding:
    """What two findings amount to: the higher rank wins, and each time is the earliest."""
    one, other = rank(a.status), rank(b.status)
    top = _equals(a, b) if one == other else a if one > other else b
    sent_at, delivered_at = _earliest(a.sent_at, b.sent_at), _earliest(a.delivered_at, b.delivered_at)
    if top.sent_at == sent_at and top.delivered_at == delivered_at:
        return top
    return top._replace(sent_at=sent_at, delivered_at=delivered_at)


def _equals(a: Finding, b: Finding) -> Finding:
    """Two of one rank. All but the status and its source is gathered from both, whichever status is believed."""
    first, _ = sorted((a, b), key=lambda each: (SOURCES[each.source], each.status))
    differ = a.status != b.status and rank(a.status) >= CONTRADICTING
    conflict = a.conflict or b.conflict or differ
    code, text = min(
        ((each.error_code, each.error_text) for each in (a, b)),
        key=lambda error: (not error[0], not error[1], error),
    )
    return Finding(
        first.status,
        first.source,
        conflict,
        _both(a, b) if conflict else _lighter(a.detail, b.detail),
        code,
        text,
        first.sent_at,
        first.delivered_at,
        _earliest(a.finished_at, b.finished_at),
    )


def _both(a: Finding, b: Finding) -> str | None:
    details = _by_status(a)
    for status, detail in _by_status(b).items():
        details[status] = _lighter(details.get(status), detail)
    return (
        _dumps({status: json.loads(detail) for status, detail in details.items() if detail})
        if details
        else None
    )


def _by_status(of: Finding) -> dict[str, str | None]:
    if of.detail is None:
        return {}
    if not of.conflict:
        return {of.status: of.detail}
    return {status: _dumps(detail) for status, detail in json.loads(of.detail).items()}


def _lighter(a: str | None, b: str | None) -> str | None:
    """Of two details the one that is kept: what a device said itself, before the platform's summary."""
    if a is None or b is None or a == b:
        return b if a is None else a
    return a if _weight(a) <= _weight(b) else b


def _weight(detail: str) -> tuple[bool, str]:
    value = json.loads(detail)  # a database may have written it in its own way
    says_itself = isinstance(value, Mapping) and "commandResult" not in value
    return not says_itself, _dumps(value)


def _earliest(a: dt.datetime | None, b: dt.datetime | None) -> dt.datetime | None:
    if a is None or b is None:
        return b if a is None else a
    return min(a, b)


_dumps = json.JSONEncoder(sort_keys=True).encode
