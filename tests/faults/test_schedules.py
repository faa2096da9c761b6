"""A short run of what ``make faults`` runs for long; and that it would notice."""

from __future__ import annotations

import logging
import sys
from unittest import mock

import pytest

from tasks.states import State

from .harness import world
from .invariants import Counts

SHORT = 60


@pytest.fixture(autouse=True)
def _quiet():
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("first", [100_000, 200_000])
def test_s30_i12_no_schedule_of_faults_breaks_an_invariant(first):
    total = Counts()
    with world() as here:
        for seed in range(first, first + SHORT):
            total += here.run(seed)
    assert total.broken == []
    assert total.creates > SHORT
    assert total.kills


def test_the_schedules_notice_a_sweep_that_sends_again_blindly():
    def take_back(task, now):
        module.move(task, State.QUEUED, "a mistake", due_at=now, lease_until=None)

    module = sys.modules["tasks.lifecycle.sweep"]
    total = Counts()
    with mock.patch.object(module, "_take_back", take_back), world() as here:
        for seed in range(1, 200):
            try:
                total += here.run(seed)
            except Exception:  # noqa: S112 - the index of open attempts may notice first
                continue
            if total.doubles:
                break
    assert total.doubles
