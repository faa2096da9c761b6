import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from kombu import Connection, Consumer, Queue

from dashboard import broker
from tests.faults.site import children

REPOSITORY = Path(__file__).parents[2]
JOBS = Queue("jobs", routing_key="jobs")

broker.register()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "broker.db"


@contextmanager
def connect(path: Path, lease: float = 30.0, **options: Any) -> Iterator[Connection]:
    options = {"lease": lease, "polling_interval": 0.01, **options}
    with Connection(f"sqlite-broker:///{path}", transport_options=options) as connection:
        yield connection


def publish(connection: Connection, *bodies: object, queue: str = "jobs") -> None:
    with connection.Producer() as producer:
        for body in bodies:
            producer.publish(body, routing_key=queue, declare=[Queue(queue, routing_key=queue)])


def get(channel: Any, queue: str = "jobs", **kwargs: Any) -> Any:
    return Queue(queue, channel=channel).get(**kwargs)


def bodies(channel: Any, queue: str = "jobs") -> list[object]:
    found = []
    while message := get(channel, queue):
        found.append(message.payload)
        message.ack()
    return found


def rows(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT count(*) FROM messages").fetchone()[0])


def forget(path: Path) -> None:
    """As if the process had died: nothing renews its leases and nothing gives messages back."""
    for key, store in broker._stores.items():
        if key[0] == str(path):
            store._held.clear()


def test_messages_come_in_order_and_are_gone_when_acknowledged(path: Path):
    with connect(path) as connection:
        publish(connection, *range(5))
        assert bodies(connection.channel()) == [0, 1, 2, 3, 4]
    assert rows(path) == 0


def test_a_message_is_there_after_everything_was_closed(path: Path):
    with connect(path) as connection:
        publish(connection, {"task": 7, "when": "übermorgen"})
    with connect(path) as connection:
        assert bodies(connection.channel()) == [{"task": 7, "when": "übermorgen"}]


def test_every_message_is_on_disk_before_publishing_returns(path: Path):
    with connect(path) as connection:
        publish(connection, 1)
        store = connection.default_channel.store
        assert store._run("PRAGMA synchronous") == [(2,)]
        assert store._run("PRAGMA journal_mode") == [("wal",)]
    assert rows(path) == 1


def test_a_leased_message_is_nobody_elses(path: Path):
    with connect(path) as connection:
        publish(connection, 1, 2)
        one, two = connection.channel(), connection.channel()
        assert get(one).payload == 1
        assert get(two).payload == 2
        assert get(two) is None


def test_queues_do_not_hide_each_others_messages(path: Path):
    with connect(path) as connection:
        channel = connection.channel()
        assert get(channel, "jobs") is get(channel, "other") is None
        publish(connection, "a", queue="jobs")
        publish(connection, "b", queue="other")
        assert bodies(channel, "other") == ["b"]
        assert bodies(channel, "jobs") == ["a"]


@pytest.mark.parametrize("requeue", [True, False])
def test_a_rejected_message_comes_again_first_or_never(path: Path, requeue: bool):
    with connect(path) as connection:
        publish(connection, 1, 2)
        channel = connection.channel()
        get(channel).reject(requeue=requeue)
        again = get(channel)
        assert again.payload == (1 if requeue else 2)
        assert again.delivery_info["redelivered"] is requeue


def test_closing_gives_back_what_was_not_acknowledged_in_its_old_place(path: Path):
    with connect(path) as connection:
        publish(connection, 1, 2, 3)
        channel = connection.channel()
        first, second = get(channel), get(channel)
        second.ack()
        channel.close()
        assert first.payload == 1
        assert bodies(connection.channel()) == [1, 3]


def test_a_job_that_outlives_its_channel_still_acknowledges(path: Path):
    with connect(path) as connection:
        publish(connection, 1)
        channel = connection.channel()
        message = get(channel)
        channel.close()
        message.ack()
        assert get(connection.channel()) is None
    assert rows(path) == 0


def test_without_acknowledgement_a_message_is_gone_when_it_is_taken(path: Path):
    with connect(path) as connection:
        publish(connection, 1, 2)
        channel = connection.channel()
        assert get(channel, no_ack=True).payload == 1
        taken: list[object] = []
        with Consumer(channel, [JOBS], no_ack=True, callbacks=[lambda body, _: taken.append(body)]):
            connection.drain_events(timeout=1)
        assert taken == [2]
    assert rows(path) == 0


def test_purge_takes_what_waits_and_leaves_what_runs(path: Path):
    with connect(path) as connection:
        publish(connection, 1, 2, 3)
        channel = connection.channel()
        queue = JOBS(channel)
        running = get(channel)
        assert queue.queue_declare(passive=True).message_count == 2
        assert queue.purge() == 2
        assert rows(path) == 1
        running.ack()
        assert rows(path) == 0


def test_deleting_a_queue_deletes_its_messages_only(path: Path):
    with connect(path) as connection:
        publish(connection, 1, 2)
        publish(connection, 3, queue="other")
        queue = JOBS(connection.default_channel)
        queue.declare()
        queue.delete()
        assert bodies(connection.channel(), "other") == [3]
        assert bodies(connection.channel()) == []


def test_draining_an_empty_queue_times_out(path: Path):
    with connect(path) as connection:
        consumer = Consumer(connection.channel(), [JOBS])
        with consumer, pytest.raises(socket.timeout):
            connection.drain_events(timeout=0.1)


def test_an_empty_queue_is_polled_without_a_write_lock(path: Path):
    with connect(path) as connection, closing(sqlite3.connect(path, isolation_level=None)) as other:
        channel = connection.channel()
        assert get(channel) is None
        other.execute("BEGIN IMMEDIATE")
        begun = time.monotonic()
        assert [get(channel) for _ in range(10)] == [None] * 10
        assert time.monotonic() - begun < 1


def test_a_lease_that_ran_out_is_noticed_although_nobody_wrote_anything(path: Path):
    with connect(path, lease=0.4) as connection:
        publish(connection, 1)
        channel = connection.channel()
        lost = get(channel)
        forget(path)
        assert get(channel) is None
        time.sleep(0.5)
        again = get(channel)
        assert (again.payload, again.delivery_info["redelivered"]) == (1, True)
        assert lost.delivery_tag != again.delivery_tag


def test_a_lease_is_renewed_while_the_process_lives_even_if_nobody_drains(path: Path):
    with connect(path, lease=0.4) as connection:
        publish(connection, 1)
        mine = get(connection.channel())
        with connect(path, lease=0.5) as another:
            deadline = time.monotonic() + 1.5
            while time.monotonic() < deadline:
                assert get(another.channel()) is None
                time.sleep(0.05)
        mine.ack()
    assert rows(path) == 0


def test_a_message_that_kills_each_worker_that_takes_it_is_dropped_after_five(path: Path, caplog):
    """Q07: the next ones are not held up by it."""
    with connect(path, lease=0.01) as connection:
        publish(connection, "poison")
        publish(connection, "good")
        channel = connection.channel()
        for _ in range(broker.MOST_DELIVERIES):
            assert get(channel).payload == "poison"
            forget(path)  # as if the worker had died with it
            time.sleep(0.02)
        got = get(channel)
        assert got.payload == "good"
        got.ack()
    assert rows(path) == 0
    assert "delivered 5 times and never done: it is dropped" in caplog.text


@pytest.mark.parametrize("too_late", ["close", "renew"])
def test_a_lease_that_was_lost_is_not_taken_from_the_next_holder(path: Path, too_late: str):
    with connect(path, lease=30) as connection, connect(path, lease=31) as another:
        publish(connection, 1)
        channel = connection.channel()
        get(channel)
        with closing(sqlite3.connect(path, isolation_level=None)) as clock:
            clock.execute("UPDATE messages SET leased_until = 1")
        theirs = get(another.channel())
        {"close": channel.close, "renew": channel.store.renew}[too_late]()
        assert channel.store._held == set()
        assert get(another.channel()) is None
        theirs.reject(requeue=True)
        assert get(another.channel()).payload == 1


def test_a_locked_database_is_waited_for(path: Path):
    with connect(path) as connection, closing(sqlite3.connect(path, check_same_thread=False)) as other:
        publish(connection, 1)
        other.execute("BEGIN IMMEDIATE")
        release = threading.Timer(0.5, other.rollback)
        release.start()
        begun = time.monotonic()
        publish(connection, 2)
        assert time.monotonic() - begun > 0.3
        release.join()
        assert bodies(connection.channel()) == [1, 2]


def test_a_lock_that_never_ends_is_an_error_in_the_end(path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(broker, "BUSY_SECONDS", 0.2)
    with connect(path) as connection, closing(sqlite3.connect(path)) as other:
        publish(connection, 1)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(connection.connection_errors, match="locked"):
            publish(connection, 2)


def test_many_threads_and_connections_share_the_queue_without_loss_or_duplicate(path: Path):
    taken: list[object] = []

    def work() -> None:
        with connect(path) as connection:
            publish(connection, *range(25))
            taken.extend(bodies(connection.channel()))

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with connect(path) as connection:
        taken.extend(bodies(connection.channel()))
    assert Counter(taken) == Counter(list(range(25)) * 6)


FORKS = """
import os, sys, threading, time
from dashboard import broker
broker.BUSY_SECONDS = 5
store = broker._store(sys.argv[1], 30.0)
def write():
    while True:
        store.put("jobs", "{}")
        time.sleep(0.002)
threading.Thread(target=write, daemon=True).start()
for _ in range(30):
    child = os.fork()
    if not child:
        try:
            broker._store(sys.argv[1], 30.0).put("jobs", "{}")
        except Exception:
            os._exit(1)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        sys.exit("a child could not write")
"""


@pytest.mark.processes
@pytest.mark.skipif(not hasattr(os, "fork"), reason="only where processes fork")
def test_a_child_forked_while_its_parent_writes_can_write_too(path: Path):
    """Q07: a worker replaces a process of its pool that was killed, while its own threads use the broker."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKS, str(path)],
        cwd=REPOSITORY, env=os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings"},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="only where processes fork")
def test_a_forked_child_opens_its_own_connection_and_leaves_its_parents_leases_alone(path: Path):
    with connect(path) as connection:
        publish(connection, "parent")
        channel = connection.channel()
        mine = get(channel)
        store = channel.store
        store.lock.acquire()
        child = os.fork()
        if child == 0:
            status = 1
            try:
                publish(connection, "child")
                channel.close()
                status = 0 if connection.default_channel.store is not store else 2
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        store.lock.release()
        assert bodies(connection.channel()) == ["child"]
        mine.ack()
    assert rows(path) == 0


# Real workers

APP = """
import json, os, time
from celery import Celery
from dashboard import broker

broker.register()
HERE = os.path.dirname(os.path.abspath(__file__))
app = Celery("fleet", broker="sqlite-broker:///" + os.path.join(HERE, "broker.db"))
app.conf.update(
    task_acks_late=True, task_ignore_result=True, worker_prefetch_multiplier=4,
    worker_enable_remote_control=False, broker_connection_retry_on_startup=True,
    broker_transport_options={"lease": 2, "polling_interval": 0.02},
)

@app.task(name="work")
def work(number, seconds):
    note("begun", number)
    time.sleep(seconds)
    note("done", number)

def note(what, number):
    with open(os.path.join(HERE, what), "a") as file:
        file.write(json.dumps(number) + "\\n")
"""


class Fleet:
    """A Celery application in a folder of its own, and the workers that were started for it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.workers: list[subprocess.Popen[bytes]] = []
        (folder / "fleet.py").write_text(APP)

    def start(self, pool: str, slots: int = 2) -> None:
        name = f"{pool}{len(self.workers)}@test"
        celery = [sys.executable, "-m", "celery", "-A", "fleet", "worker", "-l", "warning", "-n", name]
        options = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        with (self.folder / name).open("wb") as log:
            worker = subprocess.Popen(
                [*celery, *options, "-P", pool, "-c", str(slots)],
                cwd=self.folder,
                env={
                    **{name: value for name, value in os.environ.items() if name != "CELERY_BROKER_URL"},
                    "PYTHONPATH": f"{self.folder}{os.pathsep}{REPOSITORY}",
                    "DJANGO_SETTINGS_MODULE": "",  # this application is none of the site's
                },
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.workers.append(worker)

    def kill(self) -> None:
        for worker in self.workers:
            if worker.poll() is None:
                os.killpg(worker.pid, signal.SIGKILL)
                worker.wait()
        self.workers = []

    def send(self, *numbers: int, seconds: float) -> None:
        payload = {"id": "", "task": "work", "args": [], "kwargs": {}}
        with connect(self.folder / "broker.db") as connection, connection.Producer() as producer:
            for number in numbers:
                headers = {**payload, "id": str(number), "lang": "py", "root_id": None, "parent_id": None}
                producer.publish(
                    [[number, seconds], {}, {}],
                    routing_key="celery",
                    headers=headers,
                    correlation_id=str(number),
                    declare=[Queue("celery", routing_key="celery")],
                )

    def counted(self, what: str) -> Counter[int]:
        file = self.folder / what
        return Counter(map(json.loads, file.read_text().splitlines())) if file.exists() else Counter()

    def wait(self, until: Callable[[], bool], seconds: float = 25) -> None:
        deadline = time.monotonic() + seconds
        while not until():
            logs = "".join(log.read_text() for log in self.folder.glob("*@test"))
            assert all(worker.poll() is None for worker in self.workers), logs
            assert time.monotonic() < deadline, f"{self.counted('done')}\n{logs}"
            time.sleep(0.05)


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    started = Fleet(tmp_path)
    yield started
    started.kill()


@pytest.mark.processes
def test_no_job_is_lost_when_a_whole_worker_is_killed(fleet: Fleet):
    fleet.send(*range(60), seconds=0.02)
    fleet.start("prefork")
    fleet.wait(lambda: len(fleet.counted("done")) >= 15)
    fleet.kill()
    assert rows(fleet.folder / "broker.db") > 0
    fleet.start("threads")
    fleet.wait(lambda: len(fleet.counted("done")) == 60)
    fleet.wait(lambda: rows(fleet.folder / "broker.db") == 0)


@pytest.mark.processes
def test_a_pool_whose_idle_processes_are_killed_works_on(fleet: Fleet):
    """Q07: an idle process that is killed takes no lock with it for which the others would wait for ever."""
    fleet.start("prefork")
    for number in range(6):
        fleet.send(2 * number, 2 * number + 1, seconds=0.01)
        fleet.wait(lambda count=2 * number + 2: len(fleet.counted("done")) == count)
        time.sleep(0.2)
        for child in children(fleet.workers[0].pid):
            os.kill(child, signal.SIGKILL)
    fleet.send(100, 101, seconds=0.01)
    fleet.wait(lambda: len(fleet.counted("done")) == 14)


@pytest.mark.processes
@pytest.mark.parametrize("pool", ["prefork", "threads", "solo"])
def test_a_job_longer_than_its_lease_runs_once_although_others_wait_for_work(fleet: Fleet, pool: str):
    fleet.send(1, seconds=4)
    fleet.start(pool, slots=1)
    fleet.start(pool, slots=1)
    fleet.wait(lambda: len(fleet.counted("done")) == 1)
    fleet.wait(lambda: rows(fleet.folder / "broker.db") == 0)
    assert fleet.counted("begun") == fleet.counted("done") == {1: 1}


@pytest.mark.processes
def test_two_workers_share_the_queue_and_run_nothing_twice(fleet: Fleet):
    fleet.start("prefork")
    fleet.start("prefork")
    fleet.send(*range(200), seconds=0.01)
    fleet.wait(lambda: rows(fleet.folder / "broker.db") == 0)
    assert fleet.counted("begun") == fleet.counted("done") == dict.fromkeys(range(200), 1)
