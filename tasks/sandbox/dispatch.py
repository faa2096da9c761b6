"""One command on its way to many devices, in about five bytes a device; a million of them fit.

Nothing is scheduled per device. Each device has its slot in time; on its slot it is dealt an outcome and
joins a line of devices that all wait equally long for the same next status.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from .config import Pace

STATUSES = ("PENDING", "SENT", "DELIVERED", "SUCCESSFUL", "FAILED", "TIMEOUT", "EXPIRED", "CANCELED")
PENDING, SENT, DELIVERED, SUCCESSFUL, FAILED, TIMEOUT, EXPIRED, CANCELED = range(8)

# What a device goes through, by the outcome it was dealt (config.OUTCOMES); the rest happens at the deadline.
PATHS = ((SENT, DELIVERED, SUCCESSFUL), (SENT, DELIVERED, FAILED), (SENT, TIMEOUT), (), (SENT, DELIVERED))
STEPS = max(map(len, PATHS))
AT_DEADLINE = {PENDING: EXPIRED, SENT: TIMEOUT, DELIVERED: TIMEOUT}

Deal = Callable[[int], tuple[int, bool]]  # device index -> (outcome, asleep)


@dataclass
class Line:
    """Positions waiting for one status, in the order of their slots."""

    lag: float
    positions: array[int] = field(default_factory=lambda: array("I"))
    head: int = 0

    def pop(self) -> int:
        position = self.positions[self.head]
        self.head += 1
        if self.head > 4096 and self.head * 2 > len(self.positions):
            del self.positions[: self.head]
            self.head = 0
        return position


@dataclass
class Dispatch:
    """`began` and `lifetime` are fleet seconds, `created` is wall time."""

    serial: int
    command: dict[str, Any]
    callback: str | None
    created: float
    began: float
    lifetime: float
    pace: Pace
    devices: array[int]
    unknown: dict[int, str] = field(default_factory=dict)  # position -> the id the fleet does not know
    statuses: bytearray = field(default_factory=bytearray)
    counts: list[int] = field(default_factory=list)
    cursor: int = 0  # positions below it have had their slot
    swept: int = 0  # positions below it have met the deadline
    timed_out: bool = False
    lines: dict[tuple[int, int, bool], Line] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.statuses = bytearray(len(self.devices))
        self.counts = [len(self.devices)] + [0] * (len(STATUSES) - 1)
        for position in self.unknown:
            self.set(position, FAILED)
        fair = min(0.5, self.pace.spread / max(1, len(self.devices)))
        self.step = max(fair, 1 / self.pace.rate)

    def __len__(self) -> int:
        return len(self.devices)

    @property
    def done(self) -> int:
        """How many commands have reached their end."""
        return sum(self.counts[SUCCESSFUL:])

    @property
    def finished(self) -> bool:
        return self.done == len(self.devices)

    def slot(self, position: int) -> float:
        """Fleet seconds after `began` at which the platform turns to this device."""
        return self.pace.start + position * self.step

    def set(self, position: int, status: int) -> None:
        """The one place that moves a command."""
        self.counts[self.statuses[position]] -= 1
        self.counts[status] += 1
        self.statuses[position] = status

    def cancel(self, position: int) -> bool:
        """Cancel a command that was not sent yet."""
        if self.statuses[position] != PENDING:
            return False
        self.set(position, CANCELED)
        return True

    def advance(self, now: float, deal: Deal) -> Iterator[tuple[int, int]]:
        """Let the time reach `now` (fleet seconds); yields (position, status) as statuses change."""
        age = now - self.began
        due = min(age, self.lifetime)
        while self.cursor < len(self.devices) and self.slot(self.cursor) <= due:
            position = self.cursor
            self.cursor += 1
            if self.statuses[position] == PENDING:
                outcome, asleep = deal(self.devices[position])
                if asleep:
                    self._enter(outcome, 0, position, asleep=asleep)
                else:
                    yield from self._fire(outcome, 0, position, asleep=asleep)
        for step in range(STEPS):  # in this order, because one step feeds the next
            for key in [key for key in self.lines if key[1] == step]:
                yield from self._serve(key, due)
        if age >= self.lifetime:
            yield from self._sweep()
        if self.finished:
            self.lines.clear()

    def _serve(self, key: tuple[int, int, bool], due: float) -> Iterator[tuple[int, int]]:
        outcome, step, asleep = key
        line = self.lines[key]
        while line.head < len(line.positions):
            if self.slot(line.positions[line.head]) + line.lag > due:
                break
            yield from self._fire(outcome, step, line.pop(), asleep=asleep)

    def _fire(self, outcome: int, step: int, position: int, *, asleep: bool) -> Iterator[tuple[int, int]]:
        path = PATHS[outcome]
        if step >= len(path) or self.statuses[position] >= SUCCESSFUL:
            return
        self.set(position, path[step])
        if step + 1 < len(path):
            self._enter(outcome, step + 1, position, asleep=asleep)
        yield position, path[step]

    def _enter(self, outcome: int, step: int, position: int, *, asleep: bool) -> None:
        key = (outcome, step, asleep)
        if key not in self.lines:
            waits = {DELIVERED: self.pace.deliver, TIMEOUT: self.pace.timeout}
            path = PATHS[outcome][1 : step + 1]
            lag = sum(waits.get(status, self.pace.answer) for status in path)
            self.lines[key] = Line(lag + (self.pace.wake if asleep else 0.0))
        self.lines[key].positions.append(position)

    def _sweep(self) -> Iterator[tuple[int, int]]:
        while self.swept < len(self.devices):
            position = self.swept
            self.swept += 1
            last = AT_DEADLINE.get(self.statuses[position])
            if last is not None:
                self.timed_out = True
                self.set(position, last)
                yield position, last
