"""The doors through which a task is composed: each takes the same request, and tells what came of it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from django.utils.http import urlencode

from tasks import lifecycle
from tasks.models import Application, Family, Profile, Task, Template
from tasks.states import State
from tests.factories import make_template

from .pages import fields, words

CONCERN = re.compile(r"(caution|note) \(([a-z-]+)\): (.*?)((?: #\d+)*)")


@dataclass(frozen=True)
class Asked:
    """A create request, the profile it is checked by, and whether answers are pushed."""

    request: dict[str, Any]
    profile: Profile | None = None
    callback: bool = True


@dataclass
class Answer:
    """What was said, the concerns among it as (severity, sentence), and the tasks that were composed."""

    said: str = ""
    concerns: set[tuple[str, str]] = field(default_factory=set)
    tasks: list[Task] = field(default_factory=list)


@dataclass
class World:
    """An operator with a browser and a shell. ``acknowledging`` ticks and adds what cautions ask for."""

    desk: Client
    application: Application
    operator: User
    folder: Path
    shell: pytest.CaptureFixture[str]
    acknowledging: bool = True

    def composed(self, asked: Asked, **columns: Any) -> Task:
        """A task as it was composed once, before there was a profile to check it by."""
        task = lifecycle.compose(self.application, self.operator, asked.request, callback=asked.callback)
        Task.objects.filter(pk=task.pk).update(profile=asked.profile, **({"state": State.REFUSED} | columns))
        return Task.objects.get(pk=task.pk)

    def reviewed(self, posted: dict[str, Any]) -> Answer:
        """The composer with these values, reviewed and sent."""
        page = self.desk.post("/compose/", posted | {"review": "1"})
        return self.confirmed(page["Location"]) if page.status_code == 302 else Answer(words(page))

    def confirmed(self, address: str) -> Answer:
        page = self.desk.get(address)
        return self.sent(page, address) if page.status_code == 200 else Answer(words(page))

    def sent(self, page: Any, address: str) -> Answer:
        """A page that sends, taken as it is."""
        newest = Task.objects.latest("pk").pk if Task.objects.exists() else 0
        given = {name: texts[-1] for name, texts in fields(page).posted.items()}
        acknowledged = page.context["cautions"] if self.acknowledging else ""
        given |= {"typed": page.context["word"], "acknowledged": acknowledged}
        done = self.desk.post(address, given)
        concerns = {(str(each.severity), each.sentence) for each in page.context["concerns"]}
        made = list(Task.objects.filter(pk__gt=newest).order_by("pk"))
        assert bool(made) == (done.status_code == 302), words(done)
        return Answer(words(page) + words(done), concerns, made)

    def run(self, *command: str) -> Answer:
        """A command; once more with what it asks to be acknowledged."""
        newest = Task.objects.latest("pk").pk if Task.objects.exists() else 0
        code = _left(*command)
        said = self.shell.readouterr().err
        if self.acknowledging and (wanted := re.search(r"--acknowledge [a-z,-]+", said)):
            assert code == 2
            code = _left(*command, *wanted[0].split(" "))
            said = self.shell.readouterr().err
        concerns = {(found[1], found[3]) for found in map(CONCERN.fullmatch, said.splitlines()) if found}
        made = list(Task.objects.filter(pk__gt=newest).order_by("pk"))
        assert code == (0 if made else 2)
        return Answer(said, concerns, made)


def _left(*command: str) -> int:
    try:
        call_command(*command)
    except SystemExit as left:
        return int(left.code or 0)
    return 0


def typed(world: World, asked: Asked) -> dict[str, Any]:
    """What an operator types into the composer to ask for this."""
    request = asked.request
    param, command = request["param"], request["param"]["command"]
    groups = "group_names" if param["type"] == "GroupList" else "group_ids"
    values = {
        "application": world.application.pk,
        "name": request["taskName"],
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
        "timeout": request["timeout"],
        "max_retransmit": param.get("maxRetransmit", ""),
        "group_tag": param.get("groupTag", ""),
        "tag_name": [tag["tagName"] for tag in request.get("tags", ())],
        "tag_value": [tag["tagValue"] for tag in request.get("tags", ())],
    }
    if asked.callback:
        values["callback"] = "on"
    if asked.profile:
        values |= {"profile": asked.profile.pk, "as_json": "on"}
    return values


def by_form(world: World, asked: Asked) -> Answer:
    return world.reviewed(typed(world, asked))


def by_template(world: World, asked: Asked) -> Answer:
    """A template that holds all but the name and the ids, which nobody may change but by typing them."""
    values = typed(world, asked)
    own = {"name": values.pop("name"), "device_ids": values.pop("device_ids")}
    kept = {name: each if isinstance(each, list) else [str(each)] for name, each in values.items()}
    template = make_template(f"Template {Template.objects.count()}")
    template.add_version(world.operator, values=kept, locked=["application"])
    begun = world.desk.get("/compose/", {"template": template.pk})
    answer = world.reviewed(fields(begun).posted | own)
    assert {task.template for task in answer.tasks} <= {template.newest}
    return answer


def by_link(world: World, asked: Asked) -> Answer:
    """An address that fills in the form."""
    values = typed(world, asked)
    values["callback"] = "on" if asked.callback else "off"
    begun = world.desk.get(f"/compose/?{urlencode(values, doseq=True)}")
    return world.reviewed(fields(begun).posted)


def by_copy(world: World, asked: Asked) -> Answer:
    task = world.composed(asked)
    begun = world.desk.get("/compose/", {"repeat": task.pk})
    return world.reviewed(fields(begun).posted)


def by_rerun(world: World, asked: Asked) -> Answer:
    task = world.composed(asked)
    drafted = world.desk.post(f"/tasks/{task.pk}/rerun/", {"outcome": "not-dispatched"})
    answer = world.confirmed(drafted["Location"])
    assert [list(made.rerun_of.all()) for made in answer.tasks] == [[task]] * len(answer.tasks)
    return answer


def by_family_rerun(world: World, asked: Asked) -> Answer:
    """Of two tasks with a device of the list each."""
    family = Family.objects.create(name=asked.request["taskName"], author=world.operator)
    parents = []
    for device in dict.fromkeys(asked.request["param"]["deviceList"]):
        part = asked.request | {"param": asked.request["param"] | {"deviceList": [device]}}
        parents.append(world.composed(Asked(part, asked.profile, asked.callback), family=family))
    page = world.desk.post(f"/families/{family.pk}/rerun/", {"outcome": "not-dispatched"})
    if page.status_code == 422:
        return Answer(words(page))
    answer = world.sent(page, f"/families/{family.pk}/rerun/review/")
    assert [list(made.rerun_of.order_by("pk")) for made in answer.tasks] == [parents] * len(answer.tasks)
    return answer


def by_submit(world: World, asked: Asked) -> Answer:
    file = world.folder / "request.json"
    file.write_text(json.dumps(asked.request, ensure_ascii=False))
    options = ["--application", world.application.name, "--user", "operator"]
    if asked.profile:
        kind = asked.profile
        options += ["--profile", f"{kind.device_type}/{kind.manufacturer_id}/{kind.model}"]
    return world.run("submit", str(file), *options, *([] if asked.callback else ["--no-callback"]))


def by_rerun_command(world: World, asked: Asked) -> Answer:
    task = world.composed(asked)
    return world.run("rerun", str(task.pk), "--outcomes", "not-dispatched", "--user", "operator")


Door = Callable[[World, Asked], Answer]
FIRST: tuple[Door, ...] = (by_form, by_template, by_link, by_submit)
"""Doors for what nobody has composed yet."""

AGAIN: tuple[Door, ...] = (by_copy,)
RERUNS: tuple[Door, ...] = (by_rerun, by_family_rerun, by_rerun_command)
"""Doors for what was composed before; reruns are for lists of devices."""


def doors_for(request: dict[str, Any]) -> tuple[Door, ...]:
    is_list = request["param"]["type"] == "DeviceList"
    return (*FIRST, *AGAIN, *(RERUNS if is_list else ()))
