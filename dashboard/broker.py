"""The embedded broker: a kombu transport on one SQLite file, which needs no server and loses no message.

A consumer leases a message; an acknowledgement deletes it. While the process lives, a thread renews its
leases, however long its jobs take and whatever pool runs them; when it dies, they run out and the next
worker takes over. So every message is delivered at least once, and twice only after a crash. One that comes back
again and again, as each worker that takes it dies, is dropped: the sweep finds real work without it.

There is no fanout: workers run with ``--without-gossip --without-mingle --without-heartbeat``, with events
and remote control off, and with late acknowledgement.
"""

import contextlib
import logging
import os
import socket
import sqlite3
import threading
import time
from collections.abc import Callable
from queue import Empty
from typing import Any

from kombu.transport import TRANSPORT_ALIASES, virtual
from kombu.utils.json import dumps, loads

logger = logging.getLogger(__name__)

SCHEME = "sqlite-broker"
LEASE_SECONDS = 30.0
BUSY_SECONDS = 20.0
MOST_DELIVERIES = 5

SETUP = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    # a claim is the pair of id and claims: no two leases of a message are mistaken for one another
    """CREATE TABLE IF NOT EXISTS messages (
        id INTEGER PRIMARY KEY AUTOINCREMENT, queue TEXT NOT NULL, payload TEXT NOT NULL,
        leased_until REAL NOT NULL DEFAULT 0, claims INTEGER NOT NULL DEFAULT 0)""",
    "CREATE INDEX IF NOT EXISTS in_order ON messages (queue, id)",
)
PUT = "INSERT INTO messages (queue, payload) VALUES (?, ?)"
FIND = "SELECT 1 FROM messages WHERE queue = ? AND leased_until <= ? LIMIT 1"
NEXT_EXPIRY = "SELECT min(leased_until) FROM messages WHERE queue = ?"
CLAIM = """UPDATE messages SET leased_until = ?, claims = claims + 1
    WHERE id = (SELECT id FROM messages WHERE queue = ? AND leased_until <= ? ORDER BY id LIMIT 1)
    RETURNING id, claims, payload"""
RENEW = "UPDATE messages SET leased_until = ? WHERE id = ? AND claims = ?"
RELEASE = "UPDATE messages SET leased_until = 0 WHERE id = ? AND claims = ?"
REMOVE = "DELETE FROM messages WHERE id = ?"
SIZE = "SELECT count(*) FROM messages WHERE queue = ? AND leased_until <= ?"
PURGE = "DELETE FROM messages WHERE queue = ? AND leased_until <= ?"
DROP = "DELETE FROM messages WHERE queue = ?"

Claim = tuple[int, int]


def register() -> None:
    """Let ``sqlite-broker:///relative/path`` and ``sqlite-broker:////absolute/path`` be broker URLs."""
    TRANSPORT_ALIASES[SCHEME] = f"{__name__}:Transport"


class Store:
    """The file, opened once in a process: the threads share one connection, and a fork opens its own."""

    def __init__(self, path: str, lease: float) -> None:
        self.lease = lease
        self.lock = threading.RLock()
        self._held: set[Claim] = set()
        self._keeper: threading.Thread | None = None
        self._writes = 0
        self._idle: dict[str, tuple[tuple[int, int], float]] = {}
        self._connection = sqlite3.connect(
            path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        for statement in SETUP:
            self._run(statement)

    def put(self, queue: str, payload: str) -> None:
        self._write(PUT, queue, payload)

    def claim(self, queue: str) -> tuple[Claim, str] | None:
        """The oldest free message of the queue, leased; None is found out without taking a write lock."""
        with self.lock:
            # data_version tells of other connections' writes only
            mark = (self._run("PRAGMA data_version")[0][0], self._writes)
            now = time.time()
            seen, next_expiry = self._idle.get(queue, (None, 0.0))
            if mark == seen and now < next_expiry:
                return None
            if not self._run(FIND, queue, now):
                self._idle[queue] = mark, self._run(NEXT_EXPIRY, queue)[0][0] or float("inf")
                return None
            while True:
                rows = self._write(CLAIM, now + self.lease, queue, now)
                if not rows:  # another process was faster
                    return None
                number, claims, payload = rows[0]
                if claims <= MOST_DELIVERIES:
                    break
                self._write(REMOVE, number)
                job = loads(payload).get("headers", {}).get("task", "a message")
                logger.error("%s was delivered %s times and never done: it is dropped", job, claims - 1)
            self._held.add((number, claims))
        self._start_keeper()
        return (number, claims), payload

    def remove(self, claim: Claim) -> None:
        """The message is dealt with, even where its lease was lost meanwhile."""
        with self.lock:
            self._write(REMOVE, claim[0])
            self._held.discard(claim)

    def release(self, claim: Claim) -> None:
        """Give the message back to its old place in the queue, unless another has it by now."""
        with self.lock:
            if claim in self._held:
                self._write(RELEASE, *claim)
                self._held.discard(claim)

    def renew(self) -> None:
        with self.lock:
            for claim in list(self._held):
                if not self._write(f"{RENEW} RETURNING id", time.time() + self.lease, *claim):
                    self._held.discard(claim)

    def size(self, queue: str) -> int:
        return int(self._run(SIZE, queue, time.time())[0][0])

    def purge(self, queue: str) -> int:
        return len(self._write(f"{PURGE} RETURNING id", queue, time.time()))

    def drop(self, queue: str) -> None:
        self._write(DROP, queue)

    def _start_keeper(self) -> None:
        with self.lock:
            if self._keeper is None:
                self._keeper = threading.Thread(target=self._keep, name="broker-leases", daemon=True)
                self._keeper.start()

    def _keep(self) -> None:
        while True:
            time.sleep(self.lease / 3)
            try:
                self.renew()
            except sqlite3.Error:
                logger.exception("The broker's leases could not be renewed; the next try is soon")

    def _write(self, statement: str, *values: object) -> list[Any]:
        with self.lock:
            self._writes += 1
            return self._run(statement, *values)

    def _run(self, statement: str, *values: object) -> list[Any]:
        deadline = time.monotonic() + BUSY_SECONDS
        while True:
            try:
                with self.lock:
                    return self._connection.execute(statement, values).fetchall()
            except sqlite3.OperationalError as error:
                # SQLite does not wait for every lock: it fails at once when it switches to WAL or recovers
                busy = error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
                if not busy or time.monotonic() > deadline:
                    raise
            time.sleep(0.05)


_stores: dict[tuple[str, float], Store] = {}
_parents: list[dict[tuple[str, float], Store]] = []
_opening = threading.Lock()


def _store(path: str, lease: float) -> Store:
    with _opening:
        if (path, lease) not in _stores:
            _stores[path, lease] = Store(path, lease)
        return _stores[path, lease]


def _before_fork() -> None:
    """No statement may be under way: a child inherits what SQLite knows of locks, and would wait for ours for ever."""
    _opening.acquire()
    for store in _stores.values():
        store.lock.acquire()


def _after_fork_in_parent() -> None:
    for store in _stores.values():
        store.lock.release()
    _opening.release()


def _after_fork_in_child() -> None:
    """A child must neither use nor close its parent's connections, nor wait for its threads' locks."""
    global _stores, _opening
    _parents.append(_stores)
    _stores, _opening = {}, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child
    )


