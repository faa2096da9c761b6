"""The composer's fields as they follow the answers, on a small and on a large site, in turns.

Server time of a post through Django's test client, session and rendering included. The large site has 200 profiles
with 12 commands of 30 parameters, a catalogue of 99,000 devices of all these kinds, 10,000 groups of which 50 are
chosen, a draft with 100,000 kept device ids of which one in 100 is in no catalogue, and an operator who has sent 1,000
tasks; the small one, which is the baseline, has one of each and commands of one parameter. Every choice of a service or
a command is another one than the last time. What a page is the first to ask of a list or a target is timed with it.
"""

from __future__ import annotations

import logging
import statistics
import tempfile
import time
import uuid
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import load_backend
from django.test import Client, override_settings
from django.utils import timezone

from tasks.models import Application, Device, DeviceList, Group, Profile
from tasks.profiles import schema
from tasks.profiles.schema import Command, DataType, Parameter, Service
from tasks.sync import census
from tests.bench.fleet import using
from tests.bench.report import line
from tests.factories import TaskFactory

GOAL = 50
ROUNDS = 60

SWAPS: tuple[tuple[str, str, str, dict[str, str]], ...] = (
    ("target type: a list of devices", "/compose/", "where-part", {"target_type": "DeviceList"}),
    ("target type: groups", "/compose/", "where-part", {"target_type": "GroupList"}),
    (
        "groups by a part of their name",
        "/compose/",
        "known-groups",
        {"target_type": "GroupList", "groups_like": "9"},
    ),
    ("target type: type of devices", "/compose/", "where-part", {"target_type": "DeviceType"}),
    ("target type: broadcast", "/compose/", "where-part", {"target_type": "Broadcast"}),
    ("profile", "/compose/", "what-part", {"profile": "last"}),
    ("service", "/compose/", "command-part", {"service_id": "S{turn_of_3}"}),
    ("command", "/compose/", "command-part", {"service_id": "S{turn_of_3}", "method": "C{turn_of_4}"}),
    ("the last value of a parameter", "/compose/", "command-part", {"last": "p0"}),
    ("JSON instead of fields", "/compose/", "command-part", {"to_json": "1"}),
    ("a draft saved", "/compose/save/", "saved", {}),
    ("the request beside it", "/compose/preview/", "preview", {}),
)


@override_settings(ALLOWED_HOSTS=["testserver"])
def run() -> None:
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory(prefix="muster-bench-compose-") as folder:
        sites = [
            Site(Path(folder) / "small.sqlite3", profiles=1, groups=1, ids=1, parameters=1, tasks=1),
            Site(
                Path(folder) / "large.sqlite3",
                profiles=200,
                groups=10_000,
                ids=100_000,
                parameters=30,
                tasks=1000,
            ),
        ]
        line("swap", "small -> large, median ms", f"p95 <= {GOAL} ms")
        for words, path, part, change in SWAPS:
            _compare(words, path, part, change, sites)


class Site:
    """A database with so much in it, and the post of a page on which everything is filled in."""

    def __init__(
        self, path: Path, *, profiles: int, groups: int, ids: int, parameters: int, tasks: int
    ) -> None:
        options = connections["default"].settings_dict | {"NAME": str(path)}
        self.database: BaseDatabaseWrapper = load_backend(options["ENGINE"]).DatabaseWrapper(
            options, "default"
        )
        self.client = Client()
        with using(self.database):
            call_command("migrate", verbosity=0)
            user = User.objects.create(username="root", is_superuser=True)
            application = Application.objects.create(
                name="Plant", url="http://127.0.0.1:9", app_id="a", secret="", catalogue_at=timezone.now()
            )
            definition = schema.to_dict(_profile(parameters))
            made = Profile.objects.bulk_create(
                Profile(
                    device_type=f"Meter {n}",
                    manufacturer_id="m",
                    model="X",
                    definition=definition,
                    source="x",
                )
                for n in range(profiles)
            )
            Group.objects.bulk_create(
                Group(application=application, group_id=f"g-{n}", name=f"Group {n}", size=n)
                for n in range(groups)
            )
            names = [f"device-{n:09d}" for n in range(ids)]
            Device.objects.bulk_create(
                Device(
                    application=application, device_id=name, device_type=f"Meter {n % profiles}",
                    manufacturer_id="m", model="X", status=("ONLINE", "OFFLINE")[n % 2],
                    location=f"Hall {n % 9}",
                )
                for n, name in enumerate(names) if n % 100 or ids == 1
            )  # fmt: skip
            census.take(application)
            devices = DeviceList.objects.create(
                author=user, count=ids, first=names[:5], text="\n".join(names)
            )
            for n in range(tasks):
                paras = {f"p{k}": n for k in range(parameters)}
                TaskFactory(
                    application=application, author=user, kind="Broadcast",
                    ask={"command": {"serviceId": "S0", "method": "C0", "paras": paras}},
                )  # fmt: skip
            self.client.force_login(user)
        self.typed = {
            "application": str(application.pk), "profile": str(made[0].pk), "target_type": "DeviceList",
            "callback": "on", "device_list": str(devices.pk), "service_id": "S0", "method": "C0",
            "timeout": "1440", "name": "水表 " * 80,
            "group_names": "\n".join(f"Group {n}" for n in range(min(groups, 50))), "draft": str(uuid.uuid4()),
            "page": str(uuid.uuid4()), "revision": "0", **{f"para:p{n}": "7" for n in range(parameters)},
        }  # fmt: skip
        self.last = str(made[-1].pk)

    def post(self, path: str, part: str, change: dict[str, str], turn: int) -> float:
        turns = {"turn_of_3": turn % 3, "turn_of_4": turn % 4}
        values = self.typed | {
            name: self.last if value == "last" else value.format(**turns) for name, value in change.items()
        }
        with using(self.database):
            start = time.perf_counter()
            answer: Any = self.client.post(path, values, HTTP_HX_REQUEST="true", HTTP_HX_TARGET=part)
            seconds = time.perf_counter() - start
        assert answer.status_code == 200, answer.content[:2000]
        return seconds * 1000


def _profile(parameters: int) -> schema.Profile:
    def commands() -> Iterator[Command]:
        for n in range(4):
            yield Command(f"C{n}", tuple(_parameter(k) for k in range(parameters)))

    services = tuple(Service(f"S{n}", "S", commands=tuple(commands())) for n in range(3))
    return schema.Profile("Meter", "m", "Maker", "X", "CoAP", services)


def _parameter(number: int) -> Parameter:
    return Parameter(
        f"p{number}", DataType.INT, minimum=Decimal(0), maximum=Decimal(10_000), unit="mm",
        description="How far the slider goes before it stops",
    )  # fmt: skip


def _compare(words: str, path: str, part: str, change: dict[str, str], sites: list[Site]) -> None:
    times: list[list[float]] = [[], []]
    for turn in range(ROUNDS):
        for site, taken in zip(sites, times, strict=True):
            taken.append(site.post(path, part, change, turn))
    small, large = (statistics.median(taken) for taken in times)
    worst = statistics.quantiles(times[1], n=20)[-1]
    line(words, f"{small:.1f} -> {large:.1f}, p95 {worst:.1f}", f"x{large / small:.1f}", met=worst <= GOAL)
