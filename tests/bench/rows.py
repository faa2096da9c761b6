"""The rows of the measured databases, the same ones every time: two years of a busy installation."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tasks import models
from tasks.platform.outline import kept
from tasks.targets import TargetType

Row = tuple[Any, ...]


@dataclass(frozen=True)
class Size:
    """How much there is. One task has ``giant`` results, one ``listed``; of the others some are large, more small."""

    name: str
    tasks: int
    giant: int
    listed: int
    large: tuple[int, int]
    small: tuple[int, int]
    devices: int
    queued: int
    running: int


SMALL = Size("small", 100, 100, 100, (1, 100), (20, 5), devices=100, queued=36, running=12)
BIG = Size(
    "big", 1_000_000, 4_000_000, 1_000_000, (20, 100_000), (30_000, 100), devices=1_000_000, queued=5_000, running=120
)  # fmt: skip

DAYS = 730
NOW = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
SECONDS = tuple(f" {s // 3600:02d}:{s // 60 % 60:02d}:{s % 60:02d}" for s in range(86400))
NAMES = (
    "Close the valves of district {}", "夜间关阀 {} 区", "Firmware window {}", "Set report period, hall {}",
    "读取水表 {} 号线", "Street lights off, line {}", "Нічний режим {}", "Meter clock sync {}",
)  # fmt: skip
RARE = "Лічильник перевірка"
"""The name of five tasks."""

KINDS = (
    *[TargetType.DEVICE_LIST] * 12, *[TargetType.GROUP_LIST] * 4, *[TargetType.DEVICE_TYPE] * 2,
    TargetType.DEVICE_AREA, TargetType.GROUP_ID_LIST,
)  # fmt: skip
COMMANDS = (
    ("Valve", "CLOSE"), ("Valve", "OPEN"), ("WaterMeter", "SET_REPORT_PERIOD"), ("Light", "SET_LEVEL"),
    ("Clock", "SYNC"), ("Battery", "READ"),
)  # fmt: skip
FINISHED = (*["COMPLETE"] * 78, *["TIMED_OUT"] * 12, *["REFUSED"] * 5, *["CANCELLED"] * 4, "ABANDONED")
SENT = ("RUNNING", "COMPLETE", "TIMED_OUT")
STATUSES = (*["SUCCESSFUL"] * 90, *["FAILED"] * 4, *["TIMEOUT"] * 3, *["EXPIRED"] * 2, "DELIVERED")

TASK = (
    "id", "application_id", "author_id", "name", "target_type", "service_id", "method", "timeout", "state", "reason",
    "due_at", "platform_task_id", "platform_status", "expected", "counts", "listed", "created_at", "submitted_at",
    "finished_at",
)  # fmt: skip
TRANSITION = ("task_id", "from_state", "to_state", "reason", "actor_id", "at")
ATTEMPT = (
    "task_id", "number", "fence", "worker", "request_sha256", "started_at", "finished_at", "outcome", "http_status",
    "answer",
)  # fmt: skip
CALLBACK = ("task_id", "body", "remote_address", "received_at", "state")
DEVICE = (
    "application_id",
    "device_id",
    "name",
    "device_type",
    "manufacturer_id",
    "model",
    "location",
    "status",
)
RESULT = (
    "task_id",
    "device_id",
    "command_id",
    "status",
    "detail",
    "source",
    "sent_at",
    "delivered_at",
    "finished_at",
)


class Fleet:
    """``tables`` gives the rows of every table but the results, ``shares`` says which results there are."""

    def __init__(self, size: Size, *, people: list[int], applications: list[int]) -> None:
        self.size, self.people, self.applications = size, people, applications
        self.giant_task = size.tasks - size.queued - size.tasks // 1000 - size.running - 2
        self.listed_task = self.giant_task - 1
        self.of_results = self._of_results()
        self.at = functools.cache(self._at)
        self.state = functools.cache(self._state)

    def tables(self) -> list[tuple[type[Any], tuple[str, ...], Iterator[Row]]]:
        numbers = range(1, self.size.tasks + 1)
        bodies = ((n, body, kept(body)) for n in numbers for body in [self._body(n)])
        return [
            (models.Task, TASK, self._tasks()),
            (models.Request, ("task_id", "body", "outline"), bodies),
            (models.Transition, TRANSITION, self._transitions()),
            (models.Attempt, ATTEMPT, self._attempts()),
            (models.Callback, CALLBACK, self._callbacks()),
            (models.Device, DEVICE, self._devices()),
        ]

    def shares(self) -> Iterator[tuple[int, int, str, int]]:
        """Task, its number of results, its day, and 1 when it still runs."""
        for task, many in self.of_results.items():
            yield task, many, self.at(task)[:10], int(task in (self.giant_task, self.listed_task))

    def _of_results(self) -> dict[int, int]:
        size = self.size
        places = size.large[0] + size.small[0]
        step = self.listed_task // (places + 1)
        found = {
            1 + place * step: size.large[1] if place % (places // size.large[0]) == 1 else size.small[1]
            for place in range(places)
        }
        return found | {self.listed_task: size.listed, self.giant_task: size.giant}

    def _at(self, n: int) -> str:
        """Times in order over two years, a little denser lately."""
        minutes = int(DAYS * 1440 * (1 - n / (self.size.tasks + 1)) ** 1.1)
        moment = NOW - dt.timedelta(minutes=minutes)
        return f"{moment:%Y-%m-%d}{SECONDS[(moment.hour * 60 + moment.minute) * 60 + n % 60]}"

    def _state(self, n: int) -> str:
        """The newest are open; among the older ones some are in doubt, and the two largest still run."""
        newest = self.size.tasks - n
        if newest < self.size.queued:
            return "QUEUED"
        if newest < self.size.queued + self.size.running or n in (self.giant_task, self.listed_task):
            return "RUNNING"
        return "UNCONFIRMED" if newest % (self.size.tasks // 20) == 3 else FINISHED[n * 40503 % 65536 % 100]

    def _author(self, n: int) -> int:
        """A third by one busy person, the rest by 37; one composed very little."""
        if n % (self.size.tasks // 20) == 1:
            return self.people[-1]
        return self.people[1] if n % 3 == 0 else self.people[2 + n * 7919 % 1013 % 37]

    def _name(self, n: int) -> str:
        return RARE if n % max(self.size.tasks // 5, 1) == 0 else NAMES[_dice(n) % 8].format(n)

    def _expected(self, n: int) -> int:
        return self.of_results.get(n) or 10 + n % 90

    def _kind(self, n: int) -> str:
        special = {self.giant_task: TargetType.DEVICE_TYPE, self.listed_task: TargetType.DEVICE_LIST}
        return special.get(n) or KINDS[n * 31 % 127 % 20]

    def _tasks(self) -> Iterator[Row]:
        for n in range(1, self.size.tasks + 1):
            at, state, many = self.at(n), self.state(n), self._expected(n)
            service, method = COMMANDS[_dice(n) % 6]
            sent = state in SENT
            spread = n % 3 or n == self.giant_task
            counts = "{}" if not sent else _counts(many) if spread else f'{{"SUCCESSFUL": {many}}}'
            yield (
                n, self.applications[(n if state == "RUNNING" else n * 7919 % 1009) % 12], self._author(n),
                self._name(n), self._kind(n), service, method, 1440, state, "" if sent else "waiting for a worker",
                at if state == "QUEUED" else None, f"task-{n:012d}" if sent else "",
                "Running" if state == "RUNNING" else "", many, counts, True, at, at if sent else None,
                at if sent and state != "RUNNING" else None,
            )  # fmt: skip

    def _body(self, n: int) -> str:
        service, method = COMMANDS[_dice(n) % 6]
        ids = ""
        if n == self.listed_task:
            ids = ",".join(f'"{device_id(i, self.size.listed)}"' for i in range(self.size.listed))
            ids = f'"deviceList":[{ids}],'
        return (
            f'{{"appId":"app-{n % 12}","timeout":1440,"taskName":"{self._name(n)}","taskType":"DeviceCmd",'
            f'"param":{{"type":"{self._kind(n)}",{ids}"command":{{"serviceId":"{service}","method":"{method}",'
            f'"paras":{{"value":{n}}}}},"callbackUrl":"https://muster.example:8000/callbacks/{n:043d}/",'
            f'"groupTag":"{"x" * 150}"}}}}'
        )

    def _transitions(self) -> Iterator[Row]:
        for n in range(1, self.size.tasks + 1):
            at, state = self.at(n), self.state(n)
            yield (n, "", "QUEUED", "composed", self._author(n), at)
            if state != "QUEUED":
                yield (n, "QUEUED", "SUBMITTING", "a worker took it", None, at)
                yield (n, "SUBMITTING", state, "every device has a final answer", None, at)

    def _attempts(self) -> Iterator[Row]:
        for n in range(1, self.size.tasks + 1):
            if (state := self.state(n)) not in ("QUEUED", "CANCELLED"):
                at, outcome = self.at(n), "refused" if state == "REFUSED" else "created"
                yield (
                    n,
                    1,
                    1,
                    f"host-{n % 7}:{n % 31}",
                    f"{n:064x}",
                    at,
                    at,
                    outcome,
                    200,
                    f'{{"taskID":"{n}"}}',
                )

    def _callbacks(self) -> Iterator[Row]:
        for n in range(self.size.tasks):
            body = f'{{"deviceId":"{n:08x}","commandId":"c{n}","result":{{"resultCode":"SENT"}}}}'
            state = "QUARANTINED" if n % (self.size.tasks // 100) == 0 else "SETTLED"
            task = self.giant_task if n % 2 else 1 + n
            yield (task, body.encode(), f"10.0.0.{n % 250}", self.at(1 + n), state)

    def _devices(self) -> Iterator[Row]:
        for n in range(self.size.devices):
            yield (
                self.applications[0], device_id(n, self.size.devices), f"水表 {n}", f"Meter{n % 5}", "m-1", "X1",
                f"Hall-{n % 400}", "ONLINE",
            )  # fmt: skip


def device_id(n: int, many: int) -> str:
    """Ids that look like the platform's, in the order of their numbers; the results' have the same form."""
    return f"{n * (0xFFFFFFFF // many):08x}-91a3-4c44-9a0c-{n * 2654435761 % 2**48:012x}"


def _dice(n: int) -> int:
    return n * 2654435761 % 2**32 >> 8


def _counts(many: int) -> str:
    successful, failed, timeout = many * 90 // 100, many * 4 // 100, many * 3 // 100
    delivered = many - successful - failed - timeout
    counts = {"SUCCESSFUL": successful, "FAILED": failed, "TIMEOUT": timeout, "DELIVERED": delivered}
    return "{" + ", ".join(f'"{status}": {count}' for status, count in counts.items() if count) + "}"
