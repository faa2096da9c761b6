"""``manage.py rerun ID --outcomes failed,timed-out``: queue a new task for those devices of an old one."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from tasks import lifecycle
from tasks.lifecycle import Invalid, Lineage, NotOffered, Outcome, Proposal, rerun
from tasks.management.door import Door
from tasks.models import Task
from tasks.proposals import look, send


class Command(Door):
    help = "Queue a new task with the same command for the devices of a task that came to the given outcomes."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("id", type=int)
        parser.add_argument(
            "--outcomes",
            required=True,
            metavar="A,B",
            help="any of " + ", ".join(Outcome) + "; comma-separated",
        )
        parser.add_argument("--name", default="", help="the new task's name; a fresh one if not given")
        parser.add_argument("--user", metavar="USER", help="who submits it; the first superuser if not given")
        parser.add_argument(
            "--dry-run", action="store_true", help="only say for how many devices it would be"
        )
        self.accept_acknowledgements(parser)
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        task = (
            Task.objects.select_related("application", "profile", "template").filter(pk=options["id"]).first()
        )
        if task is None:
            self.refuse([("id", f"there is no task {options['id']}")])
        outcomes = self._outcomes(options["outcomes"])
        user = self.author(options["user"])
        try:
            devices = rerun.devices_with(task, outcomes)
        except NotOffered as refusal:
            self.refuse([("--outcomes", str(refusal))])
        lineage = Lineage((task,), tuple(outcomes))
        earlier = lineage.earlier()
        if earlier:
            numbers = ", ".join(f"#{each.pk}" for each in earlier)
            self.stderr.write(f"these devices may have been commanded again already: {numbers}")
        told = {"devices": len(devices), "earlier": [each.pk for each in earlier]}
        proposal = Proposal(
            task.application,
            rerun.request_for(task, devices, options["name"]),
            callback=task.callback_token is not None,
            profile=task.profile,
            rerun=lineage,
            template=task.template,
        )
        try:
            lifecycle.check_all([proposal])
            prospect = look([proposal])
            if options["dry_run"]:
                self.tell_concerns(prospect)
                self._tell(f"{len(devices):,} devices", told, options)
                return
            keys = self.acknowledged(prospect, options)
            made = send(user, [proposal], prospect, acknowledged=keys)
        except Invalid as error:
            self.refuse_request(error, options)
        about = {"rerun_of": task.pk} | told
        if len(made) == 1:
            self._tell(str(made[0].pk), made[0].summary() | about, options)
            return
        each = {"family": made[0].family_id, "tasks": [new.summary() for new in made]}
        self._tell("\n".join(str(new.pk) for new in made), each | about, options)

    def _outcomes(self, text: str) -> list[Outcome]:
        names = [name.strip() for name in text.split(",") if name.strip()]
        if unknown := [name for name in names if name not in set(Outcome)]:
            self.refuse(("--outcomes", f"{name!r} is none of {', '.join(Outcome)}") for name in unknown)
        return [Outcome(name) for name in names]

    def _tell(self, line: str, told: dict[str, Any], options: dict[str, Any]) -> None:
        if options["json"]:
            self.print_json(told)
        else:
            self.stdout.write(line)
