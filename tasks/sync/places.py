"""Where a reading stands: the one place that moves it on, as long as the turn is ours."""

from __future__ import annotations

import datetime as dt
from typing import Any

from tasks import clock
from tasks.models import Application, Sync

Section = Sync.Section
ORDER = tuple(Section)

LEASE = dt.timedelta(seconds=90)
"""A worker that did not come back after so long is taken for dead; longer than a turn with its longest call."""


class Lost(Exception):
    """The turn is another's, or the reading was cancelled; what was written in this transaction is rolled back."""


def take(sync_id: int) -> Sync | None:
    """Take the turn by setting when the next one is due; None when it is another's, or not due."""
    now = clock.now()
    due = Sync.objects.filter(pk=sync_id, finished_at__isnull=True, due_at__lte=now)
    sync = due.select_related("application").first()
    if sync is None:
        return None
    until = now + LEASE
    if not Sync.objects.filter(pk=sync_id, finished_at__isnull=True, due_at=sync.due_at).update(
        due_at=until, is_waiting=False
    ):
        return None
    sync.due_at, sync.taken_at = until, max(now, sync.started_at)
    return sync


def put_off(sync: Sync, until: dt.datetime, **changes: Any) -> None:
    """Give the turn back until then. Raises ``Lost``."""
    _move(sync, due_at=until, is_waiting=True, **changes)


def turn_page(sync: Sync, *, read: int, total: int, is_last: bool) -> None:
    """One more page of the section is read. Call it in the transaction that stores what was read. Raises ``Lost``."""
    done, total = sync.done + read, min(total, 2**31 - 1)
    if is_last:
        leave(sync, done, total=total)
    else:
        _move(sync, page=sync.page + 1, done=done, total=total, failures=0, problem="")


def close_group(sync: Sync, group: int, *, read: int, remark: str = "") -> None:
    """All members of this group are read, or there are none to be had. Raises ``Lost``."""
    done, remarks = sync.done + read, _with(sync, remark)
    _move(sync, group=group, page=0, done=done, failures=0, problem="", remarks=remarks)


def set_total(sync: Sync, total: int) -> None:
    """How much the section has. Raises ``Lost``."""
    _move(sync, total=min(total, 2**31 - 1))


def hold(sync: Sync) -> None:
    """Keep the turn for another while: call it between parts of what may take long. Raises ``Lost``."""
    _move(sync, due_at=clock.now() + LEASE)


def leave(
    sync: Sync, came_to: int, *, total: int | None = None, remark: str = "", is_over: bool = False
) -> None:
    """Go on with the next section; with the last one, or when it ``is_over``, the reading ends. Raises ``Lost``."""
    here = Section(sync.section)
    counts = sync.counts | {here.value: came_to}
    if total is not None:
        counts[f"{here.value} reported"] = total
    remarks = _with(sync, remark)
    if is_over or here == ORDER[-1]:
        end(sync, Sync.Ended.COMPLETE, counts=counts, remarks=remarks)
        if sync.since is None:
            Application.objects.filter(pk=sync.application_id).update(catalogue_at=sync.started_at)
        return
    _move(
        sync, section=ORDER[ORDER.index(here) + 1], page=0, group=0, done=0, total=0, failures=0, problem="",
        counts=counts, remarks=remarks,
    )  # fmt: skip


def end(sync: Sync, ended: Sync.Ended, **changes: Any) -> None:
    """It is over. Raises ``Lost``."""
    _move(sync, ended=ended, finished_at=clock.now(), **({"problem": ""} | changes))


MOST_REMARKS = 20


def _with(sync: Sync, remark: str) -> list[str]:
    return [*sync.remarks, remark[:500]][:MOST_REMARKS] if remark else sync.remarks


def _move(sync: Sync, **changes: Any) -> None:
    ours = Sync.objects.filter(pk=sync.pk, finished_at__isnull=True, due_at=sync.due_at)
    if not ours.update(**changes):
        raise Lost
    for name, value in changes.items():
        setattr(sync, name, value)
