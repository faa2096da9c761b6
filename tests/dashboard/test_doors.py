"""One service function behind every door: the same request sends the same bytes, and is refused for the same reasons.

Doors: the form, the form with a template's or a task's values (a copy), a rerun on the site, a rerun and a submission
on the command line.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from dashboard.forms.compose import FIELD_OF_PATH
from tasks import lifecycle
from tasks.models import Application, Task
from tasks.states import State

from .pages import errors, fields, words

pytestmark = pytest.mark.django_db

VALVE = {"serviceId": "Valve", "method": "CLOSE", "paras": {"speed": 3}}


def request(param: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {
        "taskName": "Close the valves",
        "taskType": "DeviceCmd",
        "timeout": 60,
        "param": {"command": VALVE} | param,
    } | members


REQUESTS: dict[str, dict[str, Any]] = {
    "a list": request({"type": "DeviceList", "deviceList": ["device-1", "device-2"]}),
    "a list with duplicates": request({"type": "DeviceList", "deviceList": ["b", "a", "b"]}),
    "a type": request({"type": "DeviceType", "deviceType": "Meter", "manufacturerId": "m-1", "model": "X1"}),
    "an area": request({"type": "DeviceArea", "deviceLocation": "Halle Süd, 阀门"}),
    "blanks around a location": request({"type": "DeviceArea", "deviceLocation": " Hall A "}),
    "groups by name": request({"type": "GroupList", "groupList": ["night", "day"]}),
    "groups with blanks and duplicates": request(
        {"type": "GroupList", "groupList": [" night", "day", "night"]}
    ),
    "groups by id": request({"type": "GroupIdList", "groupList": ["g-1"]}),
    "everything": request({"type": "Broadcast"}),
    "all that is optional": request(
        {"type": "Broadcast", "maxRetransmit": 0, "groupTag": " east "},
        tags=[{"tagName": "site ", "tagValue": " north"}, {"tagName": "shift", "tagValue": "夜"}],
        timeout=2880,
    ),
    "blanks around a command": request(
        {"type": "Broadcast", "command": {"serviceId": " Valve", "method": "CLOSE "}}
    ),
    "no parameters": request({"type": "Broadcast", "command": VALVE | {"paras": {}}}),
    "numbers of every kind": request(
        {
            "type": "Broadcast",
            "command": VALVE
            | {"paras": {"z": 1, "a": 1.0, "big": 2**63 - 1, "small": 1e-7, "minus": -0.0, "huge": 1e22}},
        }
    ),
    "values of every kind": request(
        {
            "type": "Broadcast",
            "command": VALVE
            | {
                "paras": {
                    "text": " a\n\"b\" \\ 'c' <d> ",
                    "empty": "",
                    "none": None,
                    "yes": True,
                    "list": ["1", 1, []],
                    "nested": {"b": {"a": "😀"}},
                    " name ": "\u2028",
                }
            },
        }
    ),
}

WRONG: dict[str, dict[str, Any]] = {
    "a name that is too long": request({"type": "Broadcast"}, taskName="n" * 257),
    "a timeout that is too short": request({"type": "Broadcast"}, timeout=9),
    "a timeout that is too long": request({"type": "Broadcast"}, timeout=2881),
    "a service that is too long": request({"type": "Broadcast", "command": VALVE | {"serviceId": "s" * 65}}),
    "a method that is too long": request({"type": "Broadcast", "command": VALVE | {"method": "m" * 129}}),
    "a location with a control character": request({"type": "DeviceArea", "deviceLocation": "Hall\x07"}),
    "a group tag that is too long": request({"type": "Broadcast", "groupTag": "t" * 1025}),
    "a number that no device can hold": request(
        {"type": "Broadcast", "command": VALVE | {"paras": {"a": 2**63}}}
    ),
    "NUL in a parameter": request({"type": "Broadcast", "command": VALVE | {"paras": {"a": "\0"}}}),
    "several things": request(
        {"type": "DeviceArea", "deviceLocation": "x" * 1025, "command": VALVE | {"method": "m" * 129}},
        timeout=1,
    ),
    "a tag without a value": request(
        {"type": "Broadcast"}, tags=[{"tagName": "site", "tagValue": "v" * 1025}]
    ),
}


def typed(application: Application, asked: dict[str, Any]) -> dict[str, Any]:
    """What an operator types into the composer to ask for this."""
    param, command = asked["param"], asked["param"]["command"]
    groups = "group_names" if param["type"] == "GroupList" else "group_ids"
    values = {
        "application": application.pk,
        "name": asked["taskName"],
        "target_type": param["type"],
        "device_ids": "\n".join(param.get("deviceList", ())),
        "device_type": param.get("deviceType", ""),
        "manufacturer_id": param.get("manufacturerId", ""),
        "model": param.get("model", ""),
        "device_location": param.get("deviceLocation", ""),
        groups: "\n".join(param.get("groupList", ())),
        "service_id": command["serviceId"],
        "method": command["method"],
        "paras": json.dumps(command["paras"]) if "paras" in command else "",
        "timeout": asked["timeout"],
        "max_retransmit": param.get("maxRetransmit", ""),
        "group_tag": param.get("groupTag", ""),
        "tag_name": [tag["tagName"] for tag in asked.get("tags", ())],
        "tag_value": [tag["tagValue"] for tag in asked.get("tags", ())],
        "callback": "on",
        "review": "1",
    }
    return values


def by_form(desk: Client, values: dict[str, Any]) -> Task:
    reviewed = desk.post("/compose/", values)
    assert reviewed.status_code == 302, errors(reviewed)
    return confirmed(desk, reviewed["Location"])


def confirmed(desk: Client, address: str) -> Task:
    page = desk.get(address)
    assert page.status_code == 200, errors(page)
    given = {
        "typed": page.context["word"],
        "acknowledged": page.context["cautions"],
        "known": fields(page).value("known"),
    }
    done = desk.post(address, given)
    assert done.status_code == 302, words(done)
    return Task.objects.latest("pk")


def by_command(asked: dict[str, Any], folder: Path) -> Task:
    file = folder / "request.json"
    file.write_text(json.dumps(asked, ensure_ascii=False))
    call_command("submit", str(file), application="Waterworks", user="operator")
    return Task.objects.latest("pk")


def by_copy(desk: Client, task: Task) -> Task:
    """The page of the composer, reviewed as it came."""
    return by_form(desk, fields(desk.get("/compose/", {"repeat": task.pk})).posted | {"review": "1"})


def by_rerun(desk: Client, task: Task) -> Task:
    Task.objects.filter(pk=task.pk).update(state=State.REFUSED)
    drafted = desk.post(f"/tasks/{task.pk}/rerun/", {"outcome": "not-dispatched"})
    assert drafted.status_code == 302
    return confirmed(desk, drafted["Location"])


def by_rerun_command(task: Task) -> Task:
    Task.objects.filter(pk=task.pk).update(state=State.REFUSED)
    call_command("rerun", task.pk, outcomes="not-dispatched", user="operator")
    return Task.objects.latest("pk")


def body(task: Task) -> str:
    """What is sent, but for what has to be of the task's own."""
    url = lifecycle.callback_url(task.callback_token or "")
    assert url in task.request_body
    name = json.dumps(task.name, ensure_ascii=False)
    assert name in task.request_body
    return task.request_body.replace(url, "URL").replace(name, "NAME")


