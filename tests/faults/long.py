"""A share of the long run, in a process of its own."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.faults.invariants import Counts


def prepare() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    import django

    django.setup()
    logging.disable(logging.ERROR)  # faults are what is wanted


def schedules(first: int, count: int) -> Counts:
    from tests.faults.harness import world
    from tests.faults.invariants import Counts

    total = Counts()
    with world() as here:
        for seed in range(first, first + count):
            total += here.run(seed)
    return total
