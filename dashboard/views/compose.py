"""The composer: one page that follows its own answers; what it ends with is a draft to confirm."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import permission_required
from django.contrib.auth.models import User
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_http_methods, require_safe

from dashboard.export import csv_of
from dashboard.forms.compose import ComposeForm, tags_of
from dashboard.forms.repeat import values_of
from dashboard.http import HttpRequest, page
from dashboard.previews import preview_of
from tasks.models import Application, DeviceList, Draft, Task
from tasks.targets import TargetType

compose_permission = permission_required("tasks.add_task", raise_exception=True)


@compose_permission
@require_http_methods(["GET", "POST"])
def compose(request: HttpRequest) -> HttpResponse:
    """The composer. Its own buttons and fields ask for it again with what was typed; *Review* checks it all."""
    if not Application.objects.exists():
        return page(request, "compose_empty", {})
    if request.method == "GET":
        values, tags = _start(request)
        return show(request, ComposeForm(user=request.user, initial=values, tags=tags))
    if "review" in request.POST:
        return _review(request)
    return show(request, _redrawn(request))


@compose_permission
@require_safe
def bad_lines(request: HttpRequest, list_id: UUID) -> HttpResponse:
    """Every line of an uploaded list that cannot be used, as CSV."""
    kept = get_object_or_404(DeviceList.objects.defer("text"), pk=list_id, author=request.user)
    return csv_of("bad-lines.csv", ("line", "text", "problem"), kept.bad)


def _start(request: HttpRequest) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """What the form starts with: a draft to go on with, a task to repeat, or the defaults."""
    defaults: dict[str, Any] = {
        "application": Application.objects.values_list("pk", flat=True).first(),
        "target_type": TargetType.DEVICE_LIST,
        "timeout": 1440,
        "callback": True,
    }
    if draft := _found(Draft.objects.filter(author=request.user), request.GET.get("draft", "")):
        posted = drafted(draft)
        return _values(posted), tags_of(posted)
    copied = request.GET.get("repeat", "")
    if copied.isdecimal() and (task := Task.objects.filter(pk=int(copied[:18])).first()):
        values = defaults | values_of(task) | {"copied_from": task.pk}
        if task.target_type == TargetType.DEVICE_LIST:
            values["device_list"] = _device_list_of(task, request.user).pk
        return values, [(name, value) for name, value in task.tags]
    for name in ("application", "profile", "target_type", "device_type", "manufacturer_id", "model"):
        if name in request.GET:
            defaults[name] = request.GET[name]
    return defaults, []


def _found(drafts: Any, key: str) -> Draft | None:
    try:
        return drafts.filter(pk=UUID(key)).first()
    except ValueError:
        return None


def _device_list_of(task: Task, author: User) -> DeviceList:
    ids = json.loads(task.request_body)["param"]["deviceList"]
    return DeviceList.objects.create(
        author=author, source=f"task #{task.pk}", count=len(ids), text="\n".join(ids)
    )


def _redrawn(request: HttpRequest) -> ComposeForm:
    """The form for what is posted, without errors except at the devices, which are read now."""
    rows = tags_of(request.POST)
    if "add_tag" in request.POST:
        rows.append(("", ""))
    elif (number := request.POST.get("remove_tag", "")) in map(str, range(len(rows))):
        del rows[int(number)]
    values = _values(request.POST)
    reading = ComposeForm(request.POST, request.FILES, user=request.user)
    if "forget_devices" in request.POST or "forget_values" in request.POST:
        values |= {"device_list": "", "device_ids": ""}
    elif "edit_devices" in request.POST and reading.devices.kept:
        values |= {"device_list": "", "device_ids": reading.devices.kept.text}
    elif reading.chosen_target == TargetType.DEVICE_LIST:
        reading.read_devices()
        if "drop_bad" in request.POST:
            reading.devices.accept_good()
        if reading.devices.kept is not None:
            values |= {"device_list": reading.devices.kept.pk, "device_ids": ""}
        elif reading.devices.parsed is not None and reading.devices.parsed.text:
            values |= {"device_list": "", "device_ids": reading.devices.parsed.text}
        if reading.values.parsed:
            values["values_text"] = reading.values.typed or values.get("values_text", "")
        elif reading.values.kept:
            values["values_text"] = ""
    form = ComposeForm(user=request.user, initial=values, tags=rows)
    form.devices.parsed = reading.devices.parsed
    form.values.parsed = reading.values.parsed
    return form


def _values(posted: QueryDict) -> dict[str, Any]:
    """Field name -> what was typed. A missing checkbox was unchecked; of several values all are kept, one a line."""
    values: dict[str, Any] = {
        name: "\n".join(posted.getlist(name)) if name in ("group_names", "group_ids") else posted[name]
        for name in posted
        if name != "csrfmiddlewaretoken"
    }
    return values | {"callback": "callback" in posted}


def drafted(draft: Draft) -> QueryDict:
    """What was posted to make this draft."""
    data = QueryDict(mutable=True)
    for name, values in draft.values.items():
        data.setlist(name, values)
    return data


def _review(request: HttpRequest) -> HttpResponse:
    form = ComposeForm(request.POST, request.FILES, user=request.user)
    if not form.is_valid():
        return show(request, form, status=422)
    values = {name: request.POST.getlist(name) for name in request.POST if name not in UNDRAFTED}
    if form.devices.kept and form.chosen_target == TargetType.DEVICE_LIST:
        values["device_list"] = [str(form.devices.kept.pk)]
    draft = Draft.objects.create(author=request.user, values=values)
    return redirect(draft)


UNDRAFTED = frozenset({"csrfmiddlewaretoken", "review", "device_ids", "values_text"})


def show(request: HttpRequest, form: ComposeForm, *, status: int = 200) -> HttpResponse:
    """The composer's page for this form."""
    context = {"form": form} | preview_of(form)
    return page(request, "compose", context, fragment="compose", status=status)
