"""The crash matrix: every point, every database, every broker, judged by what the platform has."""

from __future__ import annotations

import contextlib
import multiprocessing
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed

from tasks import lifecycle
from tasks.models import Application, Task
from tasks.states import State

from . import servers
from .invariants import Counts, check
from .long import prepare
from .proxy import CREATE, Spoil
from .shorter import QUIET
from .site import Site, running_site

POINTS = ("P0", "P1", "P2", "P3", "P4", "P5", "P6", "P7")
DATABASES = ("sqlite", "postgresql")
BROKERS = ("embedded", "redis", "rabbitmq")
EXISTS = frozenset({State.RUNNING, State.COMPLETE})

Expected = tuple[int, frozenset[State], bool]  # creates, states, and is the taskID known?


def expected(point: str, *, lasting: bool) -> Expected:
    """Reliability 2.8; with lasting names the probe may ask once more."""
    doubt = frozenset({State.UNCONFIRMED})
    if point in ("P0", "P1", "P6"):
        return 1, EXISTS, True
    if point in ("P2", "P3"):
        return (1, EXISTS, True) if lasting else (0, doubt, False)
    if point in ("P4", "P5"):
        return (1, EXISTS, False) if lasting else (1, doubt, False)
    return 1, doubt, False


def crash(site: Site, point: str, *, lasting: bool = True) -> Counts:
    """Let a worker die at this point with one task, and count what came of it."""
    lasting = lasting or point == "P7"
    Application.objects.filter(pk=site.application.pk).update(
        lasting_names=lasting, failures=0, open_until=None
    )
    site.application.refresh_from_db()
    site.proxy.spoils.clear()
    plan = None
    if point == "P3":
        site.proxy.spoils.append(Spoil(CREATE, up=200, then=site.kill_children))
    elif point == "P4":
        site.proxy.spoils.append(Spoil(CREATE, down=0, then=site.kill_children))
    else:
        if point == "P7":
            site.proxy.spoils.append(Spoil(CREATE, up=100, end="reset"))
        plan = site.plan(point)
    task = site.compose()
    creates, states, known = expected(point, lasting=lasting)

    def there() -> bool:
        row = Task.objects.get(pk=task.pk)
        happened = not plan.exists() if plan else not any(spoil.times for spoil in site.proxy.spoils)
        resting = row.state != State.UNCONFIRMED or not lasting or row.probed
        return happened and row.state in states and resting and len(site.made(task)) >= creates

    site.wait(there, 45)
    if State.UNCONFIRMED in states:
        time.sleep(QUIET + 1)  # nothing more may be sent
    task = Task.objects.get(pk=task.pk)
    counts = Counts(schedules=1, kills=1)
    check(counts, [task], site.entries(task), site.sandbox.platform.ledger.overlaps)
    found = len(site.made(task)), task.state in states, bool(task.platform_task_id)
    if found != (creates, True, known):
        counts.broken.append(
            f"expected {creates} {sorted(states)} {known}, found {found} {task.state} {task.reason}"
        )
    with contextlib.suppress(lifecycle.NotSettled):  # a later case must not probe it
        lifecycle.abandon(task, site.author)
    counts.broken = [f"{point} lasting={lasting}: {what}" for what in counts.broken]
    return counts


@contextlib.contextmanager
def running(database: str, broker: str) -> Iterator[Site]:
    with contextlib.ExitStack() as stack:
        database_url = stack.enter_context(servers.postgresql()).url if database == "postgresql" else ""
        broker_url = "" if broker == "embedded" else stack.enter_context(getattr(servers, broker)()).url
        yield stack.enter_context(running_site(database_url, broker_url))


def whole(runs: int) -> Counts:
    """The whole matrix; its six columns side by side."""
    total = Counts()
    with ProcessPoolExecutor(3, multiprocessing.get_context("spawn"), initializer=prepare) as pool:
        columns = [
            pool.submit(column, database, broker, runs) for database in DATABASES for broker in BROKERS
        ]
        for each in as_completed(columns):
            total += each.result()
            print(f"Crash matrix: {total}", flush=True)
    return total


def column(database: str, broker: str, runs: int) -> Counts:
    """All points on one database and one broker, again and again; the probe on and off in turns."""
    total = Counts()
    with running(database, broker) as site:
        site.start_worker()
        for run in range(runs):
            for point in POINTS:
                try:
                    counts = crash(site, point, lasting=run % 2 == 0)
                except AssertionError as error:
                    counts = Counts(schedules=1, broken=[f"{point}: {str(error)[-1500:]}"])
                counts.broken = [f"{database} {broker} run {run} {what}" for what in counts.broken]
                total += counts
    return total
