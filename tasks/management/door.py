"""What the commands for scripts share: exit codes, and every error with its path on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import Any, NoReturn

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand

DONE, FAILED, BAD_INPUT, WAITING, UNCONFIRMED = range(5)
"""Exit codes: 0 done, 1 refused or failed, 2 bad input, 3 still waiting, 4 outcome unknown."""


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

    def print_json(self, value: Any) -> None:
        self.stdout.write(json.dumps(value, ensure_ascii=False, default=str))
