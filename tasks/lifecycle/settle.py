"""Turn kept callbacks into results and counts: in batches, in any order, any number of times, same outcome.

First the results are committed, then the callbacks are marked, which may lie in another database. A crash in
between has them settled once more, without effect.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import gc
import logging
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence

from django.db import connection, connections, models, router, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from tasks import clock
from tasks.bells import ring
from tasks.models import Callback, Task
from tasks.platform import pushes
from tasks.platform.jsontext import clean
from tasks.states import State

from . import bulk, pace
from .listing import list_devices
from .results import News, Observation, merge, reduced
from .transitions import move
from .trim import trim
from .turns import TRIES, TROUBLE, Turn, turn_of

logger = logging.getLogger(__name__)

BATCH = 50_000
"""Callbacks that are read at a time: the more are waiting, the more of them are of one device and one write."""
PAGE, MOST_BYTES = 5000, 32 * 2**20
"""A batch is read in pages, and ends early when it is so large: bodies may be."""
MARKED = 1000
"""Callbacks that are marked at a time with SQLite: the receiver waits for the same lock."""
TURN_SECONDS = 3
"""After that a worker lets another job have its turn."""

Kept = tuple[int, bytes, dt.datetime]
"""A callback's id, body and time."""


class Unsettleable(Exception):
    """Some callback of the batch makes settling fail; ``__cause__`` says how."""


def settle(task_id: int) -> None:
    """Settle what is kept for the task. After a turn others are let through, and the bell is rung again."""
    over = time.monotonic() + TURN_SECONDS
    while _has_work(task_id):
        with turn_of(task_id) as turn, _without_collecting():
            if turn is None:
                return  # another worker has the turn, and looks again when it has given it back
            bulk.widen_cache()
            done = list_devices(task_id, until=over) and _settle_all(turn, over)
            while trim(task_id):
                pass
            if not done:
                ring("settle", task_id)
                return
            with transaction.atomic():
                conclude(Task.objects.select_for_update().get(pk=task_id))


def conclude(task: Task) -> None:
    """Move the task as far as its results prove. Call with its row locked."""
    if _is_proven(task):
        move(
            task,
            State.RUNNING,
            "A device's answer came to this task's own address, so the platform has the task; "
            "its taskID is not known.",
            evidence={"last_push_at": f"{task.last_push_at:%Y-%m-%dT%H:%M:%SZ}"},
            submitted_at=clock.now(),
            poll_at=clock.now(),
        )
    if _is_over(task):
        confirmed_at = pace.confirmation() if task.platform_task_id else None
        move(task, State.COMPLETE, "every device has a final answer", poll_at=confirmed_at)


def _is_proven(task: Task) -> bool:
    """An answer proves that the platform has the task."""
    return task.state == State.UNCONFIRMED and task.last_push_at is not None


def _is_over(task: Task) -> bool:
    return task.state == State.RUNNING and bool(task.expected) and task.answered >= (task.expected or 0)


def _has_work(task_id: int) -> bool:
    """Most bells are rung for what another worker has settled meanwhile."""
    task = Task.objects.filter(pk=task_id).first()
    if task is None:
        Callback.objects.filter(
            task_id=task_id
        ).delete()  # pushes that crossed with the pruning of their task
        return False
    return not task.listed or _is_proven(task) or _is_over(task) or _new(task_id).exists()


def _new(task_id: int) -> models.QuerySet[Callback]:
    return Callback.objects.filter(task_id=task_id, state=Callback.State.NEW)