class Channel(virtual.Channel):
    """Queues are rows; a delivery tag is a claim."""

    def __init__(self, connection: Any, **kwargs: Any) -> None:
        super().__init__(connection, **kwargs)
        client = connection.client
        self._address = client.virtual_host, float(client.transport_options.get("lease", LEASE_SECONDS))

    @property
    def store(self) -> Store:
        """Also after closing, when a job that ran on may still acknowledge; and another one after a fork."""
        return _store(*self._address)

    def basic_consume(
        self,
        queue: str,
        no_ack: bool,  # noqa: FBT001 - kombu's signature, as below
        callback: Callable[..., Any] | None,
        consumer_tag: str | None,
        **kwargs: Any,
    ) -> str:
        def forget_first(message: Any) -> object:
            self._done(message.delivery_tag)
            return callback(message) if callback else None

        taken = forget_first if no_ack else callback
        return super().basic_consume(queue, no_ack, taken, consumer_tag, **kwargs)

    def basic_get(self, queue: str, no_ack: bool = False, **kwargs: Any) -> Any:  # noqa: FBT001, FBT002
        message = super().basic_get(queue, no_ack=no_ack, **kwargs)
        if message is not None and no_ack:
            self._done(message.delivery_tag)
        return message

    def basic_ack(self, delivery_tag: str, multiple: bool = False) -> None:  # noqa: FBT001, FBT002
        self._done(delivery_tag)
        super().basic_ack(delivery_tag, multiple=multiple)

    def basic_reject(self, delivery_tag: str, requeue: bool = False) -> None:  # noqa: FBT001, FBT002
        if not requeue:
            self._done(delivery_tag)
        super().basic_reject(delivery_tag, requeue=requeue)

    def queue_delete(self, queue: str, *args: Any, **kwargs: Any) -> None:
        super().queue_delete(queue, *args, **kwargs)
        if not kwargs.get("if_empty"):
            self.store.drop(queue)

    def _put(self, queue: str, message: dict[str, Any], **kwargs: Any) -> None:
        self.store.put(queue, dumps(message))

    def _get(self, queue: str, timeout: float | None = None) -> dict[str, Any]:
        claimed = self.store.claim(queue)
        if claimed is None:
            raise Empty
        (number, claims), payload = claimed
        message: dict[str, Any] = loads(payload)
        message["properties"]["delivery_tag"] = f"{number}.{claims}"
        message["properties"]["delivery_info"]["redelivered"] = claims > 1
        return message

    def _restore(self, message: Any) -> None:
        self.store.release(_claim(message.delivery_tag))

    def _done(self, delivery_tag: str | None) -> None:
        self.store.remove(_claim(delivery_tag))

    def _size(self, queue: str) -> int:
        return self.store.size(queue)

    def _purge(self, queue: str) -> int:
        return self.store.purge(queue)

    def _delete(self, queue: str, *args: Any, **kwargs: Any) -> None:
        """Bindings live in memory, and `queue_delete` takes the rows."""


def _claim(delivery_tag: str | None) -> Claim:
    number, claims = (delivery_tag or "").split(".")
    return int(number), int(claims)


class Transport(virtual.Transport):
    """Workers look for messages from their event loop: only then has each process of their pool a pipe of its own,
    and one that is killed takes no lock with it that the others wait for.
    """

    Channel = Channel
    implements = virtual.Transport.implements.extend(asynchronous=True)
    polling_interval = 0.03
    driver_type = driver_name = "sqlite"
    connection_errors = (*virtual.Transport.connection_errors, sqlite3.OperationalError)

    def register_with_event_loop(self, connection: Any, loop: Any) -> None:
        def look() -> None:
            with contextlib.suppress(socket.timeout):
                while True:
                    self.drain_events(connection, timeout=0)

        loop.call_repeatedly(self.polling_interval, look)

    def driver_version(self) -> str:
        return sqlite3.sqlite_version

    @property
    def default_connection_params(self) -> dict[str, Any]:
        return {}
