"""What the composer starts with: a draft to go on with, a template, a task to repeat, an address, or the defaults."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.http import QueryDict

from dashboard.paging import number
from tasks.models import Application, DeviceList, Draft, NamedList, Task, Template
from tasks.targets import TargetType

from .links import linked
from .recent import only_profile
from .repeat import values_of
from .typed import as_posted, initial_of, posted, tags_of


@dataclass(frozen=True)
class Start:
    """What is typed already, and the draft it comes from."""

    data: QueryDict
    draft: Draft | None = None


def start(asked: QueryDict, user: User) -> Start:
    """What ``asked``, the query of an address, says to start with."""
    if draft := _draft(asked.get("draft", ""), user):
        return Start(as_posted(draft.values), draft)
    values, tags = _defaults(user), []
    if task := _named(Task.objects.select_related("profile"), asked.get("repeat", "")):
        values |= values_of(task) | {"copied_from": task.pk}
        tags = [(name, value) for name, value in task.tags]
        if task.target_type == TargetType.DEVICE_LIST:
            values["device_list"] = _device_list_of(task, user).pk
    elif template := _named(Template.objects.usable(), asked.get("template", "")):
        version = template.newest
        saved = as_posted(version.values)
        values |= initial_of(saved)
        tags = tags_of(saved)
        if "edit" in asked and user.has_perm("tasks.write_template"):
            values["edits"] = template.pk
        else:
            values["template_version"] = version.pk
    if named := _named(NamedList.objects.usable(), asked.get("list", "")):
        devices = {"target_type": TargetType.DEVICE_LIST, "device_list": named.newest.devices_id}
        values |= {"application": named.application_id} | devices
    more, more_tags = linked(asked)
    if "callback" not in asked:
        del more["callback"]
    return Start(posted(values | more, more_tags or tags))


def _defaults(user: User) -> dict[str, Any]:
    last = Task.objects.filter(author=user).order_by("-pk").values_list("application", flat=True).first()
    return {
        "application": last or Application.objects.values_list("pk", flat=True).first(),
        "target_type": TargetType.DEVICE_LIST,
        "profile": only_profile(),
        "timeout": 1440,
        "callback": True,
    }


def _draft(key: str, user: User) -> Draft | None:
    try:
        return Draft.objects.filter(author=user, pk=UUID(key)).first()
    except ValueError:
        return None


def _named(rows: Any, key: str) -> Any:
    return rows.filter(pk=pk).first() if (pk := number(key)) else None


def _device_list_of(task: Task, author: User) -> DeviceList:
    ids = json.loads(task.request_body)["param"]["deviceList"]
    kept = DeviceList.of(author, ids, source=f"task #{task.pk}")
    kept.save()
    return kept
