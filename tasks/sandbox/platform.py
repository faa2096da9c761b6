"""The platform's memory: everything that lives until the process ends, in one place."""

from __future__ import annotations

import time
from array import array
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from . import codec
from .accounts import Account
from .checks import Order
from .config import Config
from .dice import pick, roll
from .dispatch import FAILED, SUCCESSFUL, Dispatch
from .faults import Faults
from .fleet import Fleet
from .groups import Groups
from .ids import new_task_id, sealed, unsealed
from .ledger import Ledger
from .pushes import Pushes

SERIAL_BITS = 28  # a command's number is its dispatch's serial above, its position below these bits


@dataclass
class Task:
    """A batch task: an order with a name, and the dispatch that carries it out."""

    id: str
    order: Order
    dispatch: Dispatch

    @property
    def status(self) -> str:
        """Pending, Running, Complete or Timeout (facts 2.2; when each begins is our choice)."""
        if self.dispatch.finished:
            return "Timeout" if self.dispatch.timed_out else "Complete"
        return "Running" if self.dispatch.cursor else "Pending"


class Platform:
    def __init__(self, config: Config) -> None:
        self.config = config
        self.started = time.time()
        self.fleet = Fleet(config.devices, config.seed, self.started)
        self.groups = Groups(config.seed)
        self.account = Account()
        self.ledger = Ledger()
        self.faults = Faults(config.seed)
        self.pushes = Pushes(lambda: self.config.delivery, self.faults.for_push)
        self.now = 0.0  # fleet seconds
        self.tasks: dict[str, Task] = {}
        self.names: dict[str, Task] = {}
        self.tags: set[tuple[str, str]] = set()
        self.dispatches: dict[int, Dispatch] = {}
        self.active: list[Dispatch] = []
        self.singles: dict[int, list[Dispatch]] = {}  # device index -> its own commands
        self.cancellations: list[dict[str, Any]] = []
        self.subscriptions: dict[str, dict[str, Any]] = {}
        self.sisters: dict[int, Task] = {}  # dispatch serial -> task

    def send(
        self,
        command: dict[str, Any],
        callback: str | None,
        devices: array[int],
        lifetime: float,
        unknown: dict[int, str] | None = None,
    ) -> Dispatch:
        """Set a command on its way; `lifetime` in fleet seconds."""
        serial = len(self.dispatches) + 1
        args = (serial, command, callback, time.time(), self.now, lifetime, self.config.pace, devices)
        dispatch = Dispatch(*args, unknown or {})
        self.dispatches[serial] = dispatch
        self.active.append(dispatch)
        return dispatch

    def open_task(self, order: Order, devices: array[int], unknown: dict[int, str]) -> Task:
        lifetime = order.timeout * self.config.pace.minute
        dispatch = self.send(order.command, order.callback, devices, lifetime, unknown)
        task = Task(new_task_id(), order, dispatch)
        self.tasks[task.id] = self.names[order.name] = self.sisters[dispatch.serial] = task
        self.tags.update(order.tags)
        return task

    def unfinished(self) -> int:
        return sum(1 for task in self.tasks.values() if not task.dispatch.finished)

    def command_id(self, dispatch: Dispatch, position: int) -> str:
        return sealed(dispatch.serial << SERIAL_BITS | position, "command", self.config.seed)

    def find_command(self, command_id: str) -> tuple[Dispatch, int] | None:
        number = unsealed(command_id, "command", self.config.seed)
        dispatch = self.dispatches.get(number >> SERIAL_BITS) if number is not None else None
        if dispatch is None or number is None:
            return None
        return dispatch, number & (1 << SERIAL_BITS) - 1

    def device_id(self, dispatch: Dispatch, position: int) -> str:
        return dispatch.unknown.get(position) or self.fleet.id_of(dispatch.devices[position])

    def deal(self, dispatch: Dispatch, index: int) -> tuple[int, bool]:
        """The outcome one device is dealt, and whether it sleeps first: same seed, same deal."""
        asleep = self.fleet.status(index) != "ONLINE"
        if codec.objection(self.fleet.profile(index), dispatch.command):
            return 1, asleep
        return pick(self.config.mix, roll(self.config.seed, dispatch.serial, index)), asleep

    def detail(self, dispatch: Dispatch, position: int) -> dict[str, Any] | None:
        """What the device said with its result, if it has reported one."""
        status = dispatch.statuses[position]
        if status not in (SUCCESSFUL, FAILED) or position in dispatch.unknown:
            return None
        index = dispatch.devices[position]
        profile = self.fleet.profile(index)
        if status == FAILED and codec.objection(profile, dispatch.command):
            return None
        return codec.reply(profile, dispatch.command, good=status == SUCCESSFUL, dice=index)


PLATFORM: web.AppKey[Platform] = web.AppKey("platform", Platform)
