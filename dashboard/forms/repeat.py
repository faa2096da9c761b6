"""A task as the composer's values, so that it can be repeated, changed or rerun."""

from __future__ import annotations

import json
from typing import Any

from django.utils import timezone

from dashboard.forms import free_json
from dashboard.forms.compose_fields import TARGET_FIELDS
from dashboard.request_text import paras_of
from tasks.models import Task
from tasks.profiles.schema import Command
from tasks.targets import TargetType


def values_of(task: Task) -> dict[str, Any]:
    """Field -> value, all but the device ids, under a fresh name."""
    paras = paras_of(task)
    values: dict[str, Any] = {
        "application": task.application_id,
        "name": f"{task.name[:230]} · {timezone.now():%Y-%m-%d %H:%M:%S}",
        "target_type": task.target_type,
        "device_type": task.target.get("deviceType", ""),
        "manufacturer_id": task.target.get("manufacturerId", ""),
        "model": task.target.get("model", ""),
        "device_location": task.target.get("deviceLocation", ""),
        "profile": task.profile_id,
        "service_id": task.service_id,
        "method": task.method,
        "paras": json.dumps(paras, ensure_ascii=False, indent=2) if paras else "",
        "timeout": task.timeout,
        "callback": task.callback_token is not None,
        "max_retransmit": task.max_retransmit,
        "group_tag": task.group_tag,
    }
    groups = "\n".join(task.target.get("groupList", ()))
    if groups:
        values[TARGET_FIELDS[TargetType(task.target_type)][0]] = groups
    command = task.profile.schema.command(task.service_id, task.method) if task.profile else None
    return values | parameters_of(command, paras)


def parameters_of(command: Command | None, paras: dict[str, Any]) -> dict[str, Any]:
    """The fields for these values; as JSON where the command's fields cannot hold them."""
    try:
        return dict(free_json.typed(command, paras)) if command else {}
    except free_json.Unshowable:
        return {"as_json": "on"}
