"""Find the devices that are meant, and decide which index is read first: databases may read a million rows instead."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any, NamedTuple

from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.expressions import CombinedExpression
from django.db.models.lookups import Exact, In

from tasks.models import Application, Census, Device, Group, Membership, Result
from tasks.platform.pushes import FINAL_STATUSES

from .choice import FINAL, Choice, LastOutcome

FEW = 10_000
"""Up to so many devices a name is searched for a text anywhere in it; of more, only for how it begins."""


@dataclass(frozen=True)
class Search:
    """``source`` is read from one index, in the order of ``key``, the ids of devices; each is looked at for ``rest``.

    ``is_costly`` when that asks for results; ``is_whole`` when there is nothing to look at. Where the source takes
    several indexes, each of its devices is in one of the ``ranges`` at least. ``every`` device is the application's.
    """

    source: QuerySet[Any]
    key: str
    rest: Q
    is_costly: bool
    every: QuerySet[Device]
    ranges: tuple[QuerySet[Any], ...] = ()

    @property
    def is_whole(self) -> bool:
        return not self.rest

    @property
    def devices(self) -> QuerySet[Device]:
        """All that are found."""
        if self.key == "pk":
            return self.source.filter(self.rest)
        return self.among(self.source.values(self.key))

    def ids(
        self, most: int, start: int | None = None, *, backwards: bool = False
    ) -> QuerySet[Any] | list[int]:
        """The first ids of the source, or the first behind ``start``.

        Those of ranges are perhaps many, and then near; or else they may be far, but are not so many.
        """
        in_order = partial(self._behind, start, backwards=backwards)
        if not self.ranges:
            return in_order(self.source, F(self.key))[:most]
        edge = in_order(self.every, F("pk"))[NEAR - 1 : NEAR]
        near = self.source.filter(**{f"pk__{'gte' if backwards else 'lte'}": pk for pk in edge})
        found = list(in_order(near, F("pk"))[:most])
        if len(found) < most:
            # By a sum: for the order's sake databases would walk through all devices instead.
            parts = (in_order(each, F("pk") + 0)[:most] for each in self.ranges)
            found = sorted(set(chain.from_iterable(parts)), reverse=backwards)[:most]
        return found

    def _behind(
        self, start: int | None, source: QuerySet[Any], order: F | CombinedExpression, *, backwards: bool
    ) -> QuerySet[Any]:
        if start is not None:
            source = source.filter(**{f"{self.key}__{'lt' if backwards else 'gt'}": start})
        return source.order_by(order.desc() if backwards else order.asc()).values_list(self.key, flat=True)

    def count(self, most: int) -> int:
        """How many the source has; at most as many as are asked for."""
        if not self.ranges:
            return self.source[:most].count()
        every = (source.order_by().values_list(self.key, flat=True)[:most] for source in self.ranges)
        return min(len(set(chain.from_iterable(every))), most)

    def among(self, ids: QuerySet[Any] | list[int]) -> QuerySet[Device]:
        """Those of ``ids``, which are some of the source's, that are found."""
        return Device.objects.filter(self.rest, pk__in=ids).order_by("pk")


def select(application: Application, choice: Choice) -> QuerySet[Device]:
    """All devices of the application that are meant, by id. For pages of them see ``dashboard.devices``."""
    return search(application, choice).devices


def search(application: Application, choice: Choice) -> Search:
    """Begin with what the fewest devices pass, as far as that is known without counting them."""
    everything = Device.objects.filter(application=application).order_by("pk")
    parts = _parts(application, choice, everything)
    first = min(parts, key=lambda part: part.size, default=_Part(0, Q(), everything))
    rest = Q(*(part.passes for part in parts if part is not first))
    if choice.outcome:
        rest &= _came_to(LastOutcome(choice.outcome))
    return Search(first.source, first.key, rest, bool(choice.outcome), everything, first.ranges)


def following(text: str) -> str:
    """The first text, in order of code points, after all that begin with ``text``; "" when there is none."""
    text = text.rstrip("\U0010ffff")
    if not text:
        return ""
    code = ord(text[-1]) + 1
    return text[:-1] + chr(0xE000 if 0xD800 <= code < 0xE000 else code)


