"""What the commands for scripts share: exit codes, and every error with its path on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandParser

from tasks.lifecycle import Invalid
from tasks.proposals import Prospect
from tasks.warnings import RULES, Severity

DONE, FAILED, BAD_INPUT, WAITING, UNCONFIRMED = range(5)
"""Exit codes: 0 done, 1 refused or failed, 2 bad input, 3 still waiting, 4 outcome unknown."""


def _option(rule: str) -> str:
    """A rule's name as it stands on the command line."""
    return rule.replace(" ", "-")


CAUTIONS = [_option(rule.name) for rule in RULES if rule.severity == Severity.CAUTION]


class Door(BaseCommand):
    """A command whose errors are sentences, one a line, and whose exit code a script can rely on."""

    def refuse(self, problems: Iterable[tuple[str, str]]) -> NoReturn:
        """Print every problem as ``path: message`` and exit with 2."""
        for path, message in problems:
            self.stderr.write(f"{path}: {message}" if path else message)
        sys.exit(BAD_INPUT)

    def fail(self, sentence: str) -> NoReturn:
        """Print the sentence and exit with 1."""
        self.stderr.write(sentence)
        sys.exit(FAILED)

    def refuse_invalid(self, error: ValidationError) -> NoReturn:
        """The same for what a model's validation found."""
        self.refuse(
            ("" if field == "__all__" else field, " ".join(messages))
            for field, messages in error.message_dict.items()
        )

    def accept_acknowledgements(self, parser: CommandParser) -> None:
        """The option that stands for the tick of whoever reads the cautions on the page."""
        parser.add_argument(
            "--acknowledge",
            default="",
            metavar="A,B",
            help=f"cautions with which it is to be sent all the same; any of {', '.join(CAUTIONS)}",
        )

    def tell_concerns(self, prospect: Prospect) -> None:
        """Print what to beware of."""
        for concern in prospect.concerns:
            tasks = "".join(f" #{task.pk}" for task in concern.tasks)
            self.stderr.write(f"{concern.severity} ({_option(concern.rule)}): {concern.sentence}{tasks}")

    def acknowledged(self, prospect: Prospect, options: Mapping[str, Any]) -> list[str]:
        """Print what to beware of; the keys of the cautions. Exits with 2 unless each of them was acknowledged."""
        self.tell_concerns(prospect)
        named = {name.strip() for name in options["acknowledge"].split(",") if name.strip()}
        if unknown := sorted(named.difference(CAUTIONS)):
            words = f"{', '.join(map(repr, unknown))}: there are only {', '.join(CAUTIONS)}"
            self.refuse([("--acknowledge", words)])
        cautions = list(dict.fromkeys(_option(caution.rule) for caution in prospect.cautions))
        if not named.issuperset(cautions):
            wanted = f"--acknowledge {','.join(cautions)}"
            sentence = f"nothing was composed. To send it with these cautions, add {wanted}"
            if options["json"]:
                self.print_json({"errors": [{"path": "--acknowledge", "message": sentence}]})
            self.refuse([("--acknowledge", sentence)])
        return [caution.key for caution in prospect.cautions]

    def author(self, name: str | None) -> User:
        """Who a task is composed by: the named user, who must be allowed to, or the first superuser."""
        users = User.objects.filter(is_active=True)
        if name:
            user = users.filter(username=name).first()
            if user is None:
                self.refuse([("--user", f"there is no user {name!r}")])
            if not user.has_perm("tasks.add_task"):
                self.refuse(
                    [("--user", f"{name!r} may not compose tasks; add the user to the group operator")]
                )
            return user
        user = users.filter(is_superuser=True).order_by("pk").first()
        if user is None:
            self.refuse([("--user", "there is no superuser yet; name a user")])
        return user

    def refuse_request(self, error: Invalid, options: Mapping[str, Any]) -> NoReturn:
        """The same for a request that cannot become a task."""
        if options["json"]:
            self.print_json({"errors": [{"path": p.path, "message": p.message} for p in error.problems]})
        self.refuse((problem.path, problem.message) for problem in error.problems)

    def print_json(self, value: Any) -> None:
        self.stdout.write(json.dumps(value, ensure_ascii=False, default=str))
