"""``manage.py submit FILE|-``: queue what a create request asks for; the same checks and function as the form.

A list over the size of a family, and a table of values by device, become several tasks; their ids go out one a line.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from tasks import lifecycle
from tasks.lifecycle import Invalid, Proposal, textfile, values
from tasks.lifecycle.values import ValueSet
from tasks.management.door import DONE, FAILED, UNCONFIRMED, WAITING, Door
from tasks.models import Application, Profile, Task
from tasks.platform import wire
from tasks.profiles import schema
from tasks.proposals import look, send
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
GRAVEST_FIRST = (FAILED, UNCONFIRMED, WAITING, DONE)
"""Of several tasks the gravest exit code counts."""


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
        parser.add_argument(
            "--values",
            metavar="CSV",
            help="a table of values by device: a column deviceId, the others named after parameters",
        )
        parser.add_argument(
            "--profile", metavar="TYPE/MANUFACTURER/MODEL", help="the profile whose limits apply"
        )
        self.accept_acknowledgements(parser)
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        request = self._request(options["file"])
        application = Application.objects.filter(name=options["application"]).first()
        if application is None:
            self.refuse([("--application", f"there is no application {options['application']!r}")])
        user = self.author(options["user"])
        if options["priority"] and not user.has_perm("tasks.prioritise_task"):
            self.refuse([("--priority", f"{user.get_username()!r} may not put a task before others")])
        profile = self._profile(options["profile"])
        proposal = Proposal(
            application,
            request,
            sets=self._values(options["values"], request, profile),
            callback=not options["no_callback"],
            profile=profile,
            priority=options["priority"],
        )
        try:
            lifecycle.check_all([proposal])
            prospect = look([proposal])
            keys = self.acknowledged(prospect, options)
            tasks = send(user, [proposal], prospect, acknowledged=keys)
        except Invalid as error:
            self.refuse_request(error, options)
        if removed := sum(task.duplicates_removed for task in tasks):
            self.stderr.write(f"param.deviceList: {removed:,} duplicates removed")
        if options["wait"] is not None:
            tasks = self._wait(tasks, options["wait"], options["until"])
        self._print(tasks, options)
        if options["wait"] is not None:
            codes = {self._code(State(task.state), options["until"]) for task in tasks}
            sys.exit(next(code for code in GRAVEST_FIRST if code in codes))

    def _code(self, state: State, until: str) -> int:
        reached = until == "submitted" and state in (State.RUNNING, State.COMPLETE, State.TIMED_OUT)
        return DONE if reached else EXIT_CODES[state]

    def _profile(self, name: str | None) -> Profile | None:
        if name is None:
            return None
        parts = dict(zip(("device_type", "manufacturer_id", "model"), name.split("/"), strict=False))
        found = Profile.objects.filter(**parts).order_by("-pk").first() if len(parts) == 3 else None
        if found is None:
            known = ", ".join(
                f"{each.device_type}/{each.manufacturer_id}/{each.model}"
                for each in Profile.objects.all()[:20]
            )
            self.refuse([("--profile", f"there is no profile {name!r}; there are: {known or 'none yet'}")])
        return found

    def _values(self, file: str | None, request: Any, profile: Profile | None) -> list[ValueSet]:
        """The sets of values in the table, checked for the command that the request names."""
        if file is None:
            return []
        try:
            text = textfile.decode(Path(file).read_bytes())
        except OSError as error:
            self.refuse([(file, f"cannot be read: {error.strerror}")])
        except textfile.Unreadable as error:
            self.refuse([(file, str(error))])
        table = values.read(text, self._command(request, profile) if profile else None)
        if table.problem:
            self.refuse([(file, table.problem)])
        if table.bad:
            more = table.bad_count - len(table.bad)
            found = [
                (f"{file}:{cell.line}:{cell.column}", f"{cell.problem}: {cell.text!r}") for cell in table.bad
            ]
            self.refuse([*found, *([("", f"and {more:,} more cells")] if more else [])])
        if table.unused:
            self.stderr.write(f"{file}: not sent, because they are no parameters: {', '.join(table.unused)}")
        return table.sets

    def _command(self, request: Any, profile: Profile) -> schema.Command:
        param = request.get("param") if isinstance(request, dict) else None
        asked = param.get("command") if isinstance(param, dict) else None
        service, method = (
            (asked.get("serviceId"), asked.get("method")) if isinstance(asked, dict) else (None, None)
        )
        for each in profile.schema.services:
            for command in each.commands:
                if (each.id, command.name) == (service, method):
                    return command
        self.refuse([("--profile", f"{profile} has no command {method!r} in a service {service!r}")])

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

    def _wait(self, tasks: list[Task], seconds: float, until: str) -> list[Task]:
        """Look until every task is submitted or final, its outcome unknown, or the time over."""
        over = time.monotonic() + seconds
        while True:
            tasks = list(Task.objects.filter(pk__in=[task.pk for task in tasks]).order_by("pk"))
            if time.monotonic() >= over or all(_arrived(State(task.state), until) for task in tasks):
                return tasks
            time.sleep(LOOK_SECONDS)

    def _print(self, tasks: list[Task], options: dict[str, Any]) -> None:
        if options["json"]:
            each = [task.summary() for task in tasks]
            self.print_json(each[0] if len(each) == 1 else {"family": tasks[0].family_id, "tasks": each})
            return
        for task in tasks:
            if options["wait"] is None:
                self.stdout.write(str(task.pk))
            else:
                self.stdout.write(f"{task.pk} {task.state} {task.platform_task_id} {task.reason}".strip())


def _arrived(state: State, until: str) -> bool:
    arrived = state not in BEFORE_SUBMITTED if until == "submitted" else state in FINAL
    return arrived or state == State.UNCONFIRMED
