"""``manage.py submit FILE|-``: queue a task from a create request; the same checks and function as the form."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from tasks import lifecycle
from tasks.management.door import DONE, FAILED, UNCONFIRMED, WAITING, Door
from tasks.models import Application, Task
from tasks.platform import wire
from tasks.states import FINAL, State

LOOK_SECONDS = 0.1
BEFORE_SUBMITTED = frozenset({State.QUEUED, State.SUBMITTING})
EXIT_CODES: dict[State, int] = {
    State.QUEUED: WAITING,
    State.SUBMITTING: WAITING,
    State.RUNNING: WAITING,
    State.COMPLETE: DONE,
    State.UNCONFIRMED: UNCONFIRMED,
    State.REFUSED: FAILED,
    State.TIMED_OUT: FAILED,
    State.CANCELLED: FAILED,
    State.ABANDONED: UNCONFIRMED,
}


def seconds(text: str) -> float:
    """A number of seconds that comes to an end."""
    number = float(text)
    if not 0 <= number < float("inf"):
        raise ValueError(text)
    return number


class Command(Door):
    help = "Queue a task. FILE holds a create request of the API page without appId and callbackUrl."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", metavar="FILE", help="a JSON file, or - for standard input")
        parser.add_argument("--application", required=True, metavar="NAME")
        parser.add_argument("--user", metavar="USER", help="who submits it; the first superuser if not given")
        parser.add_argument(
            "--no-callback", action="store_true", help="without pushes; results are read instead"
        )
        parser.add_argument("--wait", type=seconds, metavar="SECONDS", help="wait so long for the outcome")
        parser.add_argument(
            "--until", choices=["submitted", "final"], default="final", help="what --wait waits for"
        )
        parser.add_argument("--priority", type=int, choices=[0, 1], default=0, help="1 goes before others")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        request = self._request(options["file"])
        application = Application.objects.filter(name=options["application"]).first()
        if application is None:
            self.refuse([("--application", f"there is no application {options['application']!r}")])
        user = self.author(options["user"])
        if options["priority"] and not user.has_perm("tasks.prioritise_task"):
            self.refuse([("--priority", f"{user.get_username()!r} may not put a task before others")])
        try:
            task = lifecycle.compose(
                application,
                user,
                request,
                callback=not options["no_callback"],
                priority=options["priority"],
            )
        except lifecycle.Invalid as error:
            if options["json"]:
                self.print_json({"errors": [{"path": p.path, "message": p.message} for p in error.problems]})
            self.refuse((problem.path, problem.message) for problem in error.problems)
        if task.duplicates_removed:
            self.stderr.write(f"param.deviceList: {task.duplicates_removed:,} duplicates removed")
        if options["wait"] is None:
            self._print(task, options)
            return
        task = self._wait(task, options["wait"], options["until"])
        self._print(task, options)
        state = State(task.state)
        reached = options["until"] == "submitted" and state in (
            State.RUNNING,
            State.COMPLETE,
            State.TIMED_OUT,
        )
        sys.exit(DONE if reached else EXIT_CODES[state])

    def _request(self, file: str) -> Any:
        try:
            raw = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        except OSError as error:
            self.refuse([(file, f"cannot be read: {error.strerror}")])
        try:
            return wire.loads(raw)
        except wire.BadJSON as error:
            where = f"{file}:{error.line}:{error.column}" if error.line else file
            self.refuse([(where, f"this is not the JSON that can be sent: {error}")])

    def _wait(self, task: Task, seconds: float, until: str) -> Task:
        """Look until the task is submitted or final, its outcome unknown, or the time over."""
        over = time.monotonic() + seconds
        while True:
            task = Task.objects.get(pk=task.pk)
            state = State(task.state)
            arrived = state not in BEFORE_SUBMITTED if until == "submitted" else state in FINAL
            if arrived or state == State.UNCONFIRMED or time.monotonic() >= over:
                return task
            time.sleep(LOOK_SECONDS)

    def _print(self, task: Task, options: dict[str, Any]) -> None:
        if options["json"]:
            self.print_json(task.summary())
        elif options["wait"] is None:
            self.stdout.write(str(task.pk))
        else:
            self.stdout.write(f"{task.pk} {task.state} {task.platform_task_id} {task.reason}".strip())
