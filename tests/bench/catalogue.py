"""The catalogue of a million devices: every kind of search, and what reading a page of 250 costs.

Server time of the whole page through Django's test client, with a 95th percentile of at most GOAL milliseconds.
Beside it what the same search costs plainly: all conditions in one query, with COUNT(*). Reading is measured against
the sandbox in this process, without the call budget, beside a page that is stored with the ORM's bulk_create.
"""

from __future__ import annotations

import logging
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Q
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext

from tasks import sync
from tasks.fleet import Choice, search
from tasks.lifecycle.asking import ask
from tasks.models import Application
from tasks.sync import rows, sections, turns
from tests.bench import devices
from tests.bench.databases import fresh, using
from tests.bench.devices import DEVICES
from tests.bench.report import line, spread
from tests.bench.rows import device_id
from tests.factories import ApplicationFactory
from tests.sandbox import running_sandbox

GOAL = 100
ROUNDS = 20
SEARCHES: tuple[tuple[str, dict[str, str]], ...] = (
    ("all, first page", {}),
    ("all, in the middle", {"before": "500000"}),
    ("all, last page", {"before": "999960"}),
    ("beginning of an id", {"text": "7fff"}),
    ("first character of ids that were read late", {"text": "e"}),
    ("first character of everything", {"text": "8"}),
    ("a whole id", {"text": device_id(654321, DEVICES)}),
    ("beginning of a name that many have", {"text": "WaterM"}),
    ("beginning of a name that few have", {"text": "SmartLock-09999"}),
    ("what is printed on it", {"text": "867000000654321"}),
    ("a text that none has", {"text": "zzz"}),
    ("type", {"device_type": "SmartLock"}),
    (
        "type, manufacturer and model",
        {"device_type": "AirSensor", "manufacturer_id": "Muster", "model": "M1"},
    ),
    ("model alone", {"model": "M3"}),
    ("status that most have", {"status": "ONLINE"}),
    ("status that few have", {"status": "INACTIVE"}),
    ("status that none has", {"status": "SLEEPING"}),
    ("location", {"location": "Hall-7"}),
    ("group of 1 %", {"group": "pilot"}),
    ("group of half of all", {"group": "maintenance"}),
    ("group, in the middle", {"group": "maintenance", "before": "500000"}),
    ("status and type", {"status": "OFFLINE", "device_type": "WaterMeter"}),
    ("status, type and location", {"status": "ABNORMAL", "device_type": "AirSensor", "location": "Hall-7"}),
    ("group and status", {"group": "maintenance", "status": "OFFLINE"}),
    (
        "group and a status that none of it has",
        {"group": "leased", "status": "INACTIVE", "device_type": "AirSensor"},
    ),
    ("status and text, both of many", {"status": "ONLINE", "text": "StreetL"}),
    ("last command failed", {"outcome": "failed"}),
    ("last command failed, one group", {"outcome": "failed", "group": "east-wing"}),
    ("never commanded, one type", {"outcome": "never", "device_type": "SmartLock"}),
)


def run() -> None:
    logging.disable(logging.CRITICAL)
    with using(devices.database()), override_settings(ALLOWED_HOSTS=["testserver"]):
        client, application = Client(), Application.objects.get()
        client.force_login(User.objects.get(username="root"))
        line(
            f"search over 1,000,000 devices, {connection.vendor}", "page: median, p95 ms", "the same, plainly"
        )
        every: list[float] = []
        for words, asked in SEARCHES:
            page, plain = partial(client.get, "/catalogue/", asked), partial(_plain, application, asked)
            page()
            ours, theirs = [], []
            for round_ in range(ROUNDS):
                ours.append(_milliseconds(page))
                if round_ < 3 and sum(theirs) < 1000:
                    theirs.append(_milliseconds(plain))
            every += ours
            slow = _percentile(ours)
            figure = f"{statistics.median(ours):.0f} ms, p95 {slow:.0f} ms"
            line(words, figure, f"{statistics.median(theirs):,.0f} ms", met=slow <= GOAL)
        line(
            "all searches together",
            f"p95 {_percentile(every):.0f} ms",
            f"<= {GOAL} ms",
            met=_percentile(every) <= GOAL,
        )
    with tempfile.TemporaryDirectory(prefix="muster-bench-catalogue-") as folder, using(fresh(folder)):
        _reading()


def _plain(application: Application, asked: dict[str, str]) -> None:
    choice = Choice.from_query(asked)
    exact = {
        name: value for name, value in choice.to_query().items() if name not in ("text", "group", "outcome")
    }
    found = application.devices.filter(**exact)
    if text := choice.text:
        found = found.filter(
            Q(device_id__startswith=text) | Q(node_id__startswith=text) | Q(name__startswith=text)
        )
    if choice.group:
        found = found.filter(groups__group_id=choice.group)
    if choice.outcome:
        found = found.filter(search(application, Choice(outcome=choice.outcome)).rest)
    if "before" in asked:
        list(found.order_by("pk").filter(pk__gt=asked["before"])[:51])
    else:
        list(found.order_by("pk")[:51])
    found.count()


def _reading() -> None:
    with running_sandbox(devices=20_000, calls_per_minute=100_000) as sandbox:
        application = ApplicationFactory(
            url=sandbox.url, app_id=sandbox.app_id, secret=sandbox.secret, calls_per_minute=100_000
        )
        taken = turns.take(sync.start(application).pk)
        question = partial(ask, application)
        sections.step(taken, question)
        upsert = rows.upsert
        ours, theirs, statements = [], [], {}
        for _ in range(20):
            for name, write, times in (("ours", upsert, ours), ("bulk_create", _with_the_orm, theirs)):
                rows.upsert = write
                times.append(_milliseconds(lambda: sections.step(taken, question)))
                with CaptureQueriesContext(connection) as queries:
                    sections.step(taken, question)
                statements[name] = max(statements.get(name, 0), len(queries))
        rows.upsert = upsert
    goal = f"bulk_create: {statements['bulk_create']}"
    line("statements for a page of 250 devices", str(statements["ours"]), goal, met=statements["ours"] <= 10)
    line(
        "reading a page of 250, sandbox and all", spread(ours, " ms"), f"bulk_create: {spread(theirs, ' ms')}"
    )


def _with_the_orm(model: Any, columns: Any, unique: Any, values: list[list[Any]]) -> None:
    model.objects.bulk_create(
        [model(**dict(zip(columns, row, strict=True))) for row in values],
        update_conflicts=True,
        unique_fields=[name.removesuffix("_id") if name == "application_id" else name for name in unique],
        update_fields=[name for name in columns if name not in unique],
    )


def _milliseconds(act: Callable[[], Any]) -> float:
    start = time.perf_counter()
    act()
    return (time.perf_counter() - start) * 1000


def _percentile(times: list[float]) -> float:
    return sorted(times)[int(len(times) * 0.95) - 1]
