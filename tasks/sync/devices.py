"""The devices of an application, page by page; and those that are gone."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.db import transaction

from tasks.models import Device, Membership, Sync
from tasks.platform import answers, client

from . import rows
from .pages import CHUNK, Ask
from .places import hold, leave, turn_page

PAGE = 250
"""The largest that the platform gives."""


def read(sync: Sync, ask: Ask) -> None:
    found = ask(partial(client.devices, page=sync.page, size=PAGE, since=sync.since))
    different = {device.device_id: device for device in found.devices}.values()
    with transaction.atomic():
        rows.upsert(
            Device,
            COLUMNS,
            ("application_id", "device_id"),
            [[sync.application_id, *_texts(device), sync.taken_at] for device in different],
        )
        turn_page(
            sync,
            read=len(found.devices),
            total=found.total,
            is_last=not found.devices or (sync.page + 1) * PAGE >= found.total,
        )


COLUMNS = (
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


def forget_gone(sync: Sync, ask: Ask) -> None:
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
