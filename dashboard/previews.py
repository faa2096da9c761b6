"""What a composer's form asks for, before anything is sent: the request, whom it reaches, what to beware of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.conf import settings
from django.core.cache import cache
from django.template.defaultfilters import filesizeformat

from dashboard.changes import Change, changes, of_devices
from dashboard.curl import CALLBACK_URL, curl
from dashboard.forms.compose import ComposeForm
from dashboard.forms.plan import Plan, plan_of
from dashboard.paging import number
from dashboard.request_text import readable
from tasks import lifecycle
from tasks.lifecycle import Lineage, Proposal, budget, queue
from tasks.lifecycle.families import numbered, requests_of
from tasks.models import Application, DeviceList, Task
from tasks.platform import wire
from tasks.proposals import Prospect, look
from tasks.targets import MEMBERS, TargetType

INLINE = 100
"""Device ids that are written into a shell command; more are read from a file."""

KEPT_SECONDS = 600


class Limit(NamedTuple):
    """Something that is limited, how much of it this task takes, and a remark."""

    words: str
    used: str
    remark: str = ""


@dataclass(frozen=True)
class Outlook:
    """What is known before a task is sent: nothing as long as the target is not complete.

    Where it becomes several tasks ``plan`` says which; the request shown is the first one's.
    """

    form: ComposeForm
    application: Application | None
    request: dict[str, Any]
    kept: DeviceList | None
    prospect: Prospect
    plan: Plan | None = None


def outlook_of(form: ComposeForm) -> Outlook:
    """For a form that need not be complete."""
    form.is_valid()
    request = form.request()
    application = form.cleaned_data.get("application")
    kept = form.devices.kept if form.chosen_target == TargetType.DEVICE_LIST else None
    is_complete = application and all(request["param"].get(name) for name in MEMBERS[form.chosen_target])
    prospect = look([proposal_of(form)]) if is_complete else Prospect([], [])
    return Outlook(form, application, request, kept, prospect, plan_of(form))


def proposal_of(form: ComposeForm, *, whole: bool = False, known: str = "") -> Proposal:
    """What the form asks for, with all its devices and values when it is to be the ``whole``.

    ``known`` is the newest rerun of the same devices that the operator has seen, as a page posts it.
    """
    cleaned = form.cleaned_data
    copied = cleaned.get("copied_from")
    is_list = form.chosen_target == TargetType.DEVICE_LIST
    return Proposal(
        cleaned["application"],
        form.request(whole=whole),
        sets=form.values.sets if whole else (),
        callback=bool(cleaned.get("callback")),
        profile=form.chosen_profile,
        priority=cleaned.get("priority") or 0,
        copied_from=Task.objects.filter(pk=copied).first() if copied and whole else None,
        rerun=_lineage(form, known) if is_list else None,
        template=form.locks.version if form.locks else None,
        kept=form.devices.kept if is_list else None,
    )


def _lineage(form: ComposeForm, known: str) -> Lineage | None:
    """What the devices come from, as long as they are the very ones that a rerun chose."""
    kept, application = form.devices.kept, form.cleaned_data["application"]
    if kept is None or kept.rerun_of_id is None:
        return None
    parent = Task.objects.filter(pk=kept.rerun_of_id, application=application).first()
    if parent is None:
        return None
    return Lineage((parent,), tuple(kept.rerun_outcomes), kept.rerun_filter, known=number(known) or 0)


def preview_of(form: ComposeForm, outlook: Outlook | None = None) -> dict[str, Any]:
    """The request as it stands, pretty-printed, with a long device list cut short; and all that goes with it."""
    outlook = outlook or outlook_of(form)
    application, request, plan = outlook.application, outlook.request, outlook.plan
    param = request["param"]
    devices = plan.first if plan else form.devices.count
    ids = (param.get("deviceList") or [])[:devices]
    if plan:
        request = request | {"taskName": numbered(request["taskName"], 1, plan.tasks)}
        param = param | {"deviceList": ids}
    if (unseen := devices - len(ids)) > 0 and ids:
        param = param | {"deviceList": [*ids, f"… and {unseen:,} more"]}
    if form.cleaned_data.get("callback"):
        param = param | {"callbackUrl": lifecycle.callback_url("SECRET").replace("SECRET", "…")}
    shown = {"appId": application.app_id if application else "…"} | request | {"param": param}
    body = _body(form, whole=not _is_long(outlook)) if form.is_valid() else None
    origin = _origin(outlook)
    return {
        "preview": json.dumps(json.loads(wire.dumps(shown)), ensure_ascii=False, indent=2),
        "plan": plan,
        "previewed_devices": devices if ids else 0,
        "reach": outlook.prospect.reach,
        "concerns": outlook.prospect.concerns,
        "timeout": outlook.request.get("timeout"),
        "limits": _limits(outlook, body),
        "curl": curl(application, None if _is_long(outlook) else body) if application and body else "",
        "curl_is_long": _is_long(outlook),
        "origin": origin,
        "changes": _changes(origin, shown, outlook.kept) if origin else [],
    }


def whole_request(outlook: Outlook) -> str:
    """The body as it will be sent, all device ids in it, a variable for its secret address; the first of several."""
    form = outlook.form
    first = requests_of(form.request(whole=True), form.values.sets)[0]
    return wire.dumps(_sent(form, first))


def _body(form: ComposeForm, *, whole: bool) -> dict[str, Any]:
    """The body of a valid form, of a list with its first ids or the ``whole``."""
    return _sent(form, form.request(whole=whole))


def _sent(form: ComposeForm, request: Mapping[str, Any]) -> dict[str, Any]:
    url = CALLBACK_URL if form.cleaned_data["callback"] else ""
    return lifecycle.request_of(form.cleaned_data["application"], request, callback_url=url)


def _is_long(outlook: Outlook) -> bool:
    return outlook.kept is not None and (outlook.form.devices.count > INLINE or outlook.plan is not None)


def _origin(outlook: Outlook) -> Task | None:
    """The task that this one is a copy or a rerun of."""
    rerun_of = outlook.kept.rerun_of_id if outlook.kept else None
    key = rerun_of or outlook.form.cleaned_data.get("copied_from")
    return Task.objects.select_related("request").filter(pk=key).first() if key else None


def _changes(origin: Task, shown: Mapping[str, Any], kept: DeviceList | None) -> list[Change]:
    found = changes(json.loads(readable(origin)), shown)
    both = origin.target_type == TargetType.DEVICE_LIST and kept is not None
    devices = of_devices(origin, kept) if both and kept else None
    return [*found, devices] if devices else found


def _limits(outlook: Outlook, body: Mapping[str, Any] | None) -> list[Limit]:
    application = outlook.application
    name = len(outlook.request.get("taskName") or "")
    found = [Limit("Name", f"{name:,} of {wire.NAME_MAX} characters")]
    if outlook.kept:
        found.append(Limit("Devices", f"{outlook.form.devices.count:,} of {settings.MOST_DEVICES:,}"))
    if body is not None and outlook.plan is None:
        found.append(Limit("Request", filesizeformat(_size(outlook, body)), "no limit is documented"))
    if application is None:
        return found
    waiting = queue.waiting(application).count()
    before = f"{waiting:,} waiting before this one" if waiting else ""
    slots = f"{len(queue.holders(application))} of {application.unfinished_limit}"
    return [
        *found,
        Limit("Unfinished tasks", slots, before),
        Limit("Calls", f"{budget.used(application)} of {application.calls_per_minute} in the last minute"),
    ]


def _size(outlook: Outlook, body: Mapping[str, Any]) -> int:
    """Bytes, with a secret address as long as the one it will have."""
    text = wire.dumps(body).replace(CALLBACK_URL, lifecycle.callback_url("x" * 43))
    if not _is_long(outlook) or outlook.kept is None:
        return len(text.encode())
    shown = _length(body["param"]["deviceList"])
    key = f"size:{outlook.kept.pk}"
    listed: int | None = cache.get(key)
    if listed is None:
        listed = _length(outlook.kept.ids)
        cache.set(key, listed, KEPT_SECONDS)
    return len(text.encode()) - shown + listed


def _length(ids: list[str]) -> int:
    return len(json.dumps(ids, ensure_ascii=False, separators=(",", ":")).encode())
