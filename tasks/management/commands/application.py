"""``manage.py application NAME``: create an application of the platform, or change the one of that name."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandParser

from tasks.management.door import Door
from tasks.models import Application

OPTIONS = ("url", "app_id", "calls_per_minute", "unfinished_limit", "confirm_above")
FILES = {"ca": "ca", "cert": "certificate", "key": "key"}


class Command(Door):
    help = "Create or update an application: one appId on one platform."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--url", help="https://platform:8743; http: only for this machine")
        parser.add_argument("--app-id")
        parser.add_argument("--secret-env", metavar="VAR", help="environment variable that holds the secret")
        parser.add_argument("--ca", metavar="FILE", help="PEM bundle of a private CA")
        parser.add_argument("--cert", metavar="FILE", help="PEM client certificate")
        parser.add_argument("--key", metavar="FILE", help="PEM private key of the client certificate")
        parser.add_argument(
            "--key-passphrase-env", metavar="VAR", help="variable that holds the key's passphrase"
        )
        parser.add_argument("--calls-per-minute", type=int, metavar="N")
        parser.add_argument("--unfinished-limit", type=int, metavar="N")
        parser.add_argument(
            "--confirm-above", type=int, metavar="N", help="devices above which one types to confirm"
        )
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        application = Application.objects.filter(name=options["name"]).first()
        created = application is None
        application = application or Application(name=options["name"])
        moved = not created and options["url"] not in (None, application.url)
        problems = [
            (f"--{name.replace('_', '-')}", "is needed to create an application")
            for name in ("url", "app_id", "secret_env")
            if created and not options[name]
        ]
        if moved and not options["secret_env"]:
            problems.append(
                ("--secret-env", "is needed with a new --url: the stored secret is not sent elsewhere")
            )
        for name in OPTIONS:
            if options[name] is not None:
                setattr(application, name, options[name])
        for option, field in FILES.items():
            if options[option] is not None:
                setattr(application, field, str(Path(options[option]).resolve()) if options[option] else "")
        for option, field in (("secret_env", "secret"), ("key_passphrase_env", "key_passphrase")):
            if variable := options[option]:
                if not os.environ.get(variable):
                    problems.append(
                        (f"--{option.replace('_', '-')}", f"the variable {variable} is empty or not set")
                    )
                setattr(application, field, os.environ.get(variable, ""))
        if problems:
            self.refuse(problems)
        try:
            application.full_clean()
        except ValidationError as error:
            self.refuse_invalid(error)
        application.access_token, application.token_expires_at = "", None
        application.save()
        if options["json"]:
            self.print_json({"id": application.pk, "name": application.name, "created": created})
        else:
            self.stdout.write(f"{'Created' if created else 'Updated'} application {application.name}.")
