"""What the platform knows of the devices of a task whose taskID is not known: from the device commands.

Only where the application's switch says that the commands of batch tasks show there. A command is the task's when it
carries the task's own callback address.
"""

from __future__ import annotations

import datetime as dt
import time
from functools import partial

from django.db import transaction

from tasks import clock
from tasks.models import Task
from tasks.platform import client
from tasks.platform.answers import CommandsPage
from tasks.platform.pushes import LONGEST, normal

from . import queue
from .asking import ask
from .compose import callback_url
from .details import LEASE, TURN_SECONDS
from .listing import list_devices
from .results import Observation, apply
from .settle import conclude

PAGE = 1000
BEFORE = dt.timedelta(minutes=5)
"""By which the platform's clock may be behind ours."""


def read(task: Task) -> int:
    """Read the application's commands since it was sent. The number of pages; 0 when the next turn goes on with it."""
    list_devices(task.pk)
    over, spare = time.monotonic() + TURN_SECONDS, queue.call_wanted(task.application)
    first = task.attempts.order_by("number").first()
    since = (first.started_at if first else task.created_at) - BEFORE
    while True:
        question = partial(client.device_commands, since=since, page=task.poll_page, size=PAGE)
        found = ask(task.application, question, spare=spare)
        pages = task.poll_page + 1
        last = pages * PAGE >= found.total or not found.commands
        task.poll_page = 0 if last else pages
        _keep(task, found, clock.now())
        if last:
            return pages
        if time.monotonic() > over:
            return 0


def _keep(task: Task, found: CommandsPage, now: dt.datetime) -> None:
    address = callback_url(task.callback_token or "")
    seen = [
        Observation(
            device_id=command.device_id,
            command_id=command.command_id,
            status=normal(command.status),
            at=now,
            source="poll",
            detail=command.detail,
        )
        for command in found.commands
        if command.callback_url == address
        and command.device_id
        and max(map(len, (command.device_id, command.command_id, command.status))) <= LONGEST
    ]
    with transaction.atomic():
        locked = Task.objects.select_for_update().get(pk=task.pk)
        apply(locked, seen)
        locked.poll_page, locked.poll_at = task.poll_page, now + LEASE
        locked.save(update_fields=["poll_page", "poll_at"])
        conclude(locked)
    task.state = locked.state