@pytest.fixture
def doors(desk: Client, site_app: Application, tmp_path: Path) -> Callable[[dict[str, Any]], dict[str, str]]:
    """The same request through every door -> what each of them sends."""

    def through(asked: dict[str, Any]) -> dict[str, str]:
        first = by_form(desk, typed(site_app, asked))
        second = by_command(asked, tmp_path)
        tasks = {
            "form": first,
            "command line": second,
            "copy of the form's": by_copy(desk, first),
            "copy of the command line's": by_copy(desk, second),
        }
        if asked["param"]["type"] == "DeviceList":
            tasks |= {
                "rerun": by_rerun(desk, second),
                "rerun on the command line": by_rerun_command(first),
                "copy of a rerun": by_copy(desk, Task.objects.latest("pk")),
            }
        return {door: body(task) for door, task in tasks.items()}

    return through


@pytest.mark.parametrize("name", REQUESTS)
def test_the_same_request_is_the_same_bytes_through_every_door(
    name: str, doors: Callable[[dict[str, Any]], dict[str, str]]
) -> None:
    sent = doors(REQUESTS[name])
    assert len(sent) >= 4
    assert sent == dict.fromkeys(sent, sent["form"])


@pytest.mark.parametrize("name", WRONG)
def test_the_same_request_is_refused_for_the_same_reasons_through_every_door(
    name: str, desk: Client, site_app: Application, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = WRONG[name]
    page = desk.post("/compose/", typed(site_app, asked))
    with pytest.raises(SystemExit) as left:
        by_command(asked, tmp_path)
    assert (page.status_code, left.value.code) == (422, 2)
    assert not Task.objects.exists()
    said = words(page)
    for line in capsys.readouterr().err.splitlines():
        path, _, message = line.partition(": ")
        field = field_of(path)
        if field in page.context["form"].errors:
            assert errors(page).get(field), line
        assert message.lower().rstrip(".") in said.lower(), line


def field_of(path: str) -> str:
    stem = path.partition("[")[0]
    return next((field for known, field in FIELD_OF_PATH.items() if stem.startswith(known)), "")