class _Part(NamedTuple):
    """``size``: how many pass, as far as it is known. ``passes`` is what it asks of a device."""

    size: int
    passes: Q
    source: QuerySet[Any]
    key: str = "pk"
    ranges: tuple[QuerySet[Any], ...] = ()


def _parts(application: Application, choice: Choice, everything: QuerySet[Device]) -> list[_Part]:
    census = getattr(application, "census", None)
    parts = []
    for columns, size in ((KIND, _of_kind), (("status",), _of_status), (("location",), _at_location)):
        if asked := {name: getattr(choice, name) for name in columns if getattr(choice, name)}:
            passes = Q(**asked)
            parts.append(
                _Part(size(census, choice) if census else UNKNOWN, passes, everything.filter(passes))
            )
    if choice.group:
        parts.append(_of_group(application, choice.group))
    if choice.text:
        parts.append(_with_text(choice.text, everything))
    return parts


KIND = ("device_type", "manufacturer_id", "model")
UNKNOWN = 2**31 - 1


def _of_kind(census: Census, choice: Choice) -> int:
    asked = [getattr(choice, name) for name in KIND]
    return sum(
        count
        for *kind, count in census.kinds
        if all(want in ("", have) for want, have in zip(asked, kind, strict=True))
    )


def _of_status(census: Census, choice: Choice) -> int:
    return dict(census.statuses).get(choice.status, 0)


def _at_location(census: Census, choice: Choice) -> int:
    listed = dict(census.locations)
    return listed.get(choice.location, min(listed.values(), default=0) if census.other_locations else 0)


def group_of(application: Application, key: str) -> Group | None:
    """The group with this id, or else the first one with this name."""
    groups = Group.objects.filter(application=application)
    return groups.filter(group_id=key).first() or groups.filter(name=key).first()


def _of_group(application: Application, key: str) -> _Part:
    group = group_of(application, key)
    members = Membership.objects.filter(group=group.pk if group else 0)
    is_member = Q(Exists(members.filter(device_id=OuterRef("pk"))))
    return _Part(group.size if group else 0, is_member, members.order_by("device_id"), "device_id")


def _with_text(text: str, everything: QuerySet[Device]) -> _Part:
    """The beginning of an id, of what is printed on the device, or of its name; in few devices any part of the name."""
    columns = [_begins(column, text) for column in ("device_id", "node_id", "name")]
    beginning = Q(*columns, _connector=Q.OR)
    if everything[: FEW + 1].count() <= FEW:
        passes = beginning | Q(name__icontains=text)
        return _Part(FEW, passes, everything.filter(passes))
    ranges = tuple(everything.order_by().filter(column) for column in columns)
    ids: set[int] = set()
    for each in ranges:
        ids.update(each.values_list("pk", flat=True)[: SOME + 1])
    if len(ids) <= SOME:
        return _Part(len(ids), beginning, everything.filter(pk__in=ids))
    return _Part(UNKNOWN, beginning, everything.filter(beginning), ranges=ranges)


SOME = 1000
"""So many devices with a text are listed by their ids."""

NEAR = 5_000
"""Devices that are walked through for a text that more than ``SOME`` have, before their indexes are read."""


def _begins(column: str, text: str) -> Q:
    """By range, which an index serves on every database."""
    end = following(text)
    return Q(**{f"{column}__gte": text}) & (Q(**{f"{column}__lt": end}) if end else Q())


def _came_to(outcome: LastOutcome) -> Q:
    results = Result.objects.filter(
        device_id=OuterRef("device_id"), task__application=OuterRef("application")
    )
    if outcome == LastOutcome.NEVER:
        return Q(~Exists(results))
    newest = Subquery(results.order_by("-id").values("status")[:1])
    if status := FINAL.get(outcome):
        return Q(Exact(newest, status))
    return Q(Exists(results)) & ~Q(In(newest, sorted(FINAL_STATUSES)))
