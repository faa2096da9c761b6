"""The create request as a command for a shell, with its secrets as environment variables."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from tasks.models import Application
from tasks.platform import wire
from tasks.platform.client import TASKS

CALLBACK_URL = "$MUSTER_CALLBACK_URL"
"""Stands for the secret address in a body."""

FILE = "request.json"


def curl(application: Application, body: Mapping[str, object] | None) -> str:
    """``body`` holds ``CALLBACK_URL`` for its secret; without one, the command reads it from a file of that shape."""
    lines = [
        f"curl --request POST {shlex.quote(application.url.rstrip('/') + TASKS)}",
        f"--header {shlex.quote(f'app_key: {application.app_id}')}",
        '--header "Authorization: Bearer $MUSTER_TOKEN"',
        "--header 'Content-Type: application/json'",
        *(f'{option} "${variable}"' for field, option, variable in FILES if getattr(application, field)),
    ]
    if body is None:
        filled = f'sed "s|\\{CALLBACK_URL}|{CALLBACK_URL}|" {FILE}'
        return f"{filled} |\n  {_joined([*lines, '--data-binary @-'])}"
    text = shlex.quote(wire.dumps(body)).replace(CALLBACK_URL, f"'\"{CALLBACK_URL}\"'")
    return _joined([*lines, f"--data-raw {text}"])


FILES = (
    ("ca", "--cacert", "MUSTER_CA"),
    ("certificate", "--cert", "MUSTER_CERTIFICATE"),
    ("key", "--key", "MUSTER_KEY"),
)
"""Field of an application that names a file -> curl's option and the variable that stands for the path."""


def _joined(parts: list[str]) -> str:
    return " \\\n  ".join(parts)
