"""Find the devices that are meant, and decide which index is read first: databases may read a million rows instead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery
from django.db.models.lookups import Exact, In

from tasks.models import Application, Census, Device, Group, Membership, Result
from tasks.platform.pushes import FINAL_STATUSES

from .choice import FINAL, Choice, LastOutcome

FEW = 10_000
"""Up to so many devices a name is searched for a text anywhere in it; of more, only for how it begins."""


@dataclass(frozen=True)
class Search:
    """``source`` is read from one index, in the order of ``key``, the ids of devices; each is looked at for ``rest``.

    ``is_costly`` when that asks for results; ``is_whole`` when there is nothing to look at.
    """

    source: QuerySet[Any]
    key: str
    rest: Q
    is_costly: bool

    @property
    def is_whole(self) -> bool:
        return not self.rest

    @property
    def devices(self) -> QuerySet[Device]:
        """All that are found."""
        if self.key == "pk":
            return self.source.filter(self.rest)
        return self.among(self.source.values(self.key))

    def among(self, ids: QuerySet[Any]) -> QuerySet[Device]:
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
    return Search(first.source, first.key, rest, is_costly=bool(choice.outcome))


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
    ids: set[int] = set()
    for column in columns:
        ids.update(everything.order_by().filter(column).values_list("pk", flat=True)[: SOME + 1])
    if len(ids) <= SOME:
        return _Part(len(ids), beginning, everything.filter(pk__in=ids))
    return _Part(UNKNOWN, beginning, everything.filter(beginning))


SOME = 1000
"""So many devices with a text are listed by their ids."""


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
