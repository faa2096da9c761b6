"""What an operator sees before anything is sent: reach, warnings, differences, limits, and a command for a shell."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from tasks.models import Application, Danger, DeviceList, Draft, Profile, Task
from tests.factories import DeviceFactory

from .pages import text_of, words

pytestmark = pytest.mark.django_db

Typed = Callable[..., dict[str, Any]]


@pytest.fixture(autouse=True)
def nothing_is_known_from_before() -> None:
    cache.clear()


@pytest.fixture
def fleet(site_app: Application, meter: Profile) -> Application:
    """Three meters, one of them offline, and a lamp that has no profile."""
    Application.objects.update(catalogue_at=timezone.now())
    for number, status in enumerate(["ONLINE", "ONLINE", "OFFLINE"], 1):
        DeviceFactory(
            application=site_app, device_id=f"device-{number}", device_type="Meter", manufacturer_id="m-1",
            model="X1", status=status,
        )  # fmt: skip
    DeviceFactory(application=site_app, device_id="lamp-1", device_type="Lamp", status="ONLINE")
    site_app.refresh_from_db()
    return site_app


def draft_of(desk: Client, values: dict[str, Any]) -> str:
    answer = desk.post("/compose/", values | {"review": "1"})
    assert answer.status_code == 302, words(answer)
    return answer["Location"]


# Reach


def test_the_reach_stands_on_the_composer_and_on_the_review(desk: Client, typed: Typed, fleet: Any) -> None:
    values = typed(device_ids="device-1\ndevice-3\nnobody", timeout="60")
    composer = desk.post("/compose/", values)
    review = desk.get(draft_of(desk, values))
    for page in (composer, review):
        said = words(page)
        assert "3 devices as listed 1 Offline 50 % 1 Online 50 % 1 not in the catalogue" in said
        assert "60 minutes (1 hour) from now" in said
        assert "Meter · m-1 · X1 2 yes" in said
        assert re.search(r"The catalogue was read <time [^>]*>[^<]* UTC</time>\.", text_of(page))
        assert "1 device is not in the catalogue" in said


def test_as_long_as_no_target_is_chosen_nothing_is_said_of_its_reach(desk: Client, typed: Typed) -> None:
    for values in (typed(device_ids=""), typed(target_type="DeviceType", device_type="Meter")):
        page = desk.post("/compose/", values)
        assert (page.context["reach"], page.context["concerns"]) == (None, [])


def test_the_live_preview_has_it_all_as_a_fragment(desk: Client, typed: Typed, fleet: Any) -> None:
    answer = desk.post("/compose/preview/", typed(target_type="Broadcast"), HTTP_HX_REQUEST="true")
    assert text_of(answer).lstrip().startswith('<aside id="preview"')
    assert "4 devices by the catalogue 3 Online 75 % 1 Offline 25 % The catalogue was read" in words(answer)
    assert "Caution: Every device of Waterworks gets the command" in words(answer)


# Warnings


def test_a_caution_has_to_be_acknowledged_and_nothing_is_sent_before(
    desk: Client, typed: Typed, meter: Profile
) -> None:
    Danger.objects.create(profile=meter, service_id="Valve", method="CLOSE")
    address = draft_of(desk, typed())
    page = desk.get(address)
    assert page.context["cautions"] == "dangerous"
    assert 'name="acknowledged"' in text_of(page)
    refused = desk.post(address, {})
    assert refused.status_code == 422
    assert "Tick this to go on. Nothing was sent." in words(refused)
    assert not Task.objects.exists()
    assert desk.post(address, {"acknowledged": "dangerous"})["Location"] == f"/tasks/{Task.objects.get().pk}/"


def test_a_note_asks_for_nothing(desk: Client, typed: Typed) -> None:
    address = draft_of(desk, typed(callback=None))
    page = desk.get(address)
    assert "Note: No answer is pushed" in words(page)
    assert 'name="acknowledged"' not in text_of(page)
    assert desk.post(address).status_code == 302


def test_who_has_acknowledged_one_caution_has_not_acknowledged_the_next(
    desk: Client, typed: Typed, make_task: Callable[..., Task]
) -> None:
    """A colleague sends the same command to the same devices while the review is being read."""
    address = draft_of(desk, typed())
    assert desk.get(address).context["cautions"] == ""
    first = make_task()
    overtaken = desk.post(address)
    assert overtaken.status_code == 422
    assert f"already on its way to 2 of these devices: they would get it twice. #{first.pk}" in words(
        overtaken
    )
    seen = overtaken.context["cautions"]
    make_task(name="another")
    assert desk.post(address, {"acknowledged": seen}).status_code == 422
    last = desk.get(address).context["cautions"]
    assert desk.post(address, {"acknowledged": last}).status_code == 302


# Differences


def test_a_copy_shows_what_is_different_member_by_member(
    desk: Client, typed: Typed, make_task: Callable[..., Task]
) -> None:
    task = make_task(tags=[("site", "north")], param={"groupTag": "east"})
    values = typed(
        copied_from=task.pk, timeout="90", device_ids="device-2\ndevice-3", paras='{"speed": 4, "slow": true}',
        tag_name=["shift"], tag_value=["night"], callback=None, name="Close them again",
    )  # fmt: skip
    page = desk.get(draft_of(desk, values))
    assert page.context["origin"] == task
    found = {change.path: (change.before, change.after) for change in page.context["changes"]}
    assert found == {
        "timeout": ("60", "90"),
        "taskName": ('"Close the valves"', '"Close them again"'),
        "param.command.paras.speed": ("3", "4"),
        "param.command.paras.slow": ("", "true"),
        "tags.shift": ("", "night"),
        "tags.site": ("north", ""),
        "param.callbackUrl": ("a secret address of its own", ""),
        "param.groupTag": ('"east"', ""),
        "param.deviceList": ("2 of them", "2 of them: −device-1, +device-3"),
    }
    assert task.callback_token not in text_of(page)


def test_a_copy_that_was_not_changed_differs_in_its_name_alone(
    desk: Client, make_task: Callable[..., Task]
) -> None:
    task = make_task()
    page = desk.get("/compose/", {"repeat": task.pk})
    assert [change.path for change in page.context["changes"]] == ["taskName"]


def test_many_devices_and_groups_are_told_by_their_number(
    desk: Client, typed: Typed, make_task: Callable[..., Task]
) -> None:
    task = make_task({"deviceList": [f"d-{number}" for number in range(50)]})
    ids = "\n".join(f"d-{number}" for number in range(10, 70))
    page = desk.get(draft_of(desk, typed(copied_from=task.pk, device_ids=ids)))
    found = {change.path: (change.before, change.after) for change in page.context["changes"]}
    assert found["param.deviceList"] == ("50 of them", "60 of them: −10, +20")
    grouped = make_task({"type": "GroupList", "groupList": ["night", "day"]})
    values = typed(copied_from=grouped.pk, target_type="GroupList", group_names="night\ndusk")
    page = desk.get(draft_of(desk, values))
    found = {change.path: (change.before, change.after) for change in page.context["changes"]}
    assert found["param.groupList"] == ("2 of them", "2 of them: −day, +dusk")


def test_a_rerun_is_compared_with_the_task_it_comes_from(
    desk: Client, typed: Typed, make_task: Callable[..., Task], operator: Any
) -> None:
    task = make_task(state="COMPLETE")
    kept = DeviceList.objects.create(author=operator, count=1, text="device-2", rerun_of=task)
    page = desk.get(draft_of(desk, typed(device_ids=None, device_list=kept.pk, name="again")))
    assert page.context["origin"] == task
    found = {change.path: change.after for change in page.context["changes"]}
    assert found == {"taskName": '"again"', "param.deviceList": "1 of them: −device-1"}


# Limits


def test_the_limits_are_told_as_far_as_this_task_uses_them(
    desk: Client, typed: Typed, make_task: Callable[..., Task]
) -> None:
    make_task(service_id="Other")
    make_task(state="RUNNING", service_id="Other")
    page = desk.get(draft_of(desk, typed(name="n" * 256)))
    limits = {limit.words: (limit.used, limit.remark) for limit in page.context["limits"]}
    assert limits["Name"] == ("256 of 256 characters", "")
    assert limits["Devices"] == ("2 of 1,000,000", "")
    assert limits["Unfinished tasks"] == ("1 of 10", "1 waiting before this one")
    assert limits["Calls"] == ("0 of 100 in the last minute", "")


@pytest.mark.parametrize("count", [2, 500])
def test_the_size_that_is_told_is_the_size_that_is_sent(count: int, desk: Client, typed: Typed) -> None:
    ids = "\n".join(f'"Zähler-{number}' for number in range(count))
    address = draft_of(desk, typed(device_ids=ids))
    page = desk.get(address)
    told = next(limit.used for limit in page.context["limits"] if limit.words == "Request")
    desk.post(address, {"typed": page.context["word"]})
    sent = len(Task.objects.get().request_body.encode())
    assert told == (f"{sent}\xa0bytes" if sent < 1024 else f"{sent / 1024:.1f}\xa0KB")


# A command for a shell

SHELL = """
curl() {{ printf '%s\\n' "$@" > arguments; case "$*" in *@-*) cat > body;; esac; }}
MUSTER_TOKEN=t0ken MUSTER_CALLBACK_URL=https://desk.example/callbacks/s3cret/
{command}
"""


def run(command: str, folder: Path) -> tuple[list[str], dict[str, Any]]:
    """What curl would be given, and the body it would send."""
    subprocess.run(["bash", "-c", SHELL.format(command=command)], check=True, cwd=folder)
    arguments = (folder / "arguments").read_text().splitlines()
    body = (folder / "body").read_text() if "@-" in arguments else arguments[-1]
    return arguments, json.loads(body)


def test_the_command_for_a_shell_sends_what_would_be_sent(
    desk: Client, typed: Typed, site_app: Application, tmp_path: Path
) -> None:
    Application.objects.update(ca="/secret/ca.pem")
    values = typed(paras='{"text": "it\'s $HOME `id` \\\\ \\"quoted\\" 阀门"}')
    page = desk.get(draft_of(desk, values))
    arguments, body = run(page.context["curl"], tmp_path)
    assert arguments[:3] == ["--request", "POST", "http://127.0.0.1:9/iocm/app/batchtask/v1.1.0/tasks"]
    assert {"app_key: app-1", "Authorization: Bearer t0ken", "--cacert"} < set(arguments)
    assert "/secret/ca.pem" not in text_of(page)
    assert body["param"]["callbackUrl"] == "https://desk.example/callbacks/s3cret/"
    desk.post(draft_of(desk, values | {"name": "the same"}))
    sent = json.loads(Task.objects.get().request_body)
    sent["param"]["callbackUrl"] = body["param"]["callbackUrl"]
    assert body == sent | {"taskName": body["taskName"]}


def test_of_a_long_list_the_command_reads_a_file_that_can_be_downloaded(
    desk: Client, typed: Typed, tmp_path: Path
) -> None:
    address = draft_of(desk, typed(device_ids="\n".join(f"d-{number}" for number in range(101))))
    page = desk.get(address)
    assert f"{address}request.json" in text_of(page)
    assert "d-50" not in page.context["curl"]
    file = desk.get(f"{address}request.json")
    assert file["Content-Disposition"] == 'attachment; filename="request.json"'
    (tmp_path / "request.json").write_bytes(file.content)
    _, body = run(page.context["curl"], tmp_path)
    assert len(body["param"]["deviceList"]) == 101
    assert body["param"]["callbackUrl"] == "https://desk.example/callbacks/s3cret/"


def test_an_incomplete_request_makes_no_command(desk: Client, typed: Typed) -> None:
    page = desk.post("/compose/", typed(timeout="soon"))
    assert page.context["curl"] == ""
    assert "It stands here as soon as the request is complete." in words(page)


def test_the_file_of_somebody_elses_draft_is_not_found(
    desk: Client, browser_of: Callable[..., Client], typed: Typed
) -> None:
    address = draft_of(desk, typed())
    assert browser_of("admin").get(f"{address}request.json").status_code == 404
    Draft.objects.update(values={})
    assert desk.get(f"{address}request.json").status_code == 404


def test_what_became_impossible_since_the_review_is_told_and_not_sent(
    desk: Client, typed: Typed, settings: Any
) -> None:
    """Of a long list the form looks at the first ids alone; sending looks at all of them."""
    address = draft_of(desk, typed(device_ids="\n".join(f"d-{number}" for number in range(10))))
    settings.MOST_DEVICES = 6
    refused = desk.post(address)
    assert refused.status_code == 422
    assert "has 10 devices; at most 6" in words(refused)
    assert not Task.objects.exists()
