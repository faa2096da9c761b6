"""Who asks, and for what: people of each role with their browsers, an application, a profile, tasks."""

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from tasks import lifecycle
from tasks.models import Application, Profile, Task
from tasks.profiles import schema
from tasks.profiles.schema import Command, DataType, Parameter, Service
from tasks.sync import census
from tests.factories import ApplicationFactory, DeviceFactory, UserFactory

ROLES = ("anonymous", "nobody", "operator", "auditor", "admin", "superuser")


@pytest.fixture
def browser_of(request: pytest.FixtureRequest, db: None) -> Callable[..., Client]:
    """Role -> a client signed in as the user of that role; a nobody has no group."""

    def browser(role: str, **options: Any) -> Client:
        client = Client(**options)
        if role == "nobody":
            client.force_login(User.objects.filter(username=role).first() or UserFactory(username=role))
        elif role != "anonymous":
            client.force_login(request.getfixturevalue(role))
        return client

    return browser


@pytest.fixture
def desk(browser_of: Callable[..., Client]) -> Client:
    """The operator's browser."""
    return browser_of("operator")


@pytest.fixture
def site_app(db: None) -> Application:
    return Application.objects.create(
        name="Waterworks", url="http://127.0.0.1:9", app_id="app-1", secret="s3cret-canary"
    )


@pytest.fixture
def make_task(site_app: Application, operator: User) -> Callable[..., Task]:
    """A queued task as the composer makes it; keywords are columns to set afterwards."""

    def make(param: dict[str, Any] | None = None, **columns: Any) -> Task:
        asked = {
            "taskName": columns.pop("name", "Close the valves"),
            "taskType": "DeviceCmd",
            "timeout": columns.pop("timeout", 60),
            "param": {
                "type": "DeviceList",
                "deviceList": ["device-1", "device-2"],
                "command": {"serviceId": "Valve", "method": "CLOSE", "paras": {"speed": 3}},
            }
            | (param or {}),
        }
        if tags := columns.pop("tags", None):
            asked["tags"] = [{"tagName": name, "tagValue": value} for name, value in tags]
        if asked["param"]["type"] != "DeviceList":
            del asked["param"]["deviceList"]
        task = lifecycle.compose(
            columns.pop("application", site_app),
            columns.pop("author", operator),
            asked,
            callback=columns.pop("callback", True),
        )
        if columns:
            state = columns.get("state")
            if state == "SUBMITTING":
                columns.setdefault("lease_until", timezone.now() + dt.timedelta(minutes=3))
            if state in ("RUNNING", "COMPLETE", "TIMED_OUT"):
                columns.setdefault("submitted_at", timezone.now())
            Task.objects.filter(pk=task.pk).update(**columns)
            task.refresh_from_db()
        return task

    return make


PARAMETERS = (
    Parameter("count", DataType.INT, required=True, minimum=Decimal(1), maximum=Decimal(10), step=Decimal(3)),
    Parameter("serial", DataType.LONG),
    Parameter("ratio", DataType.DECIMAL, minimum=Decimal("0.5"), maximum=Decimal("1.5"), unit="bar"),
    Parameter("factor", DataType.DOUBLE),
    Parameter("text", DataType.STRING, max_length=5),
    Parameter("mode", DataType.STRING, choices=("ECO", "FULL")),
    Parameter("open", DataType.BOOLEAN),
    Parameter("at", DataType.DATE_TIME),
    Parameter("extra", DataType.JSON_OBJECT),
    Parameter("names", DataType.STRING_LIST),
)


@pytest.fixture
def meter(db: None) -> Profile:
    """A profile with a service of every data type, a second service, and one that has no command."""
    definition = schema.Profile(
        device_type="Meter",
        manufacturer_id="m-1",
        manufacturer_name="Maker",
        model="X1",
        protocol="CoAP",
        services=(
            Service("Valve", "Valve", commands=(Command("SET", PARAMETERS), Command("CLOSE"))),
            Service("Clock", "Clock", commands=(Command("SYNC", (Parameter("zone", DataType.STRING),)),)),
            Service("Status", "Status"),
        ),
    )
    return Profile.objects.create(
        device_type="Meter",
        manufacturer_id="m-1",
        manufacturer_name="Maker",
        model="X1",
        definition=schema.to_dict(definition),
        source="meter.zip",
    )


@pytest.fixture
def typed(site_app: Application) -> Callable[..., dict[str, Any]]:
    """A composer's posted values that are all good; keywords change them, None takes a field away."""

    def values(**changes: Any) -> dict[str, Any]:
        good = {
            "application": site_app.pk,
            "name": "Close the valves",
            "target_type": "DeviceList",
            "device_ids": "device-1\ndevice-2",
            "service_id": "Valve",
            "method": "CLOSE",
            "paras": '{"speed": 3}',
            "timeout": "60",
            "callback": "on",
        }
        return {name: value for name, value in (good | changes).items() if value is not None}

    return values


@pytest.fixture
def fleet(site_app: Application) -> Application:
    """Four meters that are read, the last two of them offline, and a lamp; another application has one device."""
    site_app.catalogue_at = timezone.now()
    site_app.save()
    for number in range(4):
        status = "OFFLINE" if number > 1 else "ONLINE"
        _device(site_app, f"meter-{number}", ("Meter", "m-1", "X1"), status=status)
    _device(site_app, "lamp-1", ("Lamp", "m-1", "L1"))
    _device(ApplicationFactory(catalogue_at=timezone.now()), "foreign-1", ("Meter", "m-1", "X1"))
    census.take(site_app)
    return site_app


def _device(
    application: Application, device_id: str, kind: tuple[str, str, str], status: str = "ONLINE"
) -> None:
    device_type, manufacturer_id, model = kind
    DeviceFactory(
        application=application,
        device_id=device_id,
        device_type=device_type,
        manufacturer_id=manufacturer_id,
        model=model,
        status=status,
        location="大厅 A",
    )
