"""Every number and choice of the sandbox: where the platform's documents leave something open, a switch."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

OUTCOMES = ("successful", "failed", "timeout", "expired", "silent")
UNIQUE_NAMES = ("forever", "unfinished", "off")
UNKNOWN_DEVICES = ("fail", "refuse")
TAG_RULES = ("unique", "known", "any")
PUSH_BODIES = ("modern", "short", "empty", "older")


@dataclass(frozen=True)
class Pace:
    """How fast the fleet lives, in seconds of fleet time; `speed` is fleet seconds per real second."""

    speed: float = 1.0
    start: float = 1.0  # from the create to the first command sent
    spread: float = 20.0  # over which a task's commands are sent
    rate: float = 500.0  # commands sent per second at most, whatever the spread
    deliver: float = 1.0  # from SENT to DELIVERED
    answer: float = 2.0  # from DELIVERED to the device's result
    timeout: float = 6.0  # from SENT to TIMEOUT; minutes on a real platform (facts 4.5), seconds here
    wake: float = 5.0  # how long an offline device sleeps on before it reports and takes its cached command
    minute: float = 60.0  # fleet seconds in one minute of a task's `timeout`


@dataclass(frozen=True)
class Delivery:
    """The platform's own rule for pushes (facts 3.1): seconds, and counts where the name says so."""

    body: str = "modern"
    workers: int = 32  # pushes in flight
    answer: float = 15.0  # a receiver that takes longer has failed
    retry: float = 30.0  # from a failed push to its next try
    keep: float = 600.0  # a failed push is kept so long
    failures: int = 10  # in a row, and the address counts as invalid
    retest: float = 180.0  # an invalid address is tried again so often
    backlog: int = 200_000  # pushes waiting for one address; beyond, the oldest is dropped


@dataclass(frozen=True)
class Config:
    host: str = "127.0.0.1"
    port: int = 8743
    app_id: str = "sandbox_muster_app_0000001"
    secret: str = "sandbox-secret"  # noqa: S105 - made to be known
    name: str = "sandbox"
    other_app: str = "sandbox_other_app_00000002"  # exists, but has not authorised ours: 100217
    devices: int = 1_000
    seed: int = 1
    strict: bool = False  # True: the API page to the letter; False: what real clients get away with
    nulls: bool = False  # True: absent members are written as null, as in 2017
    calls_per_minute: int = 100
    unfinished_limit: int = 10
    token_seconds: float = 3600.0
    refresh_seconds: float = 86_400.0
    unique_names: str = "forever"
    unknown_devices: str = "fail"
    unknown_app_status: int = 200  # 200, 403 or 500: the page gives 100203 with each of them
    tags: str = "unique"
    batch_in_commands: bool = True  # do a task's commands show in the device command query? (undocumented)
    largest_create: int = 64 * 1024 * 1024
    mix: tuple[float, ...] = (0.93, 0.04, 0.03, 0.0, 0.0)  # shares of OUTCOMES
    pace: Pace = field(default_factory=Pace)
    delivery: Delivery = field(default_factory=Delivery)
    tls_cert: str = ""
    tls_key: str = ""
    client_ca: str = ""

    def __post_init__(self) -> None:
        for value, allowed in (
            (self.unique_names, UNIQUE_NAMES),
            (self.unknown_devices, UNKNOWN_DEVICES),
            (self.tags, TAG_RULES),
            (self.delivery.body, PUSH_BODIES),
        ):
            if value not in allowed:
                raise ValueError(f"{value!r} is not one of {', '.join(allowed)}")
        if self.unknown_app_status not in (200, 403, 500):
            raise ValueError("unknown_app_status is 200, 403 or 500")
        if len(self.mix) != len(OUTCOMES) or min(self.mix) < 0 or sum(self.mix) <= 0:
            raise ValueError(f"mix needs a share of at least 0 for each of {', '.join(OUTCOMES)}")
        if not 0 <= self.devices <= 1_000_000:
            raise ValueError("the fleet has 0 to 1,000,000 devices")
        for number in (*dataclasses.astuple(self.pace), self.token_seconds, self.calls_per_minute):
            if not 0 <= number < 1e12:
                raise ValueError(f"{number!r} is no number of seconds or calls")
        if self.pace.rate <= 0:
            raise ValueError("pace rate is more than 0 commands per second")
        if self.delivery.workers < 1:
            raise ValueError("delivery needs at least 1 worker")
