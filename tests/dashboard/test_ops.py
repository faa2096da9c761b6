"""Alive, and ready: what is answered to whom, and what makes it red."""

import datetime as dt
import json
import threading
import time

import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.db.utils import OperationalError
from django.test import Client

from dashboard import readiness
from tasks import clock
from tasks.lifecycle import health, sweep
from tasks.models import Heartbeat
from tests.factories import CallbackFactory, TaskFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _anew(monkeypatch):
    monkeypatch.setattr(readiness, "FRESH_SECONDS", -1)


@pytest.fixture
def worker():
    """A worker has just looked for work."""
    sweep()


def problems():
    return {check.name: check.problem for check in readiness.readiness()}


def ago(**time):
    return clock.now() - dt.timedelta(**time)


def test_all_is_well_when_a_worker_lives_and_nothing_waits(worker, client):
    assert problems() == {"database": "", "migrations": "", "worker": "", "settling": ""}
    answer = client.get("/readyz")
    assert (answer.status_code, answer.content) == (200, b"ok")


def test_q06_a_worker_that_consumes_nothing_makes_it_red_after_two_minutes(client):
    """Q06: only a sweep that was taken from the broker is a sign of life, and not that a process is there."""
    sweep()
    Heartbeat.objects.filter(name=Heartbeat.WORKER).update(at=ago(seconds=119))
    assert client.get("/readyz").status_code == 200
    Heartbeat.objects.filter(name=Heartbeat.WORKER).update(at=ago(seconds=121))
    assert client.get("/readyz").status_code == 503
    assert problems()["worker"].startswith("none has looked for work since ")
    sweep()
    assert client.get("/readyz").status_code == 200


def test_without_any_worker_it_was_never_ready():
    assert problems()["worker"] == "none was ever seen"


@pytest.mark.parametrize(("seconds", "good"), [(50, True), (70, False)])
def test_a_push_that_waits_for_a_minute_makes_it_red(worker, seconds, good):
    callback = CallbackFactory(task=TaskFactory(), received_at=ago(seconds=seconds))
    assert (problems()["settling"] == "") is good
    type(callback).objects.update(state="SETTLED")
    assert problems()["settling"] == ""


def test_o13_without_a_database_it_lives_and_is_not_ready(client, worker, monkeypatch):
    def down(*_):
        raise OperationalError("could not connect to 10.0.0.5 as muster")

    monkeypatch.setattr(health, "beat", down)
    monkeypatch.setitem(readiness.CHECKS, "database", readiness._database)
    assert client.get("/livez").status_code == 200
    answer = client.get("/readyz")
    assert (answer.status_code, answer.content) == (503, b"not ready")
    assert problems()["database"] == "OperationalError: could not connect to 10.0.0.5 as muster"


def test_o13_a_database_that_does_not_answer_makes_it_red_within_two_seconds(client, worker):
    """Its write lock is held by another for good; nobody who asks meanwhile waits longer, either."""
    held, free, answered = threading.Event(), threading.Event(), []

    def hold():
        from django.db import transaction

        with transaction.atomic():
            health.beat(Heartbeat.WEB)
            held.set()
            free.wait(20)
        connection.close()

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        assert held.wait(5)
        began = time.monotonic()

        def ask():
            answer = Client().get("/readyz")
            answered.append((answer.status_code, time.monotonic() - began))
            connection.close()

        readiness.FRESH_SECONDS = 1.0
        asking = [threading.Thread(target=ask) for _ in range(6)]
        for thread in asking:
            thread.start()
        for thread in asking:
            thread.join(10)
    finally:
        free.set()
        holder.join(10)
    assert [status for status, _ in answered] == [503] * 6
    assert max(seconds for _, seconds in answered) < 2


def test_a_migration_that_was_not_applied_makes_it_red(worker):
    last = MigrationRecorder.Migration.objects.filter(app="tasks").latest("id")
    last.delete()
    try:
        assert problems()["migrations"] == "1 not applied: run manage.py migrate"
    finally:
        MigrationRecorder(connection).record_applied("tasks", last.name)


@pytest.mark.parametrize(
    ("role", "told"),
    [
        ("anonymous", False),
        ("nobody", False),
        ("operator", False),
        ("auditor", False),
        ("admin", True),
        ("superuser", True),
    ],
)
def test_only_admins_are_told_why(role, told, browser_of):
    """O13: nothing that helps an attacker is in what the others read."""
    answer = browser_of(role).get("/readyz")
    assert answer.status_code == 503
    if told:
        shown = json.loads(answer.content)
        assert shown["ready"] is False
        assert shown["checks"]["worker"]["problem"] == "none was ever seen"
        assert shown["checks"]["database"]["problem"] == ""
        assert isinstance(shown["checks"]["database"]["milliseconds"], int)
    else:
        assert answer.content == b"not ready"


def test_who_asks_often_costs_one_probe(worker, monkeypatch):
    monkeypatch.setattr(readiness, "FRESH_SECONDS", 60)
    asked = []
    monkeypatch.setitem(readiness.CHECKS, "database", lambda: asked.append(1) or "")
    readiness._latest.made = float("-inf")
    for _ in range(5):
        readiness.readiness()
    assert asked == [1]
    readiness._latest.made = float("-inf")
