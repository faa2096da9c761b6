"""Count an application's devices by kind, location and status: once after each reading, for all pages to show."""

from __future__ import annotations

from django.db.models import Count

from tasks import clock
from tasks.models import Application, Census
from tasks.reach import counted

MOST_LOCATIONS = 200
"""Locations that are kept with their number; some fleets have one for each device."""


def take(application: Application) -> Census:
    """Count, and keep it: kinds and statuses by one index, locations by another."""
    devices = application.devices.order_by()
    places = devices.values("location").annotate(count=Count("pk"))
    locations = list(places.order_by("-count", "location").values_list("location", "count")[:MOST_LOCATIONS])
    parts = counted(devices)
    census, _ = Census.objects.update_or_create(
        application=application,
        defaults={
            "at": clock.now(),
            "devices": sum(part[4] for part in parts),
            "parts": parts,
            "locations": sorted(map(list, locations)),
            "other_locations": max(places.count() - MOST_LOCATIONS, 0),
        },
    )
    application.census = census
    return census
