"""Schedules of faults in one process: a bag of messages, a clock that jumps, workers that die or freeze at any point.

A *frozen* worker is one in whose middle others go on: the schedule runs other messages inside the crash point.
A *killed* one never comes back from the point. Killed and frozen real processes are in ``site``.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

from django.contrib.auth.models import User
from django.utils import timezone

from tasks import bells, clock, crash, jobs, lifecycle
from tasks.models import Application, Attempt, Call, Callback, Task
from tasks.platform import line
from tasks.sandbox.config import Pace
from tasks.sandbox.ledger import Ledger
from tasks.states import FINAL, State
from tests.factories import request
from tests.sandbox import Sandbox, running_sandbox

from .database import database
from .invariants import Counts, check

# Nothing is pushed and no task ends by itself: answers of devices are pushed by the schedule.
STILL = Pace(start=1e9)
UNKNOWN = ("cut", "half", "html", "empty", "text", "stall", "drip", "flood")
CODES = ("50252", "105001", "1010009", "1010005", "100203", "101001", "50400")
REST_SECONDS = 1500
"""Without faults, everything must have come to rest in so long a time of the fake clock."""

DEPTH = 2


class Killed(BaseException):
    """The worker is gone; nothing in it may go on."""


class World:
    """One process's database and sandbox, in which schedules run one after another."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.author = User.objects.create(username="operator")
        self.offset = 0.0

    def now(self) -> dt.datetime:
        return timezone.now() + dt.timedelta(seconds=self.offset)

    def monotonic(self) -> float:
        return time.monotonic() + self.offset

    def sleep(self, seconds: float) -> None:
        self.offset += seconds

    def run(self, seed: int) -> Counts:
        schedule = Schedule(self, seed)
        with schedule.patched():
            return schedule.run()


@contextlib.contextmanager
def world() -> Iterator[World]:
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="muster-faults-"))
        stack.enter_context(database(f"sqlite:///{Path(folder) / 'db.sqlite3'}", durable=False))
        sandbox = stack.enter_context(
            running_sandbox(calls_per_minute=10**9, unfinished_limit=10**9, strict=True, devices=10)
        )
        sandbox.platform.config = dataclasses.replace(sandbox.platform.config, pace=STILL)
        made = World(sandbox)
        fake = SimpleNamespace(monotonic=made.monotonic, sleep=made.sleep)
        stack.enter_context(mock.patch.object(clock, "now", made.now))
        stack.enter_context(mock.patch.object(line, "time", fake))
        stack.enter_context(mock.patch.object(line, "IDLE", 0.25))
        for module in ("submit", "tokens"):  # by name: the verb ``submit`` hides its module
            stack.enter_context(mock.patch.object(sys.modules[f"tasks.lifecycle.{module}"], "time", fake))
        yield made


