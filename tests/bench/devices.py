"""A million devices of one application, in groups of all sizes, a fifth of which were commanded once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib.auth.models import User
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone

from tasks.models import Application, Device, Group, Membership, Profile, Result, Task
from tasks.profiles import schema
from tasks.profiles.schema import Command, Service
from tasks.sync import census
from tests.bench import rows
from tests.bench.databases import kept, load, without_indexes
from tests.bench.rows import device_id
from tests.factories import ApplicationFactory, TaskFactory

DEVICES = 1_000_000
KINDS = (*["WaterMeter"] * 4, *["StreetLight"] * 3, *["SmartLock"] * 2, "AirSensor")
STATUSES = (*["ONLINE"] * 94, *["OFFLINE"] * 3, *["ABNORMAL"] * 2, "INACTIVE")
GROUPS = (
    ("pilot", 100, 3),
    ("night-shift", 20, 1),
    ("east-wing", 8, 2),
    ("leased", 5, 4),
    ("maintenance", 2, 1),
)
VALVE = Service("Valve", "Valve", commands=(Command("CLOSE"),))
COLUMNS = (
    "application_id", "device_id", "name", "node_id", "device_type", "manufacturer_id", "model", "location", "status",
)  # fmt: skip


def database() -> BaseDatabaseWrapper:
    """A connection to the database with them, which is made when there is none."""
    return kept("devices", _make, __file__, rows.__file__)


def _make(wrapper: BaseDatabaseWrapper) -> None:
    User.objects.create(username="root", is_superuser=True)
    application = ApplicationFactory(secret="", catalogue_at=timezone.now())
    task = TaskFactory(application=application)
    for device_type, model, services in (("WaterMeter", "M0", (VALVE,)), ("SmartLock", "M2", ())):
        definition = schema.Profile(device_type, "Muster", "Muster", model, "CoAP", services)
        Profile.objects.create(
            device_type=device_type,
            manufacturer_id="Muster",
            model=model,
            definition=schema.to_dict(definition),
        )
    with without_indexes(wrapper):
        load(wrapper, Device, COLUMNS, _devices(application))
        for name, every, rest in GROUPS:
            ids = range(rest + 1, DEVICES + 1, every)
            group = Group.objects.create(
                application=application, group_id=name, name=name, size=len(ids), known=len(ids)
            )
            load(wrapper, Membership, ("group_id", "device_id", "seen_in"), ((group.pk, pk, 1) for pk in ids))
        load(wrapper, Result, ("task_id", "device_id", "status"), _results(task))
    census.take(application)


def _devices(application: Application) -> Iterator[tuple[Any, ...]]:
    for n in range(DEVICES):
        kind = KINDS[n % 10]
        yield (
            application.pk, device_id(n, DEVICES), f"{kind}-{n:06d}", f"{867_000_000_000_000 + n}", kind, "Muster",
            f"M{n % 10 // 3}", f"Hall-{n // 10 % 400}", STATUSES[(n * 2654435761 % 2**32 >> 8) % 100],
        )  # fmt: skip


def _results(task: Task) -> Iterator[tuple[Any, ...]]:
    for n in range(0, DEVICES, 5):
        yield (task.pk, device_id(n, DEVICES), "FAILED" if n % 97 == 0 else "SUCCESSFUL")
