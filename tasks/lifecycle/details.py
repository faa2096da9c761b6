"""Read what the platform knows of a task's devices: only the lists that hold news, page by page, and go on later.

A list is the task's details with one of the platform's statuses, or the whole of them. What is to be read is decided
by counting: where the platform counts no more answers than there are results, its list is left alone, and a list is
left as soon as that is so. A few silent devices of many are asked for by name.
"""

from __future__ import annotations

import datetime as dt
import math
import time
from functools import partial

from django.db import transaction

from tasks import clock
from tasks.models import Task
from tasks.platform import client, counters
from tasks.platform.answers import OVER, Detail, DetailsPage
from tasks.platform.errors import PlatformError
from tasks.platform.pushes import FINAL_STATUSES, normal
from tasks.platform.pushes import LONGEST as LONGEST_WORD
from tasks.targets import TargetType

from . import queue
from .asking import ask
from .listing import list_devices
from .results import Observation, apply
from .settle import conclude

WHOLE = ""
"""The list of all details, whatever their status."""

PAGE = 250
SINGLY = 50
"""So many silent devices at the most are asked for one by one."""

TURN_SECONDS = 20
"""After that a worker lets another job have its turn."""

LEASE = dt.timedelta(seconds=60)
"""So long another worker leaves it alone; a call takes no longer."""


FINER = {"TIMEOUT": "EXPIRED", "FAILED": "CANCELED"}
"""A word of the details -> what it may stand for there. Where a push said the finer one, the two do not disagree."""


class Unfit(PlatformError):
    """An answer that contradicts itself or another one: nothing is concluded from it, and it is asked for again."""


def wanted(task: Task) -> list[str]:
    """The lists that hold answers we lack, bad news and short ones first; nothing when all agree.

    While the task runs, a list is read when it fits a page or at least half of it is news: so the whole run costs
    no more than two readings of all of it.
    """
    if lists := _with_news(task):
        return lists
    return [WHOLE] if (_is_over(task) and _silent(task)) or _is_news(task, *_listed(task)) else []


def read(task: Task) -> bool:
    """Read what is wanted; True when it was read to the end, False when the next turn goes on with it.

    Every page is kept in a transaction with the place where reading goes on, so that a crash costs one page.
    """
    list_devices(task.pk)
    task.refresh_from_db(fields=["counts", "listed", "poll_lists", "poll_page", "state"])
    over, spare = time.monotonic() + TURN_SECONDS, queue.call_wanted(task.application)
    if not task.poll_lists or not _lacks(task, task.poll_lists[0]):  # pushes may have told it meanwhile
        asked = _ask_singly(task, spare=spare)
        task.poll_lists, task.poll_page = _with_news(task) if asked else wanted(task), 0
    before: tuple[Detail, ...] = ()
    while task.poll_lists:
        if time.monotonic() > over:
            return False
        found = _ask(task, spare=spare, page=task.poll_page, status=task.poll_lists[0])
        if task.poll_page and found.details and found.details == before:
            raise Unfit(f"Page {task.poll_page} of its devices repeats the page before.")
        before = found.details
        _keep_page(task, found)
    return True


def progress(task: Task) -> str:
    """How far reading has come."""
    status = task.poll_lists[0]
    words = counters.KINDS[status].words if status else "all"
    return f"Reading which devices the platform counts ({words}): {task.poll_page * PAGE:,} so far."


def _with_news(task: Task) -> list[str]:
    counted = counters.pairs(task.platform_counts, task.counts)
    news = {name: theirs for name, (theirs, ours) in counted.items() if _is_news(task, theirs, ours)}
    return sorted(news, key=lambda name: news[name])


def _is_news(task: Task, theirs: int, ours: int) -> bool:
    return theirs > ours and (_is_over(task) or theirs <= PAGE or theirs >= 2 * ours)


def _is_over(task: Task) -> bool:
    return task.platform_status in OVER


def _silent(task: Task) -> int:
    return sum(task.counts.values()) - task.answered


def _listed(task: Task) -> tuple[int, int]:
    """How many devices the platform has, and how many have their row; those of a DeviceList have it from the start."""
    known = sum(task.counts.values())
    return known if task.target_type == TargetType.DEVICE_LIST else _total(task), known


def _total(task: Task) -> int:
    return task.platform_counts.get("total", 0)


def _ask_singly(task: Task, *, spare: bool) -> bool:
    """Ask for each of few silent devices; False when there are too many, or the platform answers about others."""
    few = _few(task)
    for device_id in few:
        found = _ask(task, spare=spare, device_id=device_id)
        _keep(task, found)
        if found.details and device_id not in {detail.device_id for detail in found.details}:
            return False
    return bool(few)


