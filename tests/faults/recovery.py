"""``make recovery``: how long it takes until work goes on, with the product's own leases and without beat."""

from __future__ import annotations

import signal
import time
from unittest import mock

from tasks import bells
from tasks.models import Task
from tasks.states import State
from tests.bench.report import line, spread

from . import servers
from .desk import Desk
from .site import Site, running_site

CLICKS = 10


def run() -> bool:
    """Print the figures; False when a goal is missed."""
    return all([_bells_lost(), _worker_killed(), _broker_away()])


def _bells_lost() -> bool:
    """No beat, and the broker lost every message: a worker looks for itself."""
    with running_site(settings_module="dashboard.settings") as site:
        site.start_worker()
        waited = []
        for _ in range(3):
            with mock.patch.object(bells._waiting, "put_nowait"):
                task = site.compose()
            waited.append(_until_sent(site, task, time.monotonic()))
        return _row("a due task is sent without beat and bells after", waited, 60)


def _worker_killed() -> bool:
    """In the middle of a request, with another task behind it; then a new worker is started, and no beat."""
    with running_site(settings_module="dashboard.settings") as site:
        site.sandbox.faults({"route": "create", "action": "latency", "seconds": 60, "times": 1})
        worker = site.start_worker(concurrency=1)
        held, behind = site.compose(), site.compose()
        site.wait(lambda: site.entries(held))
        claimed = time.monotonic()
        site.kill(worker)
        site.start_worker(concurrency=1)
        resumed = _row("a killed worker's queue goes on after", [_until_sent(site, behind, claimed)], 60)
        site.wait(lambda: site.state(held) != State.SUBMITTING, 300)
        freed = _row("SUBMITTING, when its worker is gone, lasts", [time.monotonic() - claimed], 210)
        return resumed and freed and site.state(held) == State.UNCONFIRMED


def _broker_away() -> bool:
    """Real clicks on *Submit* while Redis is gone, and while it hangs."""
    good = []
    for what, number in (("gone", signal.SIGKILL), ("frozen", signal.SIGSTOP)):
        with servers.redis() as redis, running_site(broker_url=redis.url) as site:
            site.start_web()
            site.start_worker()
            desk = Desk(site)
            drafts = [desk.review() for _ in range(CLICKS)]
            if number == signal.SIGKILL:
                redis.stop()
            elif redis.process:
                redis.process.send_signal(number)
            clicks = [desk.submit(draft) for draft in drafts]
            good.append(
                _row(f"Redis {what}: the click is answered in", [click.seconds for click in clicks], 1)
            )
            if number == signal.SIGKILL:
                redis.start()
            elif redis.process:
                redis.process.send_signal(signal.SIGCONT)
            site.arrived(*(click.task for click in clicks))
            once = Task.objects.count() == len(site.sandbox.platform.ledger.creates) == CLICKS
            line(f"Redis {what}: of {CLICKS} clicks", f"{CLICKS} sent once" if once else "LOST", met=once)
            good.append(once)
    return all(good)


def _until_sent(site: Site, task: Task, since: float) -> float:
    site.wait(lambda: site.entries(task), 120)
    return time.monotonic() - since


def _row(what: str, seconds: list[float], goal: float) -> bool:
    met = max(seconds) <= goal
    line(what, spread(seconds, " s"), f"<= {goal:g} s", met=met)
    return met
