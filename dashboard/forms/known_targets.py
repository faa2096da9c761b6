"""What the catalogue knows of kinds, locations and groups, so that they can be chosen; typing stays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db.models import Q
from django.http import QueryDict

from tasks.fleet import Facets
from tasks.models import Application, Group
from tasks.targets import TargetType

from .offers import kind_key, kind_of, kind_words

FIELDS = ("device_type", "manufacturer_id", "model")

MOST_GROUPS = 100
"""Groups that are shown to be checked, besides as many that are checked already; others are searched for."""


@dataclass(frozen=True)
class KnownKind:
    key: str
    words: str
    is_chosen: bool


def kinds_of(facets: Facets, given: Mapping[str, str]) -> list[KnownKind]:
    """Every kind that exists, and which of them is what the three fields say."""
    wanted = tuple(given[name] for name in FIELDS)
    return [
        KnownKind(
            kind_key(kind), kind_words(kind), (kind.device_type, kind.manufacturer_id, kind.model) == wanted
        )
        for kind in facets.kinds
        if kind.device_type and kind.manufacturer_id and kind.model
    ]


def with_kind(posted: QueryDict) -> QueryDict:
    """The post with the three fields of the kind that was chosen since the page was drawn.

    What is typed into the fields stands as long as nothing else is chosen: ``kind_was`` is what was shown as chosen.
    """
    key = posted.get("kind", "")
    if key == posted.get("kind_was", ""):
        return posted
    changed = posted.copy()
    for name in FIELDS:
        changed[name] = kind_of(key).get(name, "")
    changed["kind_was"] = key
    return changed


def at_location(facets: Facets | None, where: str) -> str:
    """How many devices are there, in words; empty where that is not known."""
    if not where or facets is None or not facets.locations:
        return ""
    count = dict(facets.locations).get(where)
    if count is not None:
        return f"{count:,} device{'s' if count != 1 else ''} in the catalogue are at this location."
    return "" if facets.other_locations else "No device in the catalogue is at exactly this location."


@dataclass(frozen=True)
class KnownGroups:
    """The groups to check: ``found`` are named like what is ``sought``, and the first of them are shown."""

    sought: str
    total: int
    found: int
    rows: list[tuple[str, Group, bool]]
    """What the request says of the group, the group, and whether it is chosen; chosen ones are first."""

    @property
    def is_long(self) -> bool:
        return self.total > MOST_GROUPS

    @property
    def is_cut(self) -> bool:
        return self.found > MOST_GROUPS


def groups_of(
    application: Application | None, kind: TargetType, chosen: Sequence[str], sought: str
) -> KnownGroups:
    """The application's groups for a target of this type, which names them by name or by id."""
    column = "name" if kind == TargetType.GROUP_LIST else "group_id"
    every = Group.objects.filter(application=application)
    like = every.filter(Q(name__icontains=sought) | Q(group_id__icontains=sought)) if sought else every
    asked = [text for text in chosen if "\0" not in text][:MOST_GROUPS]
    first = every.filter(**{f"{column}__in": asked}) if asked else every.none()
    picked = {getattr(each, column): each for each in first[:MOST_GROUPS]}
    rows = [(value, each, True) for value, each in picked.items()]
    rows += [
        (getattr(each, column), each, False)
        for each in like[:MOST_GROUPS]
        if getattr(each, column) not in picked
    ]
    total = every.count()
    return KnownGroups(sought, total, like.count() if sought else total, rows)
