"""A worker looks for work by itself, so that a dead beat costs seconds and never work."""

import threading
from types import SimpleNamespace

import pytest
from celery.signals import worker_ready, worker_shutting_down

from dashboard import worker
from tests.sandbox import until


class App:
    """A Celery application whose broker can be away."""

    def __init__(self):
        self.sent, self.away = [], False

    def send_task(self, name, **options):
        self.sent.append((name, options))
        if self.away:
            raise ConnectionError("the broker is gone")


def looking():
    return [thread for thread in threading.enumerate() if thread.name == "look"]


@pytest.fixture
def app(monkeypatch):
    """An application whose worker looks every few milliseconds."""
    monkeypatch.setattr(worker, "SECONDS", 0.01)
    monkeypatch.setattr(worker_ready, "receivers", [])
    monkeypatch.setattr(worker_shutting_down, "receivers", [])
    app = App()
    worker.look(app)
    yield app
    worker_shutting_down.send(sender="MainProcess")
    for thread in looking():
        thread.join(5)


class Consumer:
    """Who says that a worker of an application is ready."""

    def __init__(self, app):
        self.app = app


def ready(app):
    worker_ready.send(sender=Consumer(app))


def test_a_running_worker_has_sweeps_made_without_a_beat(app):
    """Q13"""
    assert looking() == []
    ready(app)
    until(lambda: len(app.sent) >= 3)
    name, options = app.sent[0]
    assert name == "tasks.jobs.sweep"
    assert options == {"expires": worker.SECONDS, "retry": False}


def test_it_stops_when_the_worker_does(app):
    """Q09: nothing new is begun while a worker shuts down."""
    ready(app)
    until(lambda: app.sent)
    worker_shutting_down.send(sender="MainProcess")
    until(lambda: not looking())
    count = len(app.sent)
    assert not looking()
    assert len(app.sent) == count


def test_it_begins_again_with_the_next_worker(app):
    ready(app)
    worker_shutting_down.send(sender="MainProcess")
    until(lambda: not looking())
    app.sent.clear()
    ready(app)
    until(lambda: app.sent)


def test_a_broker_that_is_away_does_not_end_it(app):
    """Q05, Q13: it goes on when the broker is back."""
    app.away = True
    ready(app)
    until(lambda: len(app.sent) >= 3)
    app.away = False
    count = len(app.sent)
    until(lambda: len(app.sent) > count + 2)


def test_another_applications_worker_is_none_of_ours(app):
    ready(App())
    assert looking() == []


def test_the_products_workers_look(monkeypatch):
    """The wiring: the application of ``celery -A dashboard``."""
    from dashboard.celery import app as product

    begun = []
    monkeypatch.setattr(
        worker.threading, "Thread", lambda **given: SimpleNamespace(start=lambda: begun.append(given))
    )
    ready(product)
    assert [given["args"] for given in begun] == [(product,)]
    assert begun[0]["daemon"]
    assert worker.SECONDS <= 30
