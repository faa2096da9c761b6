import io
import zipfile

import pytest
import requests

from tests.sandbox import running_sandbox, until


def configure(sandbox, options):
    return requests.post(f"{sandbox.url}/_sandbox/config", json=options, timeout=5)


def test_options_change_at_run_time(sandbox):
    shown = configure(
        sandbox, {"mix": {"failed": 1, "successful": 0}, "pace": {"speed": 2}, "push_retry": 1}
    ).json()
    assert shown["mix"] == [0, 1, 0, 0, 0]
    assert shown["pace"]["speed"] == 2
    assert shown["delivery"]["retry"] == 1
    task_id = sandbox.create().json()["taskID"]
    until(lambda: sandbox.task(task_id)["failCnt"] == 3)


@pytest.mark.parametrize(
    "options",
    [
        5,
        [],
        {"colour": "red"},
        {"devices": 5},
        {"mix": {"good": 1}},
        {"mix": 5},
        {"mix": [1, 2]},
        {"mix": [0, 0, 0, 0, 0]},
        {"pace": {"speed": "fast"}},
        {"pace": {"speed": -1}},
        {"pace": {"speed": None}},
        {"strict": "perhaps"},
        {"unique_names": "never"},
        {"unknown_app_status": 404},
    ],
)
def test_an_option_that_is_none_is_refused_with_a_sentence(sandbox, options):
    answer = configure(sandbox, options)
    assert answer.status_code == 400
    assert answer.json()["error"]


def test_the_state_names_groups_counts_and_faults_but_no_secret(sandbox):
    sandbox.create()
    state = sandbox.state()
    assert state["devices"] == 100
    assert set(state["groups"]) >= {"pilot", "maintenance"}
    assert state["tasks"][0]["totalCnt"] == 3
    assert state["counters"]["logins"] == 1
    assert sandbox.secret not in str(state)


def test_profiles_come_as_packages_of_their_own(sandbox):
    answer = requests.get(f"{sandbox.url}/_sandbox/profiles", timeout=5)
    outer = zipfile.ZipFile(io.BytesIO(answer.content))
    assert len(outer.namelist()) == 4
    inner = zipfile.ZipFile(io.BytesIO(outer.read("WaterMeter_Muster_MW100.zip")))
    assert "profile/devicetype-capability.json" in inner.namelist()
    single = requests.get(f"{sandbox.url}/_sandbox/profiles/WaterMeter_Muster_MW100.zip", timeout=5)
    assert single.content[:2] == b"PK"
    assert requests.get(f"{sandbox.url}/_sandbox/profiles/none.zip", timeout=5).status_code == 404


def test_a_sample_of_device_ids_is_given(sandbox):
    found = requests.get(f"{sandbox.url}/_sandbox/devices?count=7", timeout=5).json()
    assert found["deviceIds"] == sandbox.devices(7)


def test_the_same_seed_gives_the_same_outcomes():
    def outcome():
        with running_sandbox(mix=(0.4, 0.3, 0.3, 0, 0), seed=9) as sandbox:
            task_id = sandbox.create(param={"type": "DeviceType", "deviceType": "WaterMeter"}).json()[
                "taskID"
            ]
            task = until(lambda: (task := sandbox.task(task_id))["status"] == "Complete" and task)
            return task["successCnt"], task["failCnt"], task["timeoutCnt"]

    first = outcome()
    assert first == outcome()
    assert min(first) > 3
