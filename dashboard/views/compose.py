"""The composer: one page that follows its own answers, then a confirm step, then the task."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import permission_required
from django.contrib.auth.models import User
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from dashboard.export import csv_of
from dashboard.forms.compose import ComposeForm, tags_of
from dashboard.forms.repeat import posted, values_of
from dashboard.http import HttpRequest, page
from tasks import catalogue, lifecycle
from tasks.models import Application, DeviceList, Draft, Task
from tasks.platform import wire
from tasks.targets import TargetType

PREVIEWED = DeviceList.FIRST
"""Device ids that a page shows of a long list."""

compose_permission = permission_required("tasks.add_task", raise_exception=True)


@compose_permission
@require_http_methods(["GET", "POST"])
def compose(request: HttpRequest) -> HttpResponse:
    """The composer. Its own buttons and fields ask for it again with what was typed; *Review* checks it all."""
    if not Application.objects.exists():
        return page(request, "compose_empty", {})
    if request.method == "GET":
        values, tags = _start(request)
        return _show(request, ComposeForm(user=request.user, initial=values, tags=tags))
    if "review" in request.POST:
        return _review(request)
    return _show(request, _redrawn(request))


@compose_permission
@require_POST
def preview(request: HttpRequest) -> HttpResponse:
    """The request as it would be sent now, from those fields that are valid."""
    form = ComposeForm(request.POST, user=request.user)
    return page(request, "preview", _preview_of(form), fragment="preview")


@compose_permission
@require_http_methods(["GET", "POST"])
def confirm(request: HttpRequest, draft_id: UUID) -> HttpResponse:
    """What will happen, before it does. Sending the same draft twice makes one task."""
    if task := Task.objects.filter(compose_key=draft_id, author=request.user).first():
        return redirect(task)
    draft = get_object_or_404(Draft, pk=draft_id, author=request.user)
    form = ComposeForm(_posted(draft), user=request.user)
    if not form.is_valid():
        return _show(request, form, status=422)
    application, wanted = form.cleaned_data["application"], form.request()
    reach = _reach(form, application, wanted)
    word = _word_to_type(application, wanted, reach)
    typed = request.POST.get("typed", "").strip()
    mistyped = request.method == "POST" and word not in ("", typed, typed.replace(",", "").replace(" ", ""))
    rerun = _lineage(form, request.POST.get("known", ""))
    overtaken = False
    if request.method == "POST" and not mistyped:
        copied = form.cleaned_data.get("copied_from")
        try:
            task = lifecycle.compose(
                application,
                request.user,
                form.request(whole=True),
                callback=form.cleaned_data["callback"],
                profile=form.chosen_profile,
                priority=form.cleaned_data.get("priority") or 0,
                copied_from=Task.objects.filter(pk=copied).first() if copied else None,
                rerun=rerun,
                key=draft.pk,
            )
        except lifecycle.AlreadyRerun:
            overtaken = True
        else:
            draft.delete()
            return redirect(task)
    context = {
        "form": form,
        "draft": draft,
        "application": application,
        "wanted": wanted,
        "reach": reach,
        "word": word,
        "mistyped": mistyped,
        "typed": request.POST.get("typed", ""),
        "target": TargetType(wanted["param"]["type"]),
        "rerun": rerun,
        "earlier": rerun.earlier() if rerun else [],
        "overtaken": overtaken,
        **_preview_of(form),
    }
    return page(request, "confirm", context, status=422 if mistyped or overtaken else 200)


@compose_permission
@require_safe
def bad_lines(request: HttpRequest, list_id: UUID) -> HttpResponse:
    """Every line of an uploaded list that cannot be used, as CSV."""
    kept = get_object_or_404(DeviceList.objects.defer("text"), pk=list_id, author=request.user)
    return csv_of("bad-lines.csv", ("line", "text", "problem"), kept.bad)


def _lineage(form: ComposeForm, known: str) -> lifecycle.Lineage | None:
    """What the devices come from, as long as they are the very ones that a rerun chose."""
    kept = form.devices.kept
    if form.chosen_target != TargetType.DEVICE_LIST or kept is None or kept.rerun_of_id is None:
        return None
    parent = Task.objects.get(pk=kept.rerun_of_id)
    if parent.application != form.cleaned_data["application"]:
        return None
    seen = int(known) if known.isascii() and known.isdecimal() and len(known) < 19 else 0
    return lifecycle.Lineage(parent, tuple(kept.rerun_outcomes), kept.rerun_filter, known=seen)


def _reach(form: ComposeForm, application: Application, wanted: dict[str, Any]) -> catalogue.Reach:
    if form.chosen_target == TargetType.DEVICE_LIST:
        return catalogue.Reach(form.devices.count, "as listed")
    return catalogue.reach(application, wanted["param"])


def _word_to_type(application: Application, wanted: dict[str, Any], reach: catalogue.Reach) -> str:
    """What the operator must type before a send of this size: the number, or the application's name."""
    broadcast = wanted["param"]["type"] == TargetType.BROADCAST
    if reach.count is None:
        return application.name
    if broadcast or reach.count > application.confirm_above:
        return str(reach.count)
    return ""


