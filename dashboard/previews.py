"""The request that a composer's form asks for, as it would be sent, fit for reading."""

from __future__ import annotations

import json
from typing import Any

from dashboard.forms.compose import ComposeForm
from dashboard.forms.repeat import posted
from dashboard.forms.values import plan_of
from tasks import lifecycle
from tasks.lifecycle.families import numbered
from tasks.platform import wire


def preview_of(form: ComposeForm) -> dict[str, Any]:
    """``preview``: the request as it stands, pretty-printed, with a long device list cut short.

    Of several tasks it is the first one's, and ``plan`` says what the others are.
    """
    checked = form if form.is_bound else ComposeForm(posted(form), user=form.user)
    checked.is_valid()
    wanted = checked.request()
    application = checked.cleaned_data.get("application")
    param = wanted["param"]
    ids = param.get("deviceList", [])
    plan = plan_of(checked)
    devices = plan.first if plan else checked.devices.count
    if plan:
        wanted |= {"taskName": numbered(wanted["taskName"], 1, plan.tasks)}
        ids = ids[:devices]
        param |= {"deviceList": ids}
    if (unseen := devices - len(ids)) > 0 and ids:
        param = param | {"deviceList": [*ids, f"… and {unseen:,} more"]}
    if checked.cleaned_data.get("callback"):
        param = param | {"callbackUrl": lifecycle.callback_url("SECRET").replace("SECRET", "…")}
    shown = {"appId": application.app_id if application else "…"} | wanted | {"param": param}
    return {
        "preview": json.dumps(json.loads(wire.dumps(shown)), ensure_ascii=False, indent=2),
        "previewed_devices": devices if ids else 0,
        "plan": plan,
    }
