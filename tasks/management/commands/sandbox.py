"""``manage.py sandbox``: the stand-in for the platform, in a process of its own."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from tasks import sandbox


class Command(BaseCommand):
    help = "Run the sandbox: a stand-in for the IoT platform with a simulated fleet."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        sandbox.add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            config = sandbox.config_from(options)
        except ValueError as error:
            raise CommandError(f"The sandbox cannot start: {error}.") from error
        sandbox.run(config)
