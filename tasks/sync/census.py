"""Count an application's devices by kind, location and status: once after each reading, for all pages to show."""

from __future__ import annotations

from django.db.models import Count

from tasks import clock
from tasks.models import Application, Census

MOST_LOCATIONS = 200
"""Locations that are kept with their number; some fleets have one for each device."""


def take(application: Application) -> Census:
    """Count, and keep it. Each count is read from an index alone."""
    devices = application.devices.order_by()
    places = devices.values("location").annotate(count=Count("pk"))
    locations = list(places.order_by("-count", "location").values_list("location", "count")[:MOST_LOCATIONS])
    kinds = devices.values_list("device_type", "manufacturer_id", "model").annotate(count=Count("pk"))
    statuses = devices.values_list("status").annotate(count=Count("pk"))
    census, _ = Census.objects.update_or_create(
        application=application,
        defaults={
            "at": clock.now(),
            "devices": devices.count(),
            "kinds": [list(kind) for kind in kinds.order_by("device_type", "manufacturer_id", "model")],
            "locations": sorted(map(list, locations)),
            "other_locations": max(places.count() - MOST_LOCATIONS, 0),
            "statuses": [list(status) for status in statuses.order_by("-count")],
        },
    )
    application.census = census
    return census
