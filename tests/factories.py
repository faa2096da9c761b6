"""Rows to begin a test with: valid as they are, changed by keyword."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Sequence
from typing import Any

import factory
from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.utils import timezone

from tasks import lists
from tasks.lifecycle import request_of, transitions
from tasks.lifecycle.compose import TARGET_COLUMNS, callback_url
from tasks.models import (
    Application,
    Attempt,
    Callback,
    Device,
    DeviceList,
    Group,
    NamedList,
    Profile,
    Result,
    Tally,
    Task,
    Template,
    Transition,
)
from tasks.platform import wire
from tasks.states import State
from tasks.targets import TargetType

COMMAND = {"serviceId": "WaterMeter", "method": "SET_REPORT_PERIOD", "paras": {"period": 60}}

TARGETS: dict[TargetType, dict[str, Any]] = {
    TargetType.DEVICE_LIST: {"deviceList": ["device-1", "device-2", "device-3"]},
    TargetType.DEVICE_TYPE: {"deviceType": "WaterMeter", "manufacturerId": "Huawei", "model": "v1001"},
    TargetType.DEVICE_AREA: {"deviceLocation": "Hall-A"},
    TargetType.GROUP_LIST: {"groupList": ["night", "day"]},
    TargetType.GROUP_ID_LIST: {"groupList": ["7f1c9a9e-0001", "7f1c9a9e-0002"]},
    TargetType.BROADCAST: {},
}
"""Target type -> the members it needs, with values."""


def request(kind: TargetType | str = TargetType.DEVICE_LIST, **changes: Any) -> dict[str, Any]:
    """A good create request as an operator asks for it; ``param`` and ``command`` are merged, the rest replaced."""
    param = {"type": str(kind), **TARGETS[TargetType(kind)], **changes.pop("param", {})}
    param["command"] = COMMAND | changes.pop("command", {})
    return {"taskName": "night valves", "taskType": "DeviceCmd", "timeout": 10, "param": param} | changes


class UserFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = get_user_model()
        skip_postgeneration_save = True

    username = factory.Sequence(lambda n: f"user-{n}")
    password = factory.django.Password("a-good-long-password")


class ApplicationFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Application

    name = factory.Sequence(lambda n: f"Application {n}")
    url = "https://platform.example:8743"
    app_id = factory.Sequence(lambda n: f"app_{n:04d}")
    secret = "a-secret"


class ProfileFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Profile

    device_type = factory.Sequence(lambda n: f"Meter{n}")
    manufacturer_id = "Huawei"
    manufacturer_name = "Huawei"
    model = "v1001"
    protocol = "CoAP"
    definition = factory.LazyAttribute(
        lambda profile: {
            "device_type": profile.device_type,
            "manufacturer_id": profile.manufacturer_id,
            "manufacturer_name": profile.manufacturer_name,
            "model": profile.model,
            "protocol": profile.protocol,
            "services": [],
            "notes": [],
        }
    )
    source = "meter.zip"


class DeviceFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Device

    application = factory.SubFactory(ApplicationFactory)
    device_id = factory.Sequence(lambda n: f"device-{n}")
    name = factory.Sequence(lambda n: f"Meter {n}")
    device_type, manufacturer_id, model = "WaterMeter", "Huawei", "v1001"
    location = "Hall-A"
    status = "ONLINE"


class GroupFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Group

    application = factory.SubFactory(ApplicationFactory)
    group_id = factory.Sequence(lambda n: f"group-{n}")
    name = factory.Sequence(lambda n: f"Group {n}")
    size = 3


class TaskFactory(factory.django.DjangoModelFactory):
    """A task as ``lifecycle.compose`` leaves it. ``kind``, ``devices`` and ``ask`` say what it asks for."""

    class Meta:
        model = Task

    class Params:
        kind = TargetType.DEVICE_LIST
        devices = None  # ids, for a DeviceList
        ask = None  # changes of the request
        callback = True

    application = factory.SubFactory(ApplicationFactory)
    author = factory.SubFactory(UserFactory)
    name = factory.Sequence(lambda n: f"task {n}")
    state = State.QUEUED
    reason = "waiting for a worker"
    rerun_of = None
    timeout = 10
    callback_token = factory.Maybe(
        "callback", factory.Sequence(lambda n: hashlib.sha256(f"token {n}".encode()).hexdigest()[:43]), None
    )

    @classmethod
    def _adjust_kwargs(cls, **given: Any) -> dict[str, Any]:
        kind, devices = TargetType(given.pop("kind")), given.pop("devices")
        given.pop("callback")
        asked = request(kind, taskName=given["name"], timeout=given["timeout"], **(given.pop("ask") or {}))
        if devices is not None:
            asked["param"]["deviceList"] = list(devices)
        token = given["callback_token"]
        body = request_of(given["application"], asked, callback_url=callback_url(token) if token else "")
        param = body["param"]
        listed = param.get("deviceList")
        defaults = {
            "target_type": kind,
            "target": {name: param[name] for name in TARGET_COLUMNS if name in param},
            "service_id": param["command"]["serviceId"],
            "method": param["command"]["method"],
            "paras": param["command"].get("paras"),
            "expected": len(listed) if listed is not None else None,
            "listed": listed is None,
            "due_at": timezone.now() if given["state"] == State.QUEUED else None,
            "request_body": wire.dumps(body),
        }
        if given["state"] == State.SUBMITTING:
            defaults |= {"lease_until": timezone.now() + dt.timedelta(seconds=180), "fence": 1}
        if given["state"] in (State.RUNNING, State.COMPLETE, State.TIMED_OUT):
            defaults |= {"submitted_at": timezone.now(), "fence": 1}
        if given["state"] == State.RUNNING:
            defaults |= {"poll_at": timezone.now()}
        return defaults | given

    @classmethod
    def _build(cls, model: type[Task], *args: Any, **given: Any) -> Task:
        no_columns = ("request_body", "rerun_of")
        return model(**{name: value for name, value in given.items() if name not in no_columns})

    @classmethod
    def _create(cls, model: type[Task], *args: Any, **given: Any) -> Task:
        body, parent, task = given["request_body"], given["rerun_of"], cls._build(model, **given)
        transitions.begin(task, "composed", actor=task.author, body=body)
        if parent:
            task.origins.create(parent=parent, devices=task.expected)
        return task


class AttemptFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Attempt

    task = factory.SubFactory(TaskFactory)
    number = 1
    fence = 1
    worker = "host:1"
    request_sha256 = factory.LazyAttribute(
        lambda attempt: hashlib.sha256(attempt.task.request_body.encode()).hexdigest()
    )


class TransitionFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Transition

    task = factory.SubFactory(TaskFactory)
    to_state = State.QUEUED
    reason = "composed"


class ResultFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Result

    task = factory.SubFactory(TaskFactory)
    device_id = factory.Sequence(lambda n: f"device-{n}")


class CallbackFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Callback

    task = factory.SubFactory(TaskFactory)
    body = factory.Sequence(
        lambda n: f'{{"deviceId":"device-{n}","commandId":"c","result":{{"resultCode":"SENT"}}}}'.encode()
    )


class TallyFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Tally

    task = factory.SubFactory(TaskFactory)
    status = "SUCCESSFUL"
    count = 1


def make_template(name: str = "Close valves", *, locked: Sequence[str] = (), **values: Any) -> Template:
    """A template with one version; ``values`` are what the composer posts, one text or several."""
    author = UserFactory()
    template = Template.objects.create(name=name, author=author)
    good = {
        "target_type": "Broadcast",
        "service_id": "Valve",
        "method": "CLOSE",
        "timeout": "60",
        "callback": "on",
    }
    kept = {field: [each] if isinstance(each, str) else each for field, each in (good | values).items()}
    template.add_version(author, values=kept, locked=list(locked))
    return template


def make_list(
    application: Application, ids: Sequence[str], name: str = "Valves", author: User | None = None
) -> NamedList:
    """A saved list of these devices."""
    author = author or UserFactory()
    devices = DeviceList.objects.create(author=author, count=len(ids), text="\n".join(ids))
    return lists.create(application, name, devices, author)
