"""The groups of an application, and who is in them, group by group."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import F, Sum

from tasks.models import Group, Sync
from tasks.platform import client
from tasks.platform.errors import PlatformError

from . import rows
from .pages import CHUNK, Ask, raise_unless_dispensable
from .places import close_group, hold, leave, set_total, turn_page

PAGE, MEMBER_PAGE = 500, 1000
"""The largest that the platform gives."""


def read(sync: Sync, ask: Ask) -> None:
    try:
        found = ask(partial(client.groups, page=sync.page, size=PAGE))
    except PlatformError as error:
        raise_unless_dispensable(sync, error)
        return leave(sync, 0, remark=f"Groups were not read: {error}", is_over=True)
    is_last = not found.groups or (sync.page + 1) * PAGE >= found.total
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


def read_members(sync: Sync, ask: Ask) -> None:
    """Group by group. Of a reading of what is new only those whose size is not what the catalogue knows."""
    if not sync.group and not sync.page:
        set_total(sync, sync.application.groups.aggregate(total=Sum("size"))["total"] or 0)
    group = _next_group(sync)
    if group is None:
        return leave(sync, sync.done)
    try:
        found = ask(partial(client.group_members, group_id=group.group_id, page=sync.page, size=MEMBER_PAGE))
    except PlatformError as error:
        raise_unless_dispensable(sync, error)
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


def _fits(number: int) -> int:
    return min(number, 2**31 - 1)
