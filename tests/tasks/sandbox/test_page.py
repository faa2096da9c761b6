import re

import pytest
import requests

from tasks.sandbox.errors import OF_THE_PAGE
from tasks.sandbox.switches import SWITCHES
from tests.sandbox import until


def page(sandbox, query=""):
    answer = requests.get(f"{sandbox.url}/{query}", timeout=5)
    assert answer.status_code == 200
    return answer.text


def throw(sandbox, value, **headers):
    url = f"{sandbox.url}/_sandbox/switch"
    return requests.post(url, data={"switch": value}, headers=headers, allow_redirects=False, timeout=5)


def test_the_page_shows_tasks_pushes_and_devices(sandbox, receiver):
    sandbox.create(taskName="night valves", param={"callbackUrl": receiver.url})
    until(lambda: len(receiver.bodies) == 9)
    text = page(sandbox)
    assert "night valves" in text
    assert "Complete" in text
    assert "SUCCESSFUL" in text
    assert sandbox.devices(1)[0] in text


def test_what_came_from_outside_is_escaped(sandbox):
    evil = "<script>alert(1)</script>'\""
    command = {"serviceId": evil, "method": evil, "paras": {}}
    sandbox.create(taskName=evil, param={"command": command})
    assert "<script>alert" not in page(sandbox)
    assert "<script>alert" not in page(sandbox, f"?device={evil}")


def test_the_page_forbids_foreign_scripts(sandbox):
    policy = requests.get(sandbox.url, timeout=5).headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"\sstyle=|\son\w+=", page(sandbox))


def test_a_device_is_found_by_its_id(sandbox):
    wanted = sandbox.devices(60)[-1]
    assert wanted not in page(sandbox)
    assert f"<code>{wanted}</code>" in page(sandbox, f"?device={wanted}")
    assert "no such device" in page(sandbox, "?device=nobody")


@pytest.mark.parametrize("number", range(len(SWITCHES)))
def test_every_switch_can_be_thrown(sandbox, number):
    assert throw(sandbox, number).status_code == 303
    assert page(sandbox)


def test_every_error_of_the_page_has_a_switch(sandbox):
    labels = {switch.label for switch in SWITCHES}
    assert {f"{error.status} {error.code}" for error in OF_THE_PAGE} <= labels
    number = next(i for i, switch in enumerate(SWITCHES) if switch.label == "200 105001")
    throw(sandbox, number)
    assert sandbox.create().json()["error_code"] == "105001"
    throw(sandbox, "clear")
    assert sandbox.state()["faults"] == []


@pytest.mark.parametrize("value", ["", "x", "9999"])
def test_a_switch_that_is_none_is_refused(sandbox, value):
    assert throw(sandbox, value).status_code == 400


def test_another_sites_form_throws_nothing(sandbox):
    assert throw(sandbox, 0, **{"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert sandbox.state()["faults"] == []


@pytest.mark.parametrize("name", ["style.css", "refresh.js"])
def test_style_and_script_are_served(sandbox, name):
    answer = requests.get(f"{sandbox.url}/_sandbox/{name}", timeout=5)
    assert answer.status_code == 200
    assert answer.text
