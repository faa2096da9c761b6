"""A stored request for reading: indented, its secret masked, a long device list cut short."""

from __future__ import annotations

import json
from typing import Any

from django.db.models import Case, TextField, Value, When

from tasks.models import Request, Task
from tasks.platform.outline import outline


def readable(task: Task) -> str:
    """The request as it is sent, with the middle of its device list left out."""
    return json.dumps(json.loads(task.masked(_outline(task))), ensure_ascii=False, indent=2)


def paras_of(task: Task) -> dict[str, Any]:
    """The parameters as they were sent. PostgreSQL keeps those in the column in its own order, and 1e22 as a whole."""
    paras: dict[str, Any] = json.loads(_outline(task))["param"]["command"].get("paras", {})
    return paras


def _outline(task: Task) -> str:
    """Where one is kept, that is all that is read: a million ids are forty megabytes."""
    body = Case(When(outline="", then="body"), default=Value(""), output_field=TextField())
    kept, whole = Request.objects.values_list("outline", body).get(task=task)
    return kept or outline(whole)
