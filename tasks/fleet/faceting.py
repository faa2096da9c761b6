"""What a choice can be made of, with how many devices there are of each."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.models import Application, Group

MOST_GROUPS = 1000


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
