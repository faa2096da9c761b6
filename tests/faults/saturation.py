"""``make saturation``: real workers, more work than the platform allows, and a sandbox that enforces its limits."""

from __future__ import annotations

import time
from dataclasses import dataclass

from tasks.models import Task, Transition
from tasks.sandbox.config import Pace
from tasks.states import FINAL
from tests.bench.report import line, spread

from .site import Site, running_site

WORKERS = 4
ROOM = 200
"""Tasks that always wait: the limit is what is slow, never the operators."""

TASKS_OF_SECONDS = Pace(start=1, spread=10, rate=100_000, deliver=0.5, answer=1)


@dataclass
class Calls:
    """What the platform counted while it was saturated."""

    limit: int
    moments: list[float]
    most: int
    creates: int
    throttled: int
    logins: int

    @property
    def a_minute(self) -> float:
        """Over as many whole budgets as were used: from a call to the one that took its place, and so on."""
        budgets = (len(self.moments) - 1) // self.limit
        if not budgets:
            return float("nan")
        full = budgets * self.limit
        return full * 60 / (self.moments[full] - self.moments[0])


@dataclass
class Slots:
    """What the platform counted while all its slots were wanted."""

    creates: int
    full: int
    most: int
    refills: list[float]


def calls(seconds: float, limit: int = 100) -> Calls:
    """Four workers, beat, and more tasks than the calls of a minute allow, for so long."""
    with running_site(
        settings_module="dashboard.settings", limits={"calls_per_minute": limit}, calls_per_minute=limit
    ) as site:
        ledger, moments = site.sandbox.platform.ledger, []
        count = ledger.called

        def called(route: str) -> None:
            moments.append(time.monotonic())
            count(route)

        ledger.called = called  # type: ignore[method-assign]
        _work(site)
        over = time.monotonic() + seconds
        while time.monotonic() < over:
            _feed(site)
            time.sleep(0.5)
        return Calls(
            limit,
            list(moments),
            ledger.most_calls,
            ledger.calls["create"],
            ledger.errors["1010009"],
            ledger.calls["login"],
        )


def slots(seconds: float, limit: int = 10) -> Slots:
    """The same with ten slots, for tasks that take some seconds each."""
    with running_site(
        settings_module="dashboard.settings",
        limits={"unfinished_limit": limit, "calls_per_minute": 1_000},
        unfinished_limit=limit,
        calls_per_minute=1_000,
        **{f"pace_{name}": value for name, value in vars(TASKS_OF_SECONDS).items()},
    ) as site:
        platform = site.sandbox.platform
        most = 0
        site.start_web()
        _work(site)
        over = time.monotonic() + seconds
        while time.monotonic() < over:
            _feed(site, callback=True)
            most = max(most, sum(not each.finished for each in list(platform.active)))
            time.sleep(0.1)
        made = sorted(entry.at for entry in platform.ledger.creates if entry.task_id)
        freed = sorted(
            at.timestamp()
            for at in Transition.objects.filter(to_state__in=FINAL).values_list("at", flat=True)
            if at.timestamp() < made[-1]
        )
        refills = [max(again - free, 0.0) for free, again in zip(freed, made[limit:], strict=False)]
        ledger = platform.ledger
        return Slots(ledger.calls["create"], ledger.errors["105001"], most, refills)


def _work(site: Site) -> None:
    """The platform is called without the proxy in between; four workers of one process each, and beat."""
    type(site.application).objects.update(url=site.sandbox.url)
    _feed(site)
    for _ in range(WORKERS):
        site.start_worker(concurrency=1)
    site.beat()


def _feed(site: Site, *, callback: bool = False) -> None:
    for _ in range(ROOM - Task.objects.filter(state="QUEUED").count()):
        site.compose(callback=callback)


def run(minutes: float) -> bool:
    """Print the figures; False when a goal is missed. The slots take a fifth of the time, and a minute at least."""
    made = calls(minutes * 60)
    line("creates", f"{made.creates:,} in {minutes:g} min")
    line("calls used a minute", f"{made.a_minute:.1f} of {made.limit}", ">= 95", met=made.a_minute >= 95)
    line("most calls in any sliding 60 s", f"{made.most}", f"<= {made.limit}", met=made.most <= made.limit)
    line("answers 1010009", f"{made.throttled}", "0", met=made.throttled == 0)
    line("logins", f"{made.logins}", "1", met=made.logins == 1)
    seconds = max(minutes * 12, 60)
    held = slots(seconds)
    share, slowest = held.full / held.creates, max(held.refills, default=float("inf"))
    line("creates with ten slots", f"{held.creates} in {seconds:g} s")
    line("unfinished tasks, most", f"{held.most}", "<= 10", met=held.most <= 10)
    line("answers 105001", f"{held.full} ({share:.1%} of creates)", "<= 1 %", met=share <= 0.01)
    line("a freed slot is filled after", spread(held.refills, " s"), "<= 5 s", met=slowest <= 5)
    within = made.most <= made.limit and held.most <= 10 and made.logins == 1
    return within and made.a_minute >= 95 and not made.throttled and share <= 0.01 and slowest <= 5
