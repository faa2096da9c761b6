"""From what an operator or a script asks for to a queued task with its frozen request."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.urls import reverse

from tasks import clock
from tasks.bells import ring
from tasks.models import Application, Family, Origin, Profile, Task, TemplateVersion
from tasks.platform import wire
from tasks.platform.wire import Problem
from tasks.profiles import values
from tasks.states import State

from . import transitions
from .lineage import AlreadyRerun, Lineage


class Invalid(Exception):
    """The request cannot become a task; ``problems`` holds every reason with its path."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(f"{problem.path}: {problem.message}" for problem in problems[:10]))
        self.problems = problems


def compose(
    application: Application,
    author: User,
    request: Mapping[str, Any],
    *,
    callback: bool = True,
    profile: Profile | None = None,
    priority: int = 0,
    copied_from: Task | None = None,
    rerun: Lineage | None = None,
    template: TemplateVersion | None = None,
    family: Family | None = None,
    key: uuid.UUID | None = None,
) -> Task:
    """Queue a task for ``request``, a create request of the API page without ``appId`` and ``callbackUrl``.

    Checks everything, removes duplicate device ids, builds and stores the body that will be sent byte for
    byte, and rings for a worker after commit. ``key`` makes it idempotent: the same key gives the same task.
    A rerun joins the family of its parents. What one list asks for may be several tasks: see ``compose_family``.
    Raises ``Invalid`` with all problems at once, and ``AlreadyRerun`` when ``rerun`` does not know the newest one.
    """
    if problems := check(application, request, profile):
        raise Invalid(problems)
    token = secrets.token_urlsafe(32) if callback else None
    url = callback_url(token) if token else ""
    body = request_of(application, request, callback_url=url)
    param = body["param"]
    asked = request["param"].get("deviceList", ())
    listed = param.get("deviceList")
    task = Task(
        application=application,
        author=author,
        copied_from=copied_from,
        rerun_outcomes=list(rerun.outcomes) if rerun else [],
        rerun_filter=rerun.filter if rerun else "",
        template=template,
        compose_key=key,
        name=body["taskName"],
        target_type=param["type"],
        target={name: param[name] for name in TARGET_COLUMNS if name in param},
        profile=profile,
        profile_version=profile.version if profile else None,
        priority=priority,
        service_id=param["command"]["serviceId"],
        method=param["command"]["method"],
        paras=param["command"].get("paras"),
        timeout=body["timeout"],
        max_retransmit=param.get("maxRetransmit"),
        group_tag=param.get("groupTag", ""),
        tags=[[tag["tagName"], tag["tagValue"]] for tag in body.get("tags", ())],
        callback_token=token,
        duplicates_removed=len(asked) - len(listed or ()),
        expected=len(listed) if listed is not None else None,
        listed=listed is None,
        state=State.QUEUED,
        reason="waiting for a worker",
        due_at=clock.now(),
    )
    try:
        with transaction.atomic():
            task.family = rerun.confirm() if rerun and family is None else family
            transitions.begin(task, _story(rerun), actor=author, body=wire.dumps(body))
            if rerun:
                origins = rerun.origins_of(listed or ())
                Origin.objects.bulk_create(
                    Origin(task=task, parent_id=parent, devices=count) for parent, count in origins.items()
                )
            transaction.on_commit(lambda: ring("submit", task.pk))
    except (IntegrityError, AlreadyRerun):
        # The same form was posted twice at once: the first one made the task.
        if key and (first := Task.objects.filter(compose_key=key).first()):
            return first
        raise
    return task


def _story(rerun: Lineage | None) -> str:
    return f"composed as a rerun of {rerun.numbers} on its {rerun.words}" if rerun else "composed"


TARGET_COLUMNS = ("deviceType", "manufacturerId", "model", "deviceLocation", "groupList")


def check(
    application: Application, request: Mapping[str, Any], profile: Profile | None = None
) -> list[Problem]:
    """Every reason why ``request`` cannot be sent for ``application``; with a ``profile`` also its limits."""
    problems = wire.check(request, most_devices=settings.MOST_DEVICES)
    if not isinstance(request, Mapping):
        return problems
    if request.get("appId", application.app_id) != application.app_id:
        problems.append(Problem("appId", "is not this application's; leave it out, Muster fills it in"))
    param = request.get("param")
    if isinstance(param, Mapping) and "callbackUrl" in param:
        problems.append(
            Problem("param.callbackUrl", "is filled in by Muster, a secret one for each task; leave it out")
        )
    command = param.get("command") if isinstance(param, Mapping) else None
    return [*problems, *(unfit(profile, command) if profile and isinstance(command, Mapping) else ())]


def unfit(profile: Profile, command: Mapping[str, Any]) -> list[Problem]:
    """What the profile's kind of device would not take of a ``command`` of the request."""
    service, method, paras = command.get("serviceId"), command.get("method"), command.get("paras") or {}
    names = [name.strip() if isinstance(name, str) else "" for name in (service, method)]
    if not all(names) or not isinstance(paras, Mapping):
        return []  # wrong for any device
    known = profile.schema.command(*names)
    if known is None:
        return [Problem("param.command.method", f"is no command of the service {names[0]} in {profile}")]
    found = values.check_paras(known, paras)
    return [Problem(f"param.command.paras.{name[:80]}", problem) for name, problem in found.items()]


def request_of(application: Application, request: Mapping[str, Any], *, callback_url: str) -> dict[str, Any]:
    """The whole body for a checked ``request``: what the preview shows is built by what will be sent.

    Blanks around a name are not part of it, and a name that is listed twice is sent once, whoever asks: the form
    cannot say it differently. Parameters go out as they came.
    """
    param = request["param"]
    command = param["command"]
    target = {name: _plain(param[name]) for name in (*TARGET_COLUMNS, "deviceList") if name in param}
    return wire.build(
        app_id=application.app_id,
        name=request["taskName"].strip(),
        timeout=request["timeout"],
        target={"type": param["type"], **target},
        service_id=command["serviceId"].strip(),
        method=command["method"].strip(),
        paras=command.get("paras") or None,
        callback_url=callback_url,
        max_retransmit=param.get("maxRetransmit"),
        group_tag=param.get("groupTag", "").strip(),
        tags=[(tag["tagName"].strip(), tag["tagValue"].strip()) for tag in request.get("tags", ())],
    )


def _plain(name: str | list[str]) -> str | list[str]:
    return name.strip() if isinstance(name, str) else list(dict.fromkeys(map(str.strip, name)))


def callback_url(token: str) -> str:
    """Where the platform pushes the answers of the task with this token."""
    return settings.PUBLIC_URL + reverse("callback", args=[token])
