"""A short run of what ``make faults`` runs for long; and that it would notice."""

from __future__ import annotations

import logging
import sys
from unittest import mock

import pytest

from tasks import clock
from tasks.lifecycle import transitions
from tasks.states import State

from .harness import world
from .invariants import Counts

SHORT = 40


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


def test_the_schedules_notice_when_doubt_is_sent_again_blindly():
    outcomes = sys.modules["tasks.lifecycle.outcomes"]

    def blindly(task, reason, error=None):
        task.attempts.filter(finished_at=None).update(finished_at=clock.now())
        transitions.move(task, State.QUEUED, "a mistake", due_at=clock.now(), lease_until=None)

    total = Counts()
    with mock.patch.object(outcomes, "unconfirmed", blindly), world() as here:
        for seed in range(1, 100):
            total += here.run(seed)
            if total.doubles:
                break
    assert any("I1 double" in what for what in total.broken)
