"""Choose devices from the catalogue: by text, kind, status, location, group, and what came of their last command.

``search`` decides which index is read first, because databases that choose for themselves may read a million rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any, NamedTuple

from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery
from django.db.models.lookups import Exact, In
from django.utils.http import urlencode

from tasks.lifecycle.rerun import STATUSES
from tasks.models import Application, Census, Device, Group, Membership, Result
from tasks.platform.pushes import FINAL_STATUSES

MOST_GROUPS = 1000

FEW = 10_000
"""Up to so many devices a name is searched for a text anywhere in it; of more, only for how it begins."""


class LastOutcome(StrEnum):
    """What came of the newest command that a device got; those of a rerun are spelled as there."""

    SUCCESSFUL = "successful"
    FAILED = "failed"
    TIMED_OUT = "timed-out"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    NO_ANSWER = "no-answer"
    NEVER = "never"


WORDS: dict[LastOutcome, str] = {
    LastOutcome.SUCCESSFUL: "successful",
    LastOutcome.FAILED: "failed",
    LastOutcome.TIMED_OUT: "timed out",
    LastOutcome.EXPIRED: "expired",
    LastOutcome.CANCELLED: "cancelled",
    LastOutcome.NO_ANSWER: "without a final answer",
    LastOutcome.NEVER: "never commanded",
}

FINAL: dict[LastOutcome, str] = {
    LastOutcome.SUCCESSFUL: "SUCCESSFUL",
    **{LastOutcome(outcome): status for outcome, status in STATUSES.items()},
}


@dataclass(frozen=True)
class Choice:
    """Which devices of an application are meant; an empty text asks for nothing. ``group`` is the platform's id."""

    text: str = ""
    device_type: str = ""
    manufacturer_id: str = ""
    model: str = ""
    status: str = ""
    location: str = ""
    group: str = ""
    outcome: str = ""

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> Choice:
        """From the parameters of a page; unknown ones and an unknown outcome ask for nothing."""
        given = {field.name: query.get(field.name, "").replace("\0", "")[:1024] for field in fields(cls)}
        given["text"] = given["text"].strip()
        if given["outcome"] not in set(LastOutcome):
            given["outcome"] = ""
        return cls(**given)

    def to_query(self) -> dict[str, str]:
        """What ``from_query`` reads, without what is not asked for."""
        return {name: value for name, value in asdict(self).items() if value}

    @property
    def query_string(self) -> str:
        return urlencode(self.to_query())

    def __bool__(self) -> bool:
        return bool(self.to_query())


@dataclass(frozen=True)
class Kind:
    device_type: str
    manufacturer_id: str
    model: str
    count: int


@dataclass(frozen=True)
class Facets:
    """What a choice can be made of, each with its number of devices as counted after the last reading."""

    devices: int
    kinds: tuple[Kind, ...]
    statuses: tuple[tuple[str, int], ...]
    locations: tuple[tuple[str, int], ...]
    other_locations: int
    groups: QuerySet[Group]
    """The first of them, read when they are asked for."""


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


def facets(application: Application) -> Facets:
    """What is known of the fleet as a whole: one query, and one for the groups, whatever its size."""
    census = getattr(application, "census", None)
    groups = application.groups.all()[:MOST_GROUPS]
    if census is None:
        return Facets(0, (), (), (), 0, groups)
    return Facets(
        devices=census.devices,
        kinds=tuple(Kind(*kind) for kind in census.kinds),
        statuses=tuple((status, count) for status, count in census.statuses),
        locations=tuple((location, count) for location, count in census.locations),
        other_locations=census.other_locations,
        groups=groups,
    )


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


def _of_group(application: Application, group_id: str) -> _Part:
    group = Group.objects.filter(application=application, group_id=group_id).first()
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