class Schedule:
    """One schedule, drawn from its seed."""

    def __init__(self, world: World, seed: int) -> None:
        self.world, self.seed = world, seed
        self.dice = random.Random(seed)
        self.bag: list[tuple[str, int]] = []
        self.counts = Counts(schedules=1)
        self.depth = 0
        self.faulty = True
        self.kill, self.freeze = self.dice.choice(((0, 0), (0.15, 0), (0, 0.15), (0.1, 0.1), (0.3, 0)))

    @contextlib.contextmanager
    def patched(self) -> Iterator[None]:
        with (
            mock.patch.object(bells, "ring", self.ring),
            mock.patch.object(crash, "point", self.point),
            contextlib.ExitStack() as stack,
        ):
            for name, module in list(sys.modules.items()):
                if name.startswith("tasks.lifecycle") and hasattr(module, "ring"):
                    stack.enter_context(mock.patch.object(module, "ring", self.ring))
            random.seed(self.seed)
            yield

    # What workers and the broker do

    def ring(self, job: str, pk: int) -> None:
        luck = self.dice.random() if self.faulty else 1.0
        if luck >= 0.1:
            self.bag.append((job, pk))
        if luck >= 0.9 and self.faulty:
            self.bag.append((job, pk))

    def point(self, name: str) -> None:
        if not self.faulty:
            return
        luck = self.dice.random()
        if luck < self.kill:
            self.counts.kills += 1
            raise Killed(name)
        if luck < self.kill + self.freeze and name != "P0" and self.depth < DEPTH:
            self.counts.freezes += 1
            self.depth += 1
            try:
                for _ in range(self.dice.randint(1, 4)):
                    self.step()
            finally:
                self.depth -= 1

    def job(self, name: str, *args: int) -> None:
        with contextlib.suppress(Killed):
            getattr(jobs, name)(*args)

    def hear(self) -> None:
        """A worker takes any message of the bag: order means nothing."""
        if self.bag:
            self.job(*self.bag.pop(self.dice.randrange(len(self.bag))))

    # One step of the schedule

    def step(self) -> None:
        step = self.dice.choices(
            (self.hear, self.sweep, self.pass_time, self.push, self.lose, self.operate),
            (40, 15, 15, 6, 4, 4),
        )[0]
        step()

    def sweep(self) -> None:
        self.job("sweep")

    def pass_time(self) -> None:
        self.world.offset += self.dice.choice((1, 5, 20, 35, 61, 125, 181, 200))

    def lose(self) -> None:
        self.bag.clear()

    def push(self) -> None:
        """A device answers, if the platform has the task: perhaps twice, perhaps before we know the taskID."""
        task = self.dice.choice(self.tasks())
        if task.callback_token and self.made(task):
            body = (
                b'{"deviceId":"%s","commandId":"c","result":{"resultCode":"SENT"}}' % self.devices[0].encode()
            )
            for _ in range(self.dice.choice((1, 1, 2))):
                lifecycle.receive([lifecycle.Arrival(task.callback_token, body)])
            self.ring("settle", task.pk)

    def operate(self) -> None:
        """A person acts, and always tells the truth."""
        task = self.dice.choice(self.tasks())
        with contextlib.suppress(lifecycle.NotSettled):
            if task.state == State.QUEUED and self.dice.random() < 0.3:
                lifecycle.cancel(task, self.world.author)
            elif task.state == State.UNCONFIRMED and (made := self.made(task)):
                lifecycle.confirm(task, made, self.world.author)
            elif task.state == State.UNCONFIRMED and self.depth == 0:
                lifecycle.resubmit(task, self.world.author)

    # The whole

    def run(self) -> Counts:
        world, dice = self.world, self.dice
        self.begin()
        self.spoil()
        for _ in range(dice.randint(8, 25)):
            if self.unmade and dice.random() < 0.4:
                self.compose()
            self.step()
        while self.unmade:
            self.compose()
        rules = world.sandbox.platform.faults.rules
        self.refused_tokens = sum(rule.used for rule in rules if rule.code == "1010005")
        rules.clear()
        self.faulty = False
        self.rest()
        ledger = world.sandbox.platform.ledger
        check(self.counts, self.tasks(), [entry.shown() for entry in ledger.creates], ledger.overlaps)
        if self.automatic and self.counts.unsettled:
            stuck = [task for task in self.tasks() if task.state == State.UNCONFIRMED and not task.probed]
            self.counts.broken += [f"G4 not probed: {task.name}" for task in stuck]
        self.check_logins()
        self.counts.broken = [f"seed {self.seed}: {what}" for what in self.counts.broken]
        return self.counts

    def begin(self) -> None:
        world, dice = self.world, self.dice
        platform = world.sandbox.platform
        self.automatic = dice.random() < 0.3
        for kept in (platform.tasks, platform.names, platform.sisters, platform.dispatches):
            kept.clear()
        platform.active.clear()
        platform.ledger = Ledger()  # answers of the schedule before may still drip into the old one
        names = "forever" if self.automatic else dice.choice(("off", "off", "off", "unfinished", "forever"))
        platform.config = dataclasses.replace(
            platform.config, unique_names=names, batch_in_commands=dice.random() < 0.5
        )
        platform.faults.dice.seed(self.seed)
        for model in (Callback, Attempt, Task, Call, Application):
            model.objects.all().delete()
        self.devices = world.sandbox.devices(2)
        self.application = Application.objects.create(
            name="faults",
            url=world.sandbox.url,
            app_id=world.sandbox.app_id,
            secret=world.sandbox.secret,
            lasting_names=self.automatic,
            query_commands=dice.random() < 0.5,
            unfinished_limit=dice.choice((1, 2, 10)) if dice.random() < 0.3 else 10,
            calls_per_minute=dice.choice((10, 100)),
        )
        self.unmade = dice.randint(1, 4)
        self.started = world.offset
        self.compose()

    def compose(self) -> None:
        self.unmade -= 1
        asked = request(taskName=f"task {self.seed}/{self.unmade}", param={"deviceList": self.devices})
        lifecycle.compose(self.application, self.world.author, asked)

    def spoil(self) -> None:
        dice, rules = self.dice, []
        for _ in range(dice.choice((0, 1, 1, 2, 3, 4))):
            route = dice.choice(("create", "create", "create", "create", "login", "any"))
            if dice.random() < 0.35:
                rule: dict[str, Any] = {"action": "error", "code": dice.choice(CODES)}
            elif dice.random() < 0.1:
                rule = {
                    "action": "redirect",
                    "location": "http://127.0.0.1:9/",
                    "status": dice.choice((301, 302, 307)),
                }
            else:
                rule = {"action": dice.choices(UNKNOWN, (8, 6, 3, 3, 3, 1, 1, 1))[0]}
                if rule["action"] == "drip":
                    rule["seconds"] = 0.3
                rule["after"] = dice.random() < 0.6
            if dice.random() < 0.3:
                rule["nth"] = dice.randint(1, 4)
            rules.append(rule | {"route": route, "times": dice.randint(1, 3)})
        self.spoilt_login = any(rule["route"] in ("login", "any") for rule in rules)
        self.world.sandbox.platform.faults.add(rules)

    def rest(self) -> None:
        """No more faults: all must settle by itself, with nothing but sweeps."""
        over = self.world.offset + REST_SECONDS
        while self.world.offset < over:
            self.job("sweep")
            for _ in range(60):
                if not self.bag:
                    break
                self.bag = [bell for bell in self.bag if bell[0] != "reconcile"]
                self.hear()
            open_tasks = Task.objects.exclude(state__in=[*FINAL, State.RUNNING])
            waiting = open_tasks.exclude(state=State.UNCONFIRMED, poll_at=None)  # those wait for a person
            if not waiting.exists():
                return
            if self.application.unfinished_limit < 10:
                self.end_some()
            moments = [
                moment for row in waiting.values_list("due_at", "lease_until", "poll_at") for moment in row
            ]
            ahead = [(moment - self.world.now()).total_seconds() for moment in moments if moment]
            self.world.offset += max(min((seconds for seconds in ahead if seconds > 0), default=20), 5)

    def end_some(self) -> None:
        """Slots are freed as tasks end: the platform's word, given by the schedule."""
        for task in self.tasks():
            if task.state == State.RUNNING:
                lifecycle.transitions.move(task, State.COMPLETE, "the schedule ends it", poll_at=None)
            elif task.state == State.UNCONFIRMED and task.poll_at is None:
                Task.objects.filter(pk=task.pk).update(timeout=10, created_at=self.world.now() - dt.timedelta(hours=1),
                                                       due_at=self.world.now() - dt.timedelta(hours=1))  # fmt: skip

    def check_logins(self) -> None:
        """One login in all, but for tokens that expired or were refused; one process cannot make two at once."""
        if self.spoilt_login:
            return
        ledger = self.world.sandbox.platform.ledger
        lives = 2 + int((self.world.offset - self.started) // 3400)
        allowed = lives + self.refused_tokens + ledger.errors["1010005"]
        if ledger.most_logins > 1 or ledger.calls["login"] > allowed:
            self.counts.broken.append(
                f"I10 {ledger.calls['login']} logins, {allowed} allowed, {ledger.most_logins} at once"
            )

    def tasks(self) -> list[Task]:
        return list(Task.objects.select_related("application").order_by("id"))

    def made(self, task: Task) -> str:
        """What the platform made of it."""
        creates = self.world.sandbox.platform.ledger.creates
        return next((entry.task_id for entry in creates if entry.name == task.name and entry.task_id), "")
