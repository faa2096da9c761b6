"""The turn to settle a task: one worker has it at a time, and tries that come to nothing are counted."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

from django.db import InterfaceError, InternalError, OperationalError, ProgrammingError
from django.db.models import F, Q

from tasks import clock
from tasks.models import Task

LEASE = dt.timedelta(seconds=60)
"""A worker that dies keeps others from its task no longer than this."""

TRIES = 5
"""A callback that cannot be settled so many times is put aside."""

TOGETHER = 2
"""Of these, tries with all of its batch; the others are made with each callback by itself."""

TROUBLE = (OperationalError, InterfaceError, InternalError, ProgrammingError)
"""What the database raises in trouble of its own, whatever the callbacks say."""


@dataclass
class Turn:
    """The turn to settle one task. ``tries`` counts those that came to nothing, the running one included.

    The count is in the database before a try is made, so a worker that dies has counted it, too.
    """

    task_id: int
    until: dt.datetime
    tries: int
    alone: int = 0  # callbacks that are still to be settled one by one
    first: int = 1  # what the next one's first try counts as: one of those alone has been tried in company
    chunk: int = 1000  # observations of the next transaction

    def size(self, most: int) -> int:
        """How many callbacks to settle together."""
        if self.tries > TOGETHER and not self.alone:
            self.alone, self.first = most, TOGETHER + 1
        return 1 if self.alone else most

    def note(self, tries: int, **columns: object) -> None:
        """The next try is that many-th one; and the turn goes on."""
        until = clock.now() + LEASE
        Task.objects.filter(pk=self.task_id).update(settling_until=until, settle_tries=tries, **columns)
        self.until, self.tries = until, tries

    def went_on(self) -> int:
        """What the next try counts as, after one that came to something."""
        self.alone = max(self.alone - 1, 0)
        if not self.alone:
            self.first = 1
        return self.first


@contextlib.contextmanager
def turn_of(task_id: int) -> Iterator[Turn | None]:
    """The turn to settle the task; None when another worker has it."""
    now = clock.now()
    free = Task.objects.filter(Q(settling_until=None) | Q(settling_until__lt=now), pk=task_id)
    if not free.update(settling_until=now + LEASE, settle_tries=F("settle_tries") + 1):
        yield None
        return
    tries = Task.objects.values_list("settle_tries", flat=True).get(pk=task_id)
    turn = Turn(task_id, now + LEASE, tries)
    try:
        yield turn
    finally:
        with contextlib.suppress(*TROUBLE):  # then the lease runs out
            mine = Task.objects.filter(pk=task_id, settling_until=turn.until)
            mine.update(settling_until=None, settle_tries=TOGETHER if turn.alone else 0)
