"""The commands an operator sent last, to be taken into the composer by one click."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.forms import BoundField
from django.utils.functional import cached_property

from dashboard.forms import free_json
from dashboard.forms.compose_shape import ShapedFields
from dashboard.forms.parameters import PREFIX
from dashboard.forms.repeat import parameters_of
from dashboard.paging import number
from dashboard.request_text import paras_of
from tasks.models import Profile, Task

LOOKED_AT, OFFERED = 100, 8

_KEY = json.JSONEncoder(sort_keys=True).encode


@dataclass(frozen=True)
class Recent:
    """A command as it was sent: by which task, when, and with what."""

    task: int
    profile: int | None
    service_id: str
    method: str
    paras: dict[str, Any]
    at: datetime

    @cached_property
    def words(self) -> str:
        """The values, short enough for a button."""
        text = ", ".join(
            f"{name} {json.dumps(value, ensure_ascii=False)}" for name, value in self.paras.items()
        )
        return text if len(text) <= 60 else text[:59] + "…"


def sent_by(user: User) -> list[Recent]:
    """The last distinct commands with their parameters, the newest first."""
    columns = ("pk", "profile_id", "service_id", "method", "paras", "created_at")
    rows = Task.objects.filter(author=user).order_by("-pk").values_list(*columns)[:LOOKED_AT]
    found: dict[str, Recent] = {}
    for pk, profile, service_id, method, paras, at in rows:
        key = _KEY([service_id, method, paras])
        found.setdefault(key, Recent(pk, profile, service_id, method, paras or {}, at))
    return list(found.values())


def last_of(sent: list[Recent], service_id: str, method: str) -> Recent | None:
    """What was last sent with this command, if it had parameters."""
    same = (each for each in sent if (each.service_id, each.method) == (service_id, method) and each.paras)
    return next(same, None)


def _last_values(sent: list[Recent], form: ShapedFields) -> dict[str, str]:
    """Parameter -> what was last sent for it with the form's command, as it is typed."""
    texts: dict[str, str] = {}
    known = {each.name: each for each in form.command.parameters} if form.command else {}
    for each in sent:
        if (each.service_id, each.method) == form.chosen_command:
            for name in each.paras.keys() & known.keys() - texts.keys():
                text = free_json.text_for(known[name], each.paras[name])
                if text is not None:
                    texts[name] = text
    return texts


def offered(sent: list[Recent], form: ShapedFields) -> list[tuple[BoundField, str, str]]:
    """Each parameter's field, its name, and the value to offer: the last one sent, where another or none is typed."""
    texts = _last_values(sent, form)
    locked = form.locks.fields if form.locks else ()
    found = []
    for field in form.parameter_fields:
        name = field.name.removeprefix(PREFIX)
        text = texts.get(name, "")
        is_offered = field.name not in locked and text != form.raw(field.name)
        found.append((field, name, text if is_offered else ""))
    return found


def last_value(user: User, form: ShapedFields, name: str) -> dict[str, str]:
    """The field of this parameter with what was last sent for it; nothing when there is none."""
    text = _last_values(sent_by(user), form).get(name)
    return {} if text is None else {PREFIX + name: text}


def values_of(user: User, task_id: str) -> dict[str, Any]:
    """Field -> value of the command that this task of the user's carried; nothing when there is no such task."""
    pk = number(task_id)
    task = Task.objects.filter(author=user, pk=pk).select_related("profile").first() if pk else None
    if task is None:
        return {}
    command = task.profile.schema.command(task.service_id, task.method) if task.profile else None
    paras = paras_of(task)
    return {
        "profile": task.profile_id if command else "",
        "service_id": task.service_id,
        "method": task.method,
        "paras": json.dumps(paras, ensure_ascii=False, indent=2) if paras else "",
        "as_json": "",
        **parameters_of(command, paras),
    }


def only_profile() -> int | None:
    """The profile to begin with where there is no choice."""
    found = list(Profile.objects.values_list("pk", flat=True)[:2])
    return found[0] if len(found) == 1 else None
