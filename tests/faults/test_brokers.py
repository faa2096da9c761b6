"""Cases Q01-Q20 of the specification that need real brokers and real workers."""

from __future__ import annotations

import os
import pickle
import signal
import time
from unittest import mock

import pytest
from django.db import connection
from kombu import Connection

from tasks import bells
from tasks.models import Application, Task
from tasks.states import State

from . import servers
from .matrix import EXISTS
from .site import running_site

pytestmark = [pytest.mark.processes, pytest.mark.faults]


def test_q01_a_message_that_comes_ten_times_sends_once(site):
    task = site.compose()
    for _ in range(10):
        bells.current_app.send_task("tasks.jobs.submit", args=[task.pk])
    site.arrived(task)
    assert len(site.entries(task)) == 1


def test_q02_messages_that_were_all_lost_are_rung_for_again(site, redis):
    import redis as client

    os.killpg(site.workers[0].pid, signal.SIGSTOP)
    tasks = [site.compose() for _ in range(3)]
    client.Redis(port=redis.port).flushall()
    os.killpg(site.workers[0].pid, signal.SIGCONT)
    assert site.arrived(*tasks) < 60
    assert [len(site.entries(task)) for task in tasks] == [1, 1, 1]


def test_q03_with_the_broker_down_the_click_is_answered_in_a_second_and_nothing_is_lost(site, redis):
    redis.stop()
    began = time.monotonic()
    task = site.compose()
    assert time.monotonic() - began < 1
    assert site.state(task) == State.QUEUED
    redis.start()
    site.arrived(task)
    assert len(site.entries(task)) == 1


def test_q05_workers_consume_again_after_three_restarts_of_redis(site, redis):
    for _ in range(3):
        redis.stop()
        redis.start()
        time.sleep(0.5)
    assert site.arrived(site.compose()) < 60
    assert site.workers[0].poll() is None


def test_q08_what_a_killed_worker_held_is_taken_over_within_a_minute(site):
    Application.objects.update(lasting_names=True)
    site.sandbox.faults({"route": "create", "action": "latency", "seconds": 0.7})
    tasks = [site.compose() for _ in range(4)]
    site.wait(lambda: any(site.entries(task) for task in tasks))
    site.kill(site.workers[0])
    site.sandbox.faults()
    began = time.monotonic()
    site.start_worker()
    site.wait(lambda: all(site.state(task) in EXISTS for task in tasks))
    assert time.monotonic() - began < 60
    assert [len(site.made(task)) for task in tasks] == [1, 1, 1, 1]
    Application.objects.update(lasting_names=False)


def test_q09_a_worker_asked_to_stop_finishes_the_request_that_is_on_its_way(site):
    site.sandbox.faults({"route": "create", "action": "latency", "seconds": 1.5, "times": 1})
    task = site.compose()
    site.wait(lambda: site.sandbox.platform.ledger.creates and site.entries(task))
    worker = site.workers.pop()
    worker.send_signal(signal.SIGTERM)
    worker.wait(60)
    assert site.state(task) in EXISTS
    assert Task.objects.get(pk=task.pk).platform_task_id
    assert not task.transitions.filter(to_state=State.UNCONFIRMED).exists()


def test_q12_two_beats_do_what_one_does(site):
    beats = [
        site.celery(
            "beat", "--pidfile", "", "--schedule", str(site.folder / f"beat{number}"), "--max-interval", "1"
        )
        for number in range(2)
    ]
    try:
        tasks = [site.compose() for _ in range(4)]
        site.arrived(*tasks)
        time.sleep(6)
        assert [len(site.entries(task)) for task in tasks] == [1] * 4
    finally:
        for beat in beats:
            site.kill(beat)


def test_q13_without_beat_a_worker_looks_for_itself(site):
    with mock.patch.object(bells.current_app, "send_task"):
        task = site.compose()
    assert site.arrived(task) < 60


def test_q18_a_job_nobody_knows_and_an_old_call_do_not_harm_the_worker(site):
    bells.current_app.send_task("tasks.jobs.of_another_version", args=[1])
    bells.current_app.send_task("tasks.jobs.submit", args=[1, 2, 3])
    site.arrived(site.compose())
    assert site.workers[0].poll() is None


class Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_q20_a_pickle_in_the_queue_is_refused(site, redis):
    target = site.folder / "pickled"
    with Connection(redis.url) as broker:
        broker.Producer().publish(
            pickle.dumps([[Bomb(str(target))], {}, {}]),
            routing_key="muster", content_type="application/x-python-serialize", content_encoding="binary",
            headers={"task": "tasks.jobs.submit", "id": "x", "lang": "py"},
        )  # fmt: skip
    site.arrived(site.compose())
    assert not target.exists()
    assert site.workers[0].poll() is None


def test_s31_a_worker_that_was_frozen_before_sending_does_not_send_when_it_wakes(site):
    plan = site.plan("P2", "stop")
    stopped = plan.with_suffix(".stopped")
    task = site.compose()
    site.wait(stopped.exists)
    site.wait(lambda: site.state(task) == State.UNCONFIRMED)
    assert site.entries(task) == []
    os.kill(int(stopped.read_text()), signal.SIGCONT)
    site.arrived(task)  # it says that it did not send, which ends the doubt: the queue sends it
    assert len(site.entries(task)) == 1
    assert [attempt.outcome for attempt in task.attempts.order_by("number")][1:] == ["created"]


def test_q15_after_a_restart_of_the_database_the_next_task_is_sent():
    with servers.postgresql() as database, running_site(database.url) as site:
        worker = site.start_worker()
        site.arrived(site.compose())
        database.stop(signal.SIGINT)
        time.sleep(1)
        database.start()
        connection.close()
        assert site.arrived(site.compose()) < 60
        assert worker.poll() is None
