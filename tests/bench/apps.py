"""What the receiver is measured against, on the same server: one that does nothing, and a plain Django view."""

from __future__ import annotations

import json
import os
from typing import Any

START = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]}
END = {"type": "http.response.body", "body": b""}


async def bare(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Read the body, answer 200."""
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    await send(START)
    await send(END)


def plain() -> Any:
    """The site with a receiver as one writes it first: the view updates the row and the counter in the request."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "dashboard.settings"
    from dashboard import asgi, urls

    for pattern in urls.urlpatterns:
        if str(getattr(pattern, "name", "")).startswith("callback"):
            pattern.callback = _update  # type: ignore[union-attr]
    return asgi.pages


def _update(request: Any, token: str) -> Any:
    from django.db import transaction
    from django.http import HttpResponse

    from tasks.models import Task

    push = json.loads(request.body)
    with transaction.atomic():
        task = Task.objects.select_for_update().get(callback_token=token)
        status = push["result"]["resultCode"]
        task.results.filter(device_id=push["deviceId"]).update(
            status=status, detail=push["result"]["resultDetail"]
        )
        task.counts[status] = task.counts.get(status, 0) + 1
        task.save(update_fields=["counts"])
    return HttpResponse()


_update.csrf_exempt = True  # type: ignore[attr-defined]
_update.login_required = False  # type: ignore[attr-defined]
