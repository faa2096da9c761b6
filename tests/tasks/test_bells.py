"""Bells are rung by a thread: whoever rings goes on at once."""

import queue
import threading
import time

import pytest

from tasks import bells


@pytest.fixture
def broker(monkeypatch):
    """A broker that takes nothing until it is let; what it took."""
    monkeypatch.undo()  # here the thread rings
    free, taken = threading.Event(), []

    class App:
        def send_task(self, name, args, **_):
            free.wait(20)
            taken.append((name, *args))

    monkeypatch.setattr(bells, "current_app", App())
    yield free, taken
    free.set()
    bells._finish()


def test_q10_a_broker_that_is_stuck_holds_nobody_up(broker):
    free, taken = broker
    began = time.monotonic()
    for pk in range(50):
        bells.ring("submit", pk)
    assert time.monotonic() - began < 0.5
    assert taken == []
    free.set()
    bells._finish()
    assert taken == [("tasks.jobs.submit", pk) for pk in range(50)]


def test_more_bells_than_can_wait_are_left_to_the_sweep(broker, caplog):
    free, taken = broker
    for pk in range(bells.MOST + 10):
        bells.ring("submit", pk)
    assert "is left to the sweep" in caplog.text
    free.set()
    bells._finish()
    assert bells.MOST <= len(taken) < bells.MOST + 10


def test_a_process_that_ends_does_not_wait_for_a_stuck_broker_for_long(broker, monkeypatch):
    monkeypatch.setattr(bells, "PARTING_SECONDS", 0.2)
    bells.ring("submit", 1)
    began = time.monotonic()
    bells._finish()
    assert 0.2 <= time.monotonic() - began < 2


def test_a_process_that_was_forked_rings_by_itself(broker, monkeypatch):
    free, taken = broker
    free.set()
    monkeypatch.setattr(bells, "_waiting", queue.Queue())  # no thread of the parent's listens to it
    monkeypatch.setattr(bells.os, "getpid", lambda: -1)
    bells.ring("settle", 7)
    bells._finish()
    assert taken == [("tasks.jobs.settle", 7)]
