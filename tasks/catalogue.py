"""What is known of the fleet: import profiles, read devices and groups from the platform."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from tasks.lifecycle.asking import ask_patiently
from tasks.models import Application, Danger, Device, Group, Profile
from tasks.platform import answers, client
from tasks.platform.errors import PlatformError
from tasks.profiles import archive, schema

logger = logging.getLogger(__name__)

DEVICE_PAGE = 250
GROUP_PAGE = 500


def import_profiles(name: str, data: bytes, author: User | None = None) -> list[Profile]:
    """Store the profiles of an uploaded zip or JSON file. Raises ``archive.Unreadable`` with a sentence."""
    profiles = archive.read(name, data)
    if any(not (found.device_type and found.manufacturer_id and found.model) for found in profiles):
        raise archive.Unreadable(
            f"{name} does not say which device type, manufacturer and model it is for. "
            "Import the whole profile package instead."
        )
    return [_store(profile, source=name, author=author) for profile in profiles]


def _store(profile: schema.Profile, *, source: str, author: User | None = None) -> Profile:
    stored, _ = Profile.objects.update_or_create(
        device_type=profile.device_type,
        manufacturer_id=profile.manufacturer_id,
        model=profile.model,
        defaults={
            "manufacturer_name": profile.manufacturer_name,
            "protocol": profile.protocol,
            "definition": schema.to_dict(profile),
            "source": source[:300],
            "imported_by": author,
            "imported_at": timezone.now(),
        },
    )
    return stored


def is_dangerous(profile: Profile | None, service_id: str, method: str) -> bool:
    """Did somebody mark this command as dangerous? Without a profile: in any profile."""
    marks = Danger.objects.filter(service_id=service_id, method=method)
    return (marks.filter(profile=profile) if profile else marks).exists()


def read(application_id: int) -> None:
    """Read devices, groups and profiles from the platform. What goes wrong is kept with the application."""
    application = Application.objects.get(pk=application_id)
    started = timezone.now()
    try:
        _read_devices(application)
        _read_groups(application)
        _read_profiles(application, since=started)
    except (PlatformError, archive.Unreadable) as error:
        logger.warning("the catalogue of %s could not be read: %s", application, error)
        Application.objects.filter(pk=application_id).update(catalogue_problem=str(error)[:500])
        return
    application.devices.filter(read_at__lt=started).delete()
    application.groups.filter(read_at__lt=started).delete()
    Application.objects.filter(pk=application_id).update(catalogue_at=started, catalogue_problem="")


def _read_devices(application: Application) -> None:
    def page(number: int) -> tuple[int, Iterable[answers.Device]]:
        found = ask_patiently(application, partial(client.devices, page=number, size=DEVICE_PAGE))
        return found.total, found.devices

    for devices in _pages(page, DEVICE_PAGE):
        Device.objects.bulk_create(
            [
                Device(
                    application=application,
                    device_id=device.device_id[:256],
                    name=device.name[:256],
                    device_type=device.device_type[:256],
                    manufacturer_id=device.manufacturer_id[:256],
                    model=device.model[:256],
                    location=device.location[:1024],
                    status=device.status[:32],
                )
                for device in {device.device_id: device for device in devices}.values()
            ],
            update_conflicts=True,
            unique_fields=["application", "device_id"],
            update_fields=[
                "name", "device_type", "manufacturer_id", "model", "location", "status", "read_at",
            ],
        )  # fmt: skip


def _read_groups(application: Application) -> None:
    def page(number: int) -> tuple[int, Iterable[answers.Group]]:
        found = ask_patiently(application, partial(client.groups, page=number, size=GROUP_PAGE))
        return found.total, found.groups

    for groups in _pages(page, GROUP_PAGE):
        Group.objects.bulk_create(
            [
                Group(
                    application=application,
                    group_id=group.group_id[:128],
                    name=group.name[:256],
                    description=group.description[:1024],
                    size=min(group.size, 2**31 - 1),
                )
                for group in {group.group_id: group for group in groups}.values()
            ],
            update_conflicts=True,
            unique_fields=["application", "group_id"],
            update_fields=["name", "description", "size", "read_at"],
        )


def _read_profiles(application: Application, *, since: dt.datetime) -> None:
    """Ask one device of each kind that has no profile yet what it understands."""
    present = application.devices.filter(read_at__gte=since)
    kinds = present.order_by().values_list("device_type", "manufacturer_id", "model").distinct()
    for device_type, manufacturer_id, model in kinds:
        kind = {"device_type": device_type, "manufacturer_id": manufacturer_id, "model": model}
        if not all(kind.values()) or Profile.objects.filter(**kind).exists():
            continue
        device = present.filter(**kind).order_by("id")[0]
        told = ask_patiently(application, partial(client.capabilities, device_id=device.device_id))
        services = told.get("serviceCapabilities")
        if isinstance(services, list) and services:
            profile = archive.from_capabilities(**kind, manufacturer_name="", protocol="", services=services)
            _store(profile, source=f"the platform, application {application}")


def _pages(page: Callable[[int], tuple[int, Iterable[Any]]], size: int) -> Iterator[list[Any]]:
    number = 0
    while True:
        total, items = page(number)
        page_of_items = list(items)
        yield page_of_items
        number += 1
        if number * size >= total or not page_of_items:
            return
