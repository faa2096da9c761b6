"""How far a command reaches in a catalogue of a million devices: what the composer tells beside the form.

The time of ``tasks.reach`` alone, with nothing remembered from before; a page asks for it once in ten minutes. Beside
it what is plain: the target's devices, read row by row and counted in Python; of a list 500 ids at a time.
"""

from __future__ import annotations

import logging
import statistics
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import connection
from django.db.models import Q

from tasks.models import Application, Device, DeviceList
from tasks.reach import doubts, reach
from tests.bench import devices
from tests.bench.databases import using
from tests.bench.devices import DEVICES
from tests.bench.report import line
from tests.bench.rows import device_id

ROUNDS = 9
GOAL = 1000
"""Milliseconds: a page is there within a second."""

COMMAND = {"serviceId": "Valve", "method": "CLOSE"}
TARGETS: tuple[tuple[str, dict[str, Any], Q], ...] = (
    ("everything", {"type": "Broadcast"}, Q()),
    (
        "a type of 30 %",
        {"type": "DeviceType", "deviceType": "WaterMeter", "manufacturerId": "Muster", "model": "M0"},
        Q(device_type="WaterMeter", manufacturer_id="Muster", model="M0"),
    ),
    ("a location of 0.25 %", {"type": "DeviceArea", "deviceLocation": "Hall-7"}, Q(location="Hall-7")),
    ("a group of 1 %", {"type": "GroupList", "groupList": ["pilot"]}, Q(groups__name="pilot")),
    (
        "a group of half of all",
        {"type": "GroupList", "groupList": ["maintenance"]},
        Q(groups__name="maintenance"),
    ),
)
LISTS = (1_000, 100_000, DEVICES)


def run() -> None:
    logging.disable(logging.CRITICAL)
    with using(devices.database()):
        application = Application.objects.get()
        line(f"reach in 1,000,000 devices, {connection.vendor}", "median, slowest", "plainly")
        for words, param, passes in TARGETS:
            _row(
                words,
                partial(reach, application, param | {"command": COMMAND}),
                partial(_plain, application, passes),
            )
        for many in LISTS:
            kept = _list(many)
            param = {"type": "DeviceList", "command": COMMAND}
            plain = partial(_plain_list, application, kept)
            _row(f"a list of {many:,}, one in 100 unknown", partial(reach, application, param, kept), plain)
        kept, command = _list(100_000), ("Valve", "CLOSE")
        _row(
            "which of a list of 100,000 are in doubt",
            partial(doubts, application, kept.text, None, command),
            partial(_plain_list, application, kept),
        )


def _list(many: int) -> DeviceList:
    every = DEVICES // many
    ids = [device_id(n * every, DEVICES) if n % 100 else f"nobody-{n}" for n in range(many)]
    return DeviceList.of(User.objects.get(username="root"), ids)


def _row(words: str, ours: Callable[[], Any], plain: Callable[[], Any]) -> None:
    times, theirs = [], []
    for round_ in range(ROUNDS):
        cache.clear()
        times.append(_milliseconds(ours))
        if round_ < 3 and sum(theirs) < 3000:
            theirs.append(_milliseconds(plain))
    slowest = max(times)
    figure = f"{statistics.median(times):.0f} ms, at most {slowest:.0f} ms"
    line(words, figure, f"{statistics.median(theirs):,.0f} ms", met=statistics.median(times) <= GOAL)


def _plain(application: Application, passes: Q) -> None:
    counted = Counter()
    for device in application.devices.filter(passes).order_by().iterator():
        counted[device.device_type, device.manufacturer_id, device.model, device.status] += 1


def _plain_list(application: Application, kept: DeviceList) -> None:
    ids, counted = kept.ids, Counter()
    for at in range(0, len(ids), 500):
        for device in Device.objects.filter(
            application=application, device_id__in=ids[at : at + 500]
        ).order_by():
            counted[device.device_type, device.manufacturer_id, device.model, device.status] += 1


def _milliseconds(act: Callable[[], Any]) -> float:
    start = time.perf_counter()
    act()
    return (time.perf_counter() - start) * 1000
