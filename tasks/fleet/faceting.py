"""What a choice can be made of, with how many devices there are of each."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import QuerySet

from tasks.models import Application, Group

MOST_GROUPS = 1000
"""So many groups can be chosen from; of more the name or the id of one is typed."""


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
    """Read when they are asked for; one more than ``MOST_GROUPS`` when there are too many to choose from."""

    @property
    def suggested_groups(self) -> list[str]:
        """Names to type, when there are too many to choose from."""
        names = [group.name for group in self.groups]
        return names[:MOST_GROUPS] if len(names) > MOST_GROUPS else []


def facets(application: Application) -> Facets:
    """What is known of the fleet as a whole: one query, and one for the groups, whatever its size."""
    census = getattr(application, "census", None)
    groups = application.groups.all()[: MOST_GROUPS + 1]
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
