"""One look and one way to send behind every door: the same request sends the same bytes, is refused for the same
reasons, and warns of the same things. The doors themselves are in ``doors``.
"""

from __future__ import annotations

import ast
import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from dashboard.forms.compose import FIELD_OF_PATH
from tasks import lifecycle, warnings
from tasks.models import Application, Danger, Profile, Task
from tasks.profiles import schema
from tests.factories import DeviceFactory

from .doors import AGAIN, FIRST, RERUNS, Answer, Asked, Door, World, doors_for, typed
from .pages import errors

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


@pytest.fixture
def world(
    desk: Client, site_app: Application, operator: User, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> World:
    cache.clear()
    return World(desk, site_app, operator, tmp_path, capsys)


def named(doors: tuple[Door, ...]) -> Any:
    return pytest.mark.parametrize("door", doors, ids=[door.__name__ for door in doors])


def body(task: Task) -> str:
    """What is sent, but for what has to be of the task's own."""
    url = lifecycle.callback_url(task.callback_token or "")
    assert url in task.request_body
    name = json.dumps(task.name, ensure_ascii=False)
    assert name in task.request_body
    return task.request_body.replace(url, "URL").replace(name, "NAME")


@pytest.mark.parametrize("name", REQUESTS)
def test_the_same_request_is_the_same_bytes_through_every_door(name: str, world: World) -> None:
    asked = Asked(REQUESTS[name])
    sent = {}
    for door in doors_for(asked.request):
        (task,) = door(world, asked).tasks
        sent[door.__name__] = body(task)
    assert sent == dict.fromkeys(sent, sent["by_form"])


@named(FIRST)
@pytest.mark.parametrize("name", WRONG)
def test_the_same_request_is_refused_for_the_same_reasons_through_every_door(
    name: str, door: Door, world: World
) -> None:
    asked = Asked(WRONG[name])
    answer = door(world, asked)
    assert not Task.objects.exists()
    for problem in lifecycle.check(world.application, asked.request):
        assert problem.message.lower() in answer.said.lower()


@pytest.mark.parametrize("name", WRONG)
def test_the_form_shows_each_reason_at_its_field(name: str, world: World) -> None:
    asked = Asked(WRONG[name])
    page = world.desk.post("/compose/", typed(world, asked) | {"review": "1"})
    assert page.status_code == 422
    for problem in lifecycle.check(world.application, asked.request):
        field = field_of(problem.path)
        if field in page.context["form"].errors:
            assert errors(page).get(field), problem


def field_of(path: str) -> str:
    stem = path.partition("[")[0]
    return next((field for known, field in FIELD_OF_PATH.items() if stem.startswith(known)), "")


# What the profile says


def profiled(method: str = "SET", **paras: Any) -> dict[str, Any]:
    command = {"serviceId": "Valve", "method": method, "paras": paras}
    return request({"type": "DeviceList", "deviceList": ["device-1", "device-2"], "command": command})


UNFIT: dict[str, tuple[dict[str, Any], list[str]]] = {
    "too much": (profiled(count=11), ["count must be from 1 to 10"]),
    "between two steps": (profiled(count=2), ["count must go in steps of 3 from 1"]),
    "no number": (profiled(count="4"), ["count must be a whole number"]),
    "missing": (profiled(text="x"), ["is required"]),
    "no parameter of it": (profiled(count=4, speed=1), ["speed is not a parameter of SET"]),
    "not listed": (profiled(count=4, mode="OFF"), ["mode must be one of ECO, FULL"]),
    "several things": (
        profiled(count=11, mode="OFF", text="too long"),
        ["count must be", "mode must be", "text must have at most 5 characters"],
    ),
}


@named((*FIRST, *AGAIN, *RERUNS))
@pytest.mark.parametrize("name", UNFIT)
def test_what_the_profile_does_not_take_is_refused_through_every_door(
    name: str, door: Door, world: World, meter: Profile
) -> None:
    asked, reasons = UNFIT[name]
    answer = door(world, Asked(asked, meter))
    assert not answer.tasks
    said = answer.said.replace("param.command.paras.", "").replace(": ", " ")
    for reason in reasons:
        assert reason in said


@named((*FIRST, *AGAIN, *RERUNS))
def test_a_command_that_the_profile_does_not_have_is_refused_through_every_door(
    door: Door, world: World, meter: Profile
) -> None:
    """On the page there is nothing else to choose; who posts it all the same is told so."""
    answer = door(world, Asked(profiled("OPEN"), meter))
    if door.__name__ == "by_link":  # the page offers the command that there is
        assert "OPEN" not in {task.method for task in answer.tasks}
    else:
        assert not answer.tasks


@named((*FIRST, *AGAIN, *RERUNS))
def test_what_the_profile_takes_is_sent_through_every_door(door: Door, world: World, meter: Profile) -> None:
    (task,) = door(world, Asked(profiled(count=4, mode="ECO"), meter)).tasks
    assert (task.profile, task.paras) == (meter, {"count": 4, "mode": "ECO"})


# What there is to beware of


def catalogue(world: World, *statuses: str, kind: str = "Meter", **columns: Any) -> None:
    Application.objects.update(**({"catalogue_at": timezone.now()} | columns))
    for number, status in enumerate(statuses, 1):
        DeviceFactory(
            application=world.application, device_id=f"device-{number}", device_type=kind, manufacturer_id="m-1",
            model="X1", status=status,
        )  # fmt: skip
    world.application.refresh_from_db()


def lamps(world: World) -> None:
    catalogue(world, "ONLINE", "ONLINE", kind="Lamp")
    lamp = schema.Profile("Lamp", "m-1", "Maker", "X1", "CoAP")
    Profile.objects.create(
        device_type="Lamp", manufacturer_id="m-1", model="X1", definition=schema.to_dict(lamp), source="lamp.zip"
    )  # fmt: skip


LIST = request({"type": "DeviceList", "deviceList": ["device-1", "device-2"]})
EVERYTHING = request({"type": "Broadcast"})
AREA = request({"type": "DeviceArea", "deviceLocation": "nowhere"})
Scene = Callable[[World], Any]
SCENES: dict[str, tuple[dict[str, Any], Scene, str]] = {
    "broadcast": (EVERYTHING, lambda world: None, "Every device of Waterworks gets the command"),
    "dangerous": (
        LIST,
        lambda world: Danger.objects.create(
            profile=Profile.objects.get(), service_id="Valve", method="CLOSE"
        ),
        "Valve · CLOSE is marked as dangerous.",
    ),
    "on its way": (
        LIST,
        lambda world: world.composed(Asked(LIST), state="RUNNING"),
        "Valve · CLOSE is already on its way to 2 of these devices: they would get it twice.",
    ),
    "not understood": (LIST, lamps, "2 devices have no Valve · CLOSE by their profile"),
    "nobody": (AREA, catalogue, "The catalogue knows no device that this reaches."),
    "perhaps on its way": (
        LIST,
        lambda world: world.composed(Asked(AREA), state="RUNNING"),
        "whether to some of these devices is not known",
    ),
    "not in the catalogue": (
        LIST,
        lambda world: catalogue(world, "ONLINE"),
        "1 device is not in the catalogue",
    ),
    "mostly silent": (LIST, lambda world: catalogue(world, "OFFLINE", "OFFLINE"), "2 of 2, were silent"),
    "too short": (LIST, lambda world: catalogue(world, "OFFLINE", "ONLINE"), "within 60 minutes"),
    "no callback": (LIST, lambda world: None, "No answer is pushed"),
    "old catalogue": (
        LIST,
        lambda world: catalogue(
            world, "ONLINE", "ONLINE", catalogue_at=timezone.now() - dt.timedelta(days=3, minutes=1)
        ),
        "The catalogue was read 3 days ago",
    ),
}
"""Rule -> a request, what makes the rule speak, and a part of what it says."""


def test_there_is_a_scene_for_every_rule() -> None:
    assert {*SCENES} == {rule.name for rule in warnings.RULES}


@pytest.mark.parametrize("rule", SCENES)
def test_every_door_warns_of_the_same_and_sends_cautions_only_when_they_are_acknowledged(
    rule: str, world: World, meter: Profile
) -> None:
    """One door after another; what one has sent is over before the next one is tried."""
    asked, prepare, sentence = SCENES[rule]
    prepare(world)
    severity = next(each.severity for each in warnings.RULES if each.name == rule)
    heard: dict[str, Answer] = {}
    for door in doors_for(asked):
        for world.acknowledging in (False, True):
            cache.clear()
            answer = heard[door.__name__] = door(world, Asked(asked, callback=rule != "no callback"))
            is_sent = world.acknowledging or severity == "note"
            assert bool(answer.tasks) == is_sent, door.__name__
            Task.objects.filter(pk__in=[task.pk for task in answer.tasks]).update(state="REFUSED")
        assert any(sentence in said for kind, said in answer.concerns if kind == severity), door.__name__
        assert answer.concerns == heard["by_form"].concerns, door.__name__


def test_the_command_line_says_which_option_acknowledges(world: World) -> None:
    world.acknowledging = False
    answer = doors_for(EVERYTHING)[FIRST.index(FIRST[-1])](world, Asked(EVERYTHING))
    assert "caution (broadcast): Every device of Waterworks gets the command" in answer.said
    assert "--acknowledge: nothing was composed." in answer.said
    assert "add --acknowledge broadcast" in answer.said


def test_a_caution_that_does_not_exist_is_not_acknowledged(world: World) -> None:
    world.acknowledging = False
    file = world.folder / "request.json"
    file.write_text(json.dumps(EVERYTHING))
    options = ["--application", "Waterworks", "--user", "operator", "--acknowledge", "broadcast,all"]
    assert "'all': there are only broadcast, dangerous" in world.run("submit", str(file), *options).said


# No other way in

COMPOSE = {"compose", "compose_family"}


def test_nothing_but_proposals_composes() -> None:
    """Whoever composes a task goes through ``proposals.send``; the story itself may call its own verbs."""
    root = Path(__file__).parents[2]
    callers = set()
    for path in [*(root / "dashboard").rglob("*.py"), *(root / "tasks").rglob("*.py")]:
        name = path.relative_to(root).as_posix()
        for node in ast.walk(ast.parse(path.read_text())):
            called = node.func if isinstance(node, ast.Call) else None
            verb = getattr(called, "attr", getattr(called, "id", ""))
            if verb in COMPOSE and not name.startswith("tasks/lifecycle/"):
                callers.add((name, verb))
    assert callers == {("tasks/proposals.py", "compose_family")}
