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
from .desk import Desk
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


def test_q03_with_the_broker_down_the_click_is_answered_in_a_second_and_nothing_is_lost(site, desk, redis):
    draft = desk.review()
    redis.stop()
    click = desk.submit(draft)
    assert click.seconds < 1
    assert site.state(click.task) == State.QUEUED
    redis.start()
    site.arrived(click.task)
    assert len(site.entries(click.task)) == 1


def test_q04_with_a_broker_that_takes_nothing_the_page_comes_within_two_seconds(site, desk, redis):
    """Q04: CLIENT PAUSE WRITE, the first time; a frozen server, the second."""
    import redis as client

    drafts = [desk.review() for _ in range(2)]
    with client.Redis(port=redis.port) as admin:
        admin.execute_command("CLIENT", "PAUSE", "120000", "WRITE")
        clicks = [desk.submit(drafts[0])]
        admin.execute_command("CLIENT", "UNPAUSE")
    redis.process.send_signal(signal.SIGSTOP)
    try:
        clicks.append(desk.submit(drafts[1]))
    finally:
        redis.process.send_signal(signal.SIGCONT)
    assert max(click.seconds for click in clicks) < 2
    site.arrived(*(click.task for click in clicks))
    assert [len(site.entries(click.task)) for click in clicks] == [1, 1]


def test_q05_workers_consume_again_after_three_restarts_of_redis(site, redis):
    for _ in range(3):
        redis.stop()
        redis.start()
        time.sleep(0.5)
    assert site.arrived(site.compose()) < 60
    assert site.workers[0].poll() is None


def test_q05_workers_consume_again_when_all_that_they_held_was_done_while_redis_was_gone(site, redis):
    """What cannot be acknowledged keeps its place; with every place kept nothing else tells of the broken line."""
    site.sandbox.faults({"route": "create", "action": "latency", "seconds": 1.5, "times": 2})
    held = [site.compose() for _ in range(2)]
    site.wait(lambda: all(site.entries(task) for task in held))
    redis.stop()
    site.wait(lambda: all(site.state(task) in EXISTS for task in held))
    time.sleep(0.5)
    redis.start()
    assert site.arrived(site.compose()) < 60
    assert [len(site.made(task)) for task in held] == [1, 1]


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


def test_q10_while_rabbitmq_takes_nothing_for_lack_of_memory_tasks_queue_and_go_out_later():
    """Q10: its memory alarm blocks whoever publishes; nobody waits for it, and no row is lost."""
    with servers.rabbitmq() as rabbit, running_site(broker_url=rabbit.url) as site:
        site.start_web()
        site.start_worker()
        desk = Desk(site)
        site.arrived(desk.submit().task)
        site.kill(site.workers[0])  # so that only the bells are looked at, and not a worker's own look
        rabbit.control("set_vm_memory_high_watermark", "0")
        clicks = [desk.submit() for _ in range(3)]
        assert max(click.seconds for click in clicks) < 1
        assert {site.state(click.task) for click in clicks} == {State.QUEUED}
        rabbit.control("set_vm_memory_high_watermark", "0.9")
        site.start_worker(MUSTER_TEST_LOOK="60")
        site.arrived(*(click.task for click in clicks), seconds=30)
        assert [len(site.entries(click.task)) for click in clicks] == [1, 1, 1]


def test_q12_two_beats_do_what_one_does(site):
    beats = [site.beat(), site.beat()]
    try:
        tasks = [site.compose() for _ in range(4)]
        site.arrived(*tasks)
        time.sleep(6)
        assert [len(site.entries(task)) for task in tasks] == [1] * 4
    finally:
        for beat in beats:
            site.kill(beat)


def test_q13_without_beat_a_worker_looks_for_itself(site):
    with mock.patch.object(bells._waiting, "put_nowait"):
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