def _few(task: Task) -> list[str]:
    """The silent devices of a task that is over, where asking for each is cheaper than reading lists."""
    total, known = _listed(task)
    if not _is_over(task) or known < total:
        return []
    sizes = {name: theirs for name, (theirs, _) in counters.pairs(task.platform_counts, task.counts).items()}
    sizes[WHOLE] = max(_total(task), known)
    pages = sum(math.ceil(sizes[name] / PAGE) for name in wanted(task))
    if not 0 < _silent(task) <= min(SINGLY, pages):
        return []
    silent = task.results.filter(unexpected=False).exclude(status__in=FINAL_STATUSES)
    return list(silent.values_list("device_id", flat=True))


def _ask(task: Task, *, spare: bool, page: int = 0, status: str = WHOLE, device_id: str = "") -> DetailsPage:
    question = partial(
        client.details,
        task_id=task.platform_task_id,
        page=page,
        size=PAGE,
        status=status,
        device_id=device_id,
    )
    return ask(task.application, question, spare=spare)


def _keep_page(task: Task, found: DetailsPage) -> None:
    """Keep a page and move on; from one that cannot be right its devices are taken, and it is asked for again."""
    status, page = task.poll_lists[0], task.poll_page
    if status and any(
        normal(detail.status) not in counters.KINDS[status].statuses for detail in found.details
    ):
        task.poll_lists = [WHOLE]  # the platform heeds no such filter: this is the list of all
    whole, before = task.poll_lists == [WHOLE], page * PAGE
    if len(found.details) < min(PAGE, found.total - before):
        _keep(task, found)
        raise Unfit(
            f"Page {page} of its devices holds {len(found.details):,}, though there are {found.total:,}."
        )
    _keep(task, found, last=before + len(found.details) >= found.total)
    if whole and task.poll_lists and task.poll_page == 0:
        raise Unfit(
            f"The list of its devices holds {found.total:,}, though the platform counts {_total(task):,}."
        )


def _keep(task: Task, found: DetailsPage, *, last: bool | None = None) -> None:
    """Merge what was found into the results, and the place where reading goes on into the task, at once."""
    now = clock.now()
    with transaction.atomic():
        locked = Task.objects.select_for_update().get(pk=task.pk)
        counts = dict(locked.counts)
        apply(locked, _observations(locked, found, now))
        conclude(locked)
        locked.poll_lists, locked.poll_page = task.poll_lists, task.poll_page
        if last is not None:
            _move_on(locked, found, last=last)
        if locked.counts != counts:
            locked.heard_at = now
        locked.poll_at = now + LEASE
        locked.save(update_fields=["poll_lists", "poll_page", "poll_at", "heard_at"])
    for name in ("state", "counts", "poll_lists", "poll_page", "heard_at", "finished_at"):
        setattr(task, name, getattr(locked, name))


def _move_on(task: Task, found: DetailsPage, *, last: bool) -> None:
    """To the next page, or the next list; and to the whole when a list that was read does not bear out its counter."""
    status, *rest = task.poll_lists
    if not last and _lacks(task, status):
        task.poll_page += 1
        return
    rest = [name for name in rest if _lacks(task, name)]
    left = wanted(task) if _is_over(task) else []
    if not rest and left and (status != WHOLE or found.total < _total(task)):
        rest = [WHOLE] if status in (WHOLE, *left) else left
    task.poll_lists, task.poll_page = rest, 0


def _lacks(task: Task, status: str) -> bool:
    """May the list hold anything new?"""
    counted = counters.pairs(task.platform_counts, task.counts)
    if status:
        theirs, ours = counted[status]
        return theirs > ours
    total, known = _listed(task)
    more = any(theirs > ours for theirs, ours in counted.values())
    return more or total > known or (_is_over(task) and _silent(task) > 0)


def _is_somebody(detail: Detail) -> bool:
    """The rule for pushes: words that are too long to be stored are nobody's; and no status is no news."""
    words = (detail.device_id, detail.command_id, detail.status)
    return bool(detail.device_id and detail.status) and max(map(len, words)) <= LONGEST_WORD


def _observations(task: Task, found: DetailsPage, now: dt.datetime) -> list[Observation]:
    details = [detail for detail in found.details if _is_somebody(detail)]
    finer = {}
    if any(task.counts.get(status) for status in FINER.values()):
        known = task.results.filter(device_id__in=[detail.device_id for detail in details])
        finer = dict(known.filter(status__in=FINER.values()).values_list("device_id", "status"))
    return [_observed(detail, finer.get(detail.device_id, ""), now) for detail in details]


def _observed(detail: Detail, finer: str, at: dt.datetime) -> Observation:
    status = normal(detail.status)
    return Observation(
        device_id=detail.device_id,
        command_id=detail.command_id,
        status=finer if finer and finer == FINER.get(status) else status,
        at=at,
        source="poll",
        detail=detail.output,
        error_code=detail.error_code[:32],
        error_text=detail.error_text[:500],
    )