@contextlib.contextmanager
def _without_collecting() -> Iterator[None]:
    """No cycle is among the many tuples made here; looking for one takes a seventh of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _settle_all(turn: Turn, over: float) -> bool:
    """Settle batch by batch; False when time is over before all is done."""
    problem, after = "The worker died each time that it was settled.", 0
    while True:
        callbacks = _next(turn.task_id, after, turn.size(BATCH))
        if not callbacks and after:
            after = 0  # what was committed late may have a lower id
            continue
        if not callbacks:
            turn.alone = 0
            return True
        if turn.tries > TRIES:
            logger.error("callback %s of task %s is put aside: %s", callbacks[0][0], turn.task_id, problem)
            _mark([callbacks[0][0]], Callback.State.QUARANTINED, problem)
            turn.first = 1
            turn.note(turn.went_on())
            continue
        try:
            _settle_batch(turn, callbacks)
            after = callbacks[-1][0]
        except Unsettleable as error:
            logger.warning("settling for task %s fails: %r", turn.task_id, error.__cause__)
            problem = f"Settling it fails: {clean(repr(error.__cause__))}"
            turn.note(turn.tries + 1)
        if time.monotonic() > over:
            return False


def _next(task_id: int, after: int, size: int) -> list[Kept]:
    """The oldest callbacks after this one; PostgreSQL would walk through all that it has just marked."""
    rows = _new(task_id).order_by("id").values_list("id", "body", "received_at")
    found: list[Kept] = []
    weight = 0
    while len(found) < size and weight < MOST_BYTES:
        wanted = min(size - len(found), PAGE)
        page = [
            (pk, bytes(body), received_at) for pk, body, received_at in rows.filter(id__gt=after)[:wanted]
        ]
        found += page
        if len(page) < wanted:
            break
        weight += sum(len(body) for _, body, _ in page)
        after = page[-1][0]
    return found


def _settle_batch(turn: Turn, callbacks: Sequence[Kept]) -> None:
    """Commit what the callbacks say, device by device in short transactions; then mark the callbacks.

    They are marked in the order they came in: neighbours lie on the same pages.
    """
    observations, malformed = _read(callbacks)
    newest = max((seen.at for seen in observations), default=None)
    observations.sort(key=lambda seen: seen.device_id)
    done = 0
    while done < len(observations):
        chunk = observations[done : done + turn.chunk]
        done += len(chunk)
        _settle_chunk(turn, chunk, newest if done == len(observations) else None)
        bulk.let_others_write()
    if not observations:
        turn.note(turn.went_on())
    bad = {pk for of_problem in malformed.values() for pk in of_problem}
    _mark([pk for pk, _, _ in callbacks if pk not in bad], Callback.State.SETTLED)
    for problem, of_problem in malformed.items():
        _mark(of_problem, Callback.State.QUARANTINED, problem)


def _read(callbacks: Sequence[Kept]) -> tuple[list[Observation], dict[str, list[int]]]:
    """What the callbacks say; and the ids of those that say nothing, by what is wrong with them."""
    observations, malformed = [], defaultdict(list)
    for pk, body, received_at in callbacks:
        try:
            device_id, command_id, status, _, detail = pushes.parse(body)
        except pushes.Malformed as error:
            malformed[error.reason].append(pk)
        except Exception as error:
            raise Unsettleable from error
        else:
            observations.append(Observation(device_id, command_id, status, received_at, "push", detail))
    return observations, malformed


def _settle_chunk(turn: Turn, chunk: Sequence[Observation], newest: dt.datetime | None) -> None:
    """One transaction; the last of a batch, which knows its ``newest`` time, counts as a try that came to something."""
    news = reduced(chunk)
    with transaction.atomic():
        bulk.commit_lazily(connection)
        task = Task.objects.select_for_update().get(pk=turn.task_id)
        began = time.monotonic()
        _merge(task, news)
        if newest:
            task.last_push_at = max(filter(None, (task.last_push_at, newest)))
            turn.note(turn.went_on(), last_push_at=task.last_push_at)
            conclude(task)
    turn.chunk = bulk.next_size(len(chunk), time.monotonic() - began, BATCH)


def _merge(task: Task, news: News) -> None:
    try:
        merge(task, news)
    except TROUBLE:
        raise
    except Exception as error:
        raise Unsettleable from error


def _mark(ids: Sequence[int], state: Callback.State, problem: str = "") -> None:
    """By id and not by a range of ids: on PostgreSQL one may be committed later than one that follows it.

    Those that are not NEW are left out in a way that keeps PostgreSQL from walking through all that are.
    """
    inbox = connections[router.db_for_write(Callback)]
    together = MARKED if inbox.vendor == "sqlite" else BATCH
    for start in range(0, len(ids), together):
        those, parameter = bulk.among("id", ids[start : start + together], inbox)
        with _marking(inbox), inbox.cursor() as cursor:
            cursor.execute(
                f"UPDATE {Callback._meta.db_table} SET state = %s, problem = %s"  # noqa: S608
                f" WHERE {those} AND state NOT IN ('SETTLED', 'QUARANTINED')",
                [state, problem[:300], parameter],
            )


@contextlib.contextmanager
def _marking(inbox: BaseDatabaseWrapper) -> Iterator[None]:
    """On SQLite a statement is a transaction by itself, and the receiver waits for every moment of it."""
    if inbox.vendor == "sqlite":
        yield
        return
    with transaction.atomic(using=inbox.alias):
        bulk.commit_lazily(inbox)
        yield