def _start(request: HttpRequest) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """What the form starts with: a draft to go on with, a task to repeat, or the defaults."""
    defaults: dict[str, Any] = {
        "application": Application.objects.values_list("pk", flat=True).first(),
        "target_type": TargetType.DEVICE_LIST,
        "timeout": 1440,
        "callback": True,
    }
    if draft := _found(Draft.objects.filter(author=request.user), request.GET.get("draft", "")):
        posted = _posted(draft)
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
    if "forget_devices" in request.POST:
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
    form = ComposeForm(user=request.user, initial=values, tags=rows)
    form.devices.parsed = reading.devices.parsed
    return form


def _values(posted: QueryDict) -> dict[str, Any]:
    """Field name -> what was typed. A missing checkbox was unchecked; of several values all are kept, one a line."""
    values: dict[str, Any] = {
        name: "\n".join(posted.getlist(name)) if name in ("group_names", "group_ids") else posted[name]
        for name in posted
        if name != "csrfmiddlewaretoken"
    }
    return values | {"callback": "callback" in posted}


def _posted(draft: Draft) -> QueryDict:
    data = QueryDict(mutable=True)
    for name, values in draft.values.items():
        data.setlist(name, values)
    return data


def _review(request: HttpRequest) -> HttpResponse:
    form = ComposeForm(request.POST, request.FILES, user=request.user)
    if not form.is_valid():
        return _show(request, form, status=422)
    values = {name: request.POST.getlist(name) for name in request.POST if name not in UNDRAFTED}
    if form.devices.kept and form.chosen_target == TargetType.DEVICE_LIST:
        values["device_list"] = [str(form.devices.kept.pk)]
    draft = Draft.objects.create(author=request.user, values=values)
    return redirect(draft)


UNDRAFTED = frozenset({"csrfmiddlewaretoken", "review", "device_ids"})


def _show(request: HttpRequest, form: ComposeForm, *, status: int = 200) -> HttpResponse:
    context = {"form": form} | _preview_of(form)
    return page(request, "compose", context, fragment="compose", status=status)


def _preview_of(form: ComposeForm) -> dict[str, Any]:
    """``preview``: the request as it stands, pretty-printed, with a long device list cut short."""
    checked = form if form.is_bound else ComposeForm(posted(form), user=form.user)
    checked.is_valid()
    wanted = checked.request()
    application = checked.cleaned_data.get("application")
    param = wanted["param"]
    ids = param.get("deviceList", [])
    if (unseen := checked.devices.count - len(ids)) > 0 and ids:
        param = param | {"deviceList": [*ids, f"… and {unseen:,} more"]}
    if checked.cleaned_data.get("callback"):
        param = param | {"callbackUrl": lifecycle.callback_url("SECRET").replace("SECRET", "…")}
    shown = {"appId": application.app_id if application else "…"} | wanted | {"param": param}
    return {
        "preview": json.dumps(json.loads(wire.dumps(shown)), ensure_ascii=False, indent=2),
        "previewed_devices": checked.devices.count if ids else 0,
    }
