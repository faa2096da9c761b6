"""What is read in each section of a reading. One step asks for one page, and stores it with where it stands."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import F, Sum

from tasks.catalogue import store
from tasks.models import Device, Group, Membership, Profile, Sync
from tasks.platform import answers, client
from tasks.platform.errors import PlatformError, Refused
from tasks.profiles import archive

from . import census, rows
from .places import Section, close_group, hold, leave, set_total, turn_page

DEVICE_PAGE, GROUP_PAGE, MEMBER_PAGE = 250, 500, 1000
"""The largest pages that the platform gives."""

CHUNK = 1000
"""Rows that are deleted in one transaction."""

Ask = Callable[[Callable[..., Any]], Any]


def step(sync: Sync, ask: Ask) -> None:
    """Read one page more. Raises PlatformError, and ``Lost`` when the turn is no longer ours."""
    STEPS[Section(sync.section)](sync, ask)


def _devices(sync: Sync, ask: Ask) -> None:
    found = ask(partial(client.devices, page=sync.page, size=DEVICE_PAGE, since=sync.since))
    different = {device.device_id: device for device in found.devices}.values()
    with transaction.atomic():
        rows.upsert(
            Device,
            DEVICE_COLUMNS,
            ("application_id", "device_id"),
            [[sync.application_id, *_texts(device), sync.taken_at] for device in different],
        )
        turn_page(
            sync,
            read=len(found.devices),
            total=found.total,
            is_last=not found.devices or (sync.page + 1) * DEVICE_PAGE >= found.total,
        )


DEVICE_COLUMNS = (
    "application_id", "device_id", "name", "node_id", "device_type", "manufacturer_id", "model", "protocol",
    "location", "status", "status_detail", "gateway_id", "registered_at", "modified_at", "read_at",
)  # fmt: skip


def _texts(device: answers.Device) -> list[Any]:
    return [
        device.device_id[:256], device.name[:256], device.node_id[:256], device.device_type[:256],
        device.manufacturer_id[:256], device.model[:256], device.protocol[:64], device.location[:1024],
        device.status[:32], device.status_detail[:64],
        "" if device.gateway_id == device.device_id else device.gateway_id[:256],
        device.registered_at, device.modified_at,
    ]  # fmt: skip


def _gone(sync: Sync, ask: Ask) -> None:
    """Remove what a whole reading has not seen: only when it has seen as many devices as the platform counts."""
    if sync.since is not None:
        return leave(sync, 0)
    devices = sync.application.devices
    unseen = list(devices.filter(read_at__lt=sync.started_at).order_by().values_list("pk", flat=True))
    seen, reported = devices.count() - len(unseen), sync.counts["devices reported"]
    if seen < reported:
        return leave(
            sync,
            0,
            remark=f"The platform counts {reported:,} devices and showed {seen:,}, so none was taken for gone: "
            "devices may have been deleted meanwhile. The next reading will tell.",
        )
    for start in range(0, len(unseen), CHUNK):
        chunk = unseen[start : start + CHUNK]
        with transaction.atomic():
            Membership.objects.filter(device_id__in=chunk).delete()
            Device.objects.filter(pk__in=chunk, read_at__lt=sync.started_at).delete()
            hold(sync)
    return leave(sync, len(unseen))


def _groups(sync: Sync, ask: Ask) -> None:
    try:
        found = ask(partial(client.groups, page=sync.page, size=GROUP_PAGE))
    except PlatformError as error:
        _raise_unless_last(sync, error)
        return leave(sync, 0, remark=f"Groups were not read: {error}", to=Section.COUNT)
    is_last = not found.groups or (sync.page + 1) * GROUP_PAGE >= found.total
    different = {group.group_id[:128]: group for group in found.groups if group.group_id}
    with transaction.atomic():
        rows.upsert(
            Group,
            ("application_id", "group_id", "name", "description", "size", "read_at"),
            ("application_id", "group_id"),
            [
                [
                    sync.application_id,
                    group_id,
                    group.name[:256],
                    group.description[:1024],
                    _fits(group.size),
                    sync.taken_at,
                ]
                for group_id, group in different.items()
            ],
        )
        if not is_last:
            return turn_page(sync, read=len(found.groups), total=found.total, is_last=False)
    for group in sync.application.groups.filter(read_at__lt=sync.started_at):
        _forget(sync, group.memberships.all())
        group.delete()
    return turn_page(sync, read=len(found.groups), total=found.total, is_last=True)


def _members(sync: Sync, ask: Ask) -> None:
    """Group by group. Of a reading of what is new only those whose size is not what the catalogue knows."""
    if not sync.group and not sync.page:
        set_total(sync, sync.application.groups.aggregate(total=Sum("size"))["total"] or 0)
    group = _next_group(sync)
    if group is None:
        return leave(sync, sync.done)
    try:
        found = ask(partial(client.group_members, group_id=group.group_id, page=sync.page, size=MEMBER_PAGE))
    except PlatformError as error:
        _raise_unless_last(sync, error)
        return close_group(sync, group.pk, read=0, remark=f"Members of {group} were not read: {error}")
    ids = found.device_ids
    if not ids or (sync.page + 1) * MEMBER_PAGE >= found.total:
        with transaction.atomic():
            rows.join(sync.application, group, ids, seen_in=sync.pk)
            hold(sync)
        _forget(sync, group.memberships.filter(seen_in__lt=sync.pk))
        Group.objects.filter(pk=group.pk).update(known=group.memberships.count())
        return close_group(sync, group.pk, read=len(ids))
    with transaction.atomic():
        rows.join(sync.application, group, ids, seen_in=sync.pk)
        return turn_page(sync, read=len(ids), total=sync.total, is_last=False)


def _next_group(sync: Sync) -> Group | None:
    groups = sync.application.groups.filter(pk__gt=sync.group).order_by("pk")
    if sync.since is not None and not sync.page:
        groups = groups.exclude(known=F("size"))
    return groups.first()


def _forget(sync: Sync, memberships: Any) -> None:
    """Few at a time, so that nobody waits for long. Deleting is repeated harmlessly when a worker dies meanwhile."""
    while chunk := list(memberships.values_list("device_id", flat=True)[:CHUNK]):
        with transaction.atomic():
            memberships.filter(device_id__in=chunk).delete()
            hold(sync)


def _count(sync: Sync, ask: Ask) -> None:
    counted = census.take(sync.application)
    leave(sync, counted.devices)


def _profiles(sync: Sync, ask: Ask) -> None:
    """Ask one device of each kind what it understands; of a known kind only when the platform had told it before."""
    kinds = [kind[:3] for kind in sync.application.census.kinds]
    if not sync.page:
        set_total(sync, len(kinds))
    source = f"the platform, application {sync.application}"[:300]
    for place in range(sync.page, len(kinds)):
        kind = dict(zip(("device_type", "manufacturer_id", "model"), kinds[place], strict=True))
        known = Profile.objects.filter(**kind).first()
        device = sync.application.devices.filter(**kind).order_by("id").first()
        is_ours = known is not None and known.source == source and sync.since is None
        if device is None or not all(kind.values()) or (known and not is_ours):
            continue
        profile = _told(sync, ask, device.device_id, kind)
        with transaction.atomic():
            if profile is not None:
                store(profile, source=source)
            sync.page = place
            turn_page(sync, read=int(profile is not None), total=len(kinds), is_last=place + 1 == len(kinds))
        return
    leave(sync, sync.done)


def _told(sync: Sync, ask: Ask, device_id: str, kind: dict[str, str]) -> Any:
    try:
        told = ask(partial(client.capabilities, device_id=device_id))
    except PlatformError as error:
        _raise_unless_last(sync, error)
        return None
    services = told.get("serviceCapabilities")
    if not isinstance(services, list) or not services:
        return None
    try:
        return archive.from_capabilities(**kind, manufacturer_name="", protocol="", services=services)
    except archive.Unreadable:
        return None


def _raise_unless_last(sync: Sync, error: PlatformError) -> None:
    """What a reading can do without is left out when it is refused, or when it makes no sense time after time."""
    makes_no_sense = error.reason in ("bad answer", "too large") and sync.failures >= TRIES
    if not (isinstance(error, Refused) or makes_no_sense):
        raise error


TRIES = 2


def _fits(number: int) -> int:
    return min(number, 2**31 - 1)


STEPS: dict[Section, Callable[[Sync, Ask], None]] = {
    Section.DEVICES: _devices,
    Section.GONE: _gone,
    Section.GROUPS: _groups,
    Section.MEMBERS: _members,
    Section.COUNT: _count,
    Section.PROFILES: _profiles,
}
