"""Where the shapes of a picture lie, from plain numbers: templates draw them as SVG.

Along x everything is in per cent of the picture's width, so that it fits any screen and any paper undistorted;
along y in pixels. No shape is told from its neighbour by colour alone.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.utils import timezone

LEAST = 0.6
"""Per cent of the width that even a single device of a million gets: what is not none must be seen."""

ROOM = 11
"""Per cent of the width from which a segment has room for its own label."""

HEIGHT = 120
"""Pixels of the highest column."""

MOST_TICKS, MOST_DATES = 6, 4
"""Labels below the columns that fit a telephone: times alone, and with their dates."""

STEPS = (10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 259200, 604800)
"""Seconds between two edges, or two labels, that people can read: 10 s to a week."""


@dataclass(frozen=True)
class Segment:
    """One part of a bar; ``room`` says that its label fits into it."""

    fill: str
    start: str
    width: str
    middle: str
    room: bool


@dataclass(frozen=True)
class Column:
    """Two stacked parts: ``lower`` stands on the axis, ``upper`` on it. y and heights in pixels."""

    start: str
    width: str
    lower_y: str
    lower: str
    upper_y: str
    upper: str


@dataclass(frozen=True)
class Mark:
    """A place on the axis of time, with the side of it on which its words fit."""

    x: str
    words: str
    anchor: str
    at: dt.datetime | None = None


@dataclass(frozen=True)
class Columns:
    """A whole picture: ``top`` is the number at the height of the upper line, ``ticks`` the labels of the axis."""

    columns: list[Column]
    top: int
    ticks: list[Mark]
    deadline: Mark | None


def bar(shares: Sequence[tuple[str, int]]) -> list[Segment]:
    """The segments of one horizontal bar, left to right; every share that is not zero can be seen."""
    total = sum(count for _, count in shares)
    if not total:
        return []
    widths = [(fill, max(count * 100 / total, LEAST)) for fill, count in shares if count]
    scale = 100 / sum(width for _, width in widths)
    segments, start = [], 0.0
    for fill, unscaled in widths:
        width = unscaled * scale
        segments.append(
            Segment(fill, _per_cent(start), _per_cent(width), _per_cent(start + width / 2), width >= ROOM)
        )
        start += width
    return segments


def length(count: int, most: int) -> str:
    """The length of a bar that lies beside others."""
    return _per_cent(max(count * 100 / most, LEAST) if count else 0)


def columns(
    edges: Sequence[dt.datetime], counts: Sequence[tuple[int, int]], deadline: dt.datetime | None
) -> Columns:
    """Columns between neighbouring ``edges``; of each count the first part is drawn below the second."""
    highest = top(max((lower + upper for lower, upper in counts), default=0))
    width = 100 / len(counts)
    drawn = []
    for place, (lower, upper) in enumerate(counts):
        low, high = _height(lower, highest), _height(upper, highest)
        drawn.append(
            Column(
                start=_per_cent(place * width + width * 0.06),
                width=_per_cent(width * 0.88),
                lower_y=_pixels(HEIGHT - low),
                lower=_pixels(low),
                upper_y=_pixels(HEIGHT - low - high),
                upper=_pixels(high),
            )
        )
    first, last = edges[0], edges[-1]
    mark = None
    if deadline and first <= deadline <= last:
        mark = _mark(deadline, first, last, "its time is over", edge=40)
    return Columns(drawn, highest, _ticks(first, last), mark)


def step_for(seconds: float, most: int) -> int:
    """The smallest readable step that cuts so many seconds into at most ``most`` parts."""
    for step in STEPS:
        if seconds <= step * most:
            return step
    return math.ceil(seconds / most / 86400) * 86400


def floor(moment: dt.datetime, step: int) -> dt.datetime:
    """The last edge at or before the moment; edges are counted from midnight of the site's zone."""
    zone = timezone.get_current_timezone()
    local = moment.astimezone(zone)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    since = (local.replace(tzinfo=None) - midnight).total_seconds()
    days = midnight.toordinal() * 86400
    whole = (days + since) // step * step - days
    return timezone.make_aware(midnight + dt.timedelta(seconds=whole), zone).astimezone(dt.UTC)


def top(count: int) -> int:
    """A round number at or a little above ``count``: 1, 2, 3, 4, 5, 6 or 8 and zeros."""
    scale = 10 ** max(len(str(count)) - 1, 0)
    return next(digit * scale for digit in (1, 2, 3, 4, 5, 6, 8, 10) if digit * scale >= count)


def _ticks(first: dt.datetime, last: dt.datetime) -> list[Mark]:
    zone = timezone.get_current_timezone()
    span = (last - first).total_seconds()
    one_day = first.astimezone(zone).date() == (last - dt.timedelta(seconds=1)).astimezone(zone).date()
    step = step_for(span, MOST_TICKS if one_day else MOST_DATES)
    if step >= 86400:
        shape = "%Y-%m-%d"
    elif one_day:
        shape = "%H:%M" if step >= 60 else "%H:%M:%S"
    else:
        shape = "%m-%d %H:%M"
    moment = floor(first, step)
    if moment < first:
        moment += dt.timedelta(seconds=step)
    marks = []
    while moment <= last:
        mark = _mark(moment, first, last, f"{moment.astimezone(zone):{shape}}", edge=8)
        marks.append(replace(mark, at=None if step >= 86400 else moment))
        moment += dt.timedelta(seconds=step)
    return marks


def _mark(moment: dt.datetime, first: dt.datetime, last: dt.datetime, words: str, edge: float) -> Mark:
    x = (moment - first) / (last - first) * 100
    anchor = "start" if x < edge else "end" if x > 100 - edge else "middle"
    return Mark(_per_cent(x), words, anchor)


def _height(count: int, highest: int) -> float:
    """Pixels; a single answer is still a line that can be seen."""
    return max(count / highest * HEIGHT, 1.5) if count else 0


def _per_cent(value: float) -> str:
    return f"{value:.2f}%"


def _pixels(value: float) -> str:
    return f"{value:.1f}"
