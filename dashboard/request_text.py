"""A stored request for reading: indented, its secret masked, a long device list cut short."""

from __future__ import annotations

import json

from django.db.models import Case, TextField, Value, When

from tasks.models import Request, Task
from tasks.platform.outline import outline


def readable(task: Task) -> str:
    """The request as it is sent, with the middle of its device list left out. Where an outline is kept, that is
    all that is read: a million ids are forty megabytes."""
    body = Case(When(outline="", then="body"), default=Value(""), output_field=TextField())
    kept, whole = Request.objects.values_list("outline", body).get(task=task)
    return json.dumps(json.loads(task.masked(kept or outline(whole))), ensure_ascii=False, indent=2)
