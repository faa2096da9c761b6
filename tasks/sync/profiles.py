"""The profiles of an application's devices, as the platform tells them."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.db import transaction

from tasks.catalogue import store
from tasks.models import Profile, Sync
from tasks.platform import client
from tasks.platform.errors import PlatformError
from tasks.profiles import archive

from .pages import Ask, raise_unless_dispensable
from .places import leave, set_total, turn_page


def read(sync: Sync, ask: Ask) -> None:
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
        raise_unless_dispensable(sync, error)
        return None
    services = told.get("serviceCapabilities")
    if not isinstance(services, list) or not services:
        return None
    try:
        return archive.from_capabilities(**kind, manufacturer_name="", protocol="", services=services)
    except archive.Unreadable:
        return None
