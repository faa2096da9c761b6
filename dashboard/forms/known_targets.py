"""What the catalogue knows of kinds and locations, so that they can be chosen; typing stays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.http import QueryDict

from tasks.fleet import Facets

from .offers import kind_key, kind_of, kind_words

FIELDS = ("device_type", "manufacturer_id", "model")


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
