"""Choose devices from the catalogue: by text, kind, status, location, group, and what came of their last command.

``search`` decides which index is read first, because databases that choose for themselves may read a million rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum

from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery
from django.db.models.lookups import Exact, In
from django.utils.http import urlencode

from tasks.lifecycle.rerun import STATUSES
from tasks.models import Application, Device, Group, Membership, Result
from tasks.platform.pushes import FINAL_STATUSES
from tasks.platform.wire import DEVICE_ID_MAX

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
    groups: tuple[Group, ...]


def select(application: Application, choice: Choice) -> QuerySet[Device]:
    """All devices of the application that are meant, by id. A page of them costs little with ``dashboard.devices``."""
    devices = Device.objects.filter(application=application).order_by("id")
    exact = {name: getattr(choice, name) for name in EXACT if getattr(choice, name)}
    devices = devices.filter(**exact)
    if choice.text:
        devices = devices.filter(_holds(application, choice.text))
    if choice.group:
        members = Membership.objects.filter(group__application=application, group__group_id=choice.group)
        devices = devices.filter(pk__in=members.values("device_id"))
    if choice.outcome:
        devices = devices.filter(_came_to(LastOutcome(choice.outcome)))
    return devices


EXACT = ("device_type", "manufacturer_id", "model", "status", "location")


def facets(application: Application) -> Facets:
    """What is known of the fleet as a whole: two queries, whatever its size."""
    census = getattr(application, "census", None)
    groups = tuple(application.groups.all()[:MOST_GROUPS])
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


MOST_GROUPS = 1000


def following(text: str) -> str:
    """The first text, in order of code points, after all that begin with ``text``; "" when there is none."""
    text = text.rstrip("\U0010ffff")
    if not text:
        return ""
    code = ord(text[-1]) + 1
    return text[:-1] + chr(0xE000 if 0xD800 <= code < 0xE000 else code)


def _holds(application: Application, text: str) -> Q:
    """The beginning of an id, of what is printed on the device, or of its name; in few devices any part of the name."""
    found = _begins("device_id", text[:DEVICE_ID_MAX]) | _begins("node_id", text)
    many = application.devices.all()[: FEW + 1].count() > FEW
    return found | (_begins("name", text) if many else Q(name__icontains=text))


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
