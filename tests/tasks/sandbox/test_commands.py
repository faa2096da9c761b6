import pytest

from tests.sandbox import API, Sandbox, running_sandbox, until

COMMANDS = f"{API}/cmd/v1.4.0/deviceCommands"
CANCELS = f"{API}/cmd/v1.4.0/deviceCommandCancelTasks"
VALVE = {"serviceId": "Valve", "method": "SET_VALVE", "paras": {"value": "OPEN"}}


def order(sandbox: Sandbox, **changes):
    body = {"deviceId": sandbox.devices(1)[0], "command": VALVE} | changes
    return sandbox.call("POST", COMMANDS, body)


def commands(sandbox: Sandbox, query: str = "") -> dict:
    return sandbox.call("GET", f"{COMMANDS}?{query}").json()


def test_a_command_is_created_pushed_and_shown(sandbox, receiver):
    answer = order(sandbox, callbackUrl=receiver.url)
    assert answer.status_code == 201
    made = answer.json()
    assert (made["status"], made["expireTime"], made["callbackUrl"]) == ("PENDING", 172_800, receiver.url)
    until(lambda: receiver.codes() == ["SENT", "DELIVERED", "SUCCESSFUL"])
    found = commands(sandbox, f"deviceId={made['deviceId']}")
    assert found["pagination"] == {"pageNo": 0, "pageSize": 1000, "totalSize": 1}
    assert found["data"][0]["commandId"] == made["commandId"]
    assert found["data"][0]["result"]["resultDetail"] == {"result": 0, "valve_state": "OPEN"}


def test_a_tasks_commands_show_their_callback_url_unless_switched_off(sandbox):
    url = "http://127.0.0.1:9/callback/token"
    sandbox.create(param={"callbackUrl": url})
    found = commands(sandbox, f"deviceid={sandbox.devices(1)[0]}")["data"]
    assert [one["callbackUrl"] for one in found] == [url]
    sandbox.configure(batch_in_commands=False)
    assert commands(sandbox)["pagination"]["totalSize"] == 0


def test_commands_are_listed_newest_first_in_pages_and_by_time(sandbox):
    sandbox.create()
    last = order(sandbox).json()
    pages = [commands(sandbox, f"pageSize=3&pageNo={page}") for page in range(3)]
    assert [len(page["data"]) for page in pages] == [3, 1, 0]
    assert pages[0]["data"][0]["commandId"] == last["commandId"]
    assert len({one["commandId"] for page in pages for one in page["data"]}) == 4
    assert commands(sandbox, f"startTime={last['creationTime']}")["pagination"]["totalSize"] >= 1
    assert commands(sandbox, "endTime=20200101T000000Z")["pagination"]["totalSize"] == 0
    assert commands(sandbox, "endTime=now")["error_code"] == "100022"


def test_a_pending_command_is_cancelled_once():
    with running_sandbox(pace={"speed": 0}) as sandbox:
        one = order(sandbox).json()["commandId"]
        answer = sandbox.call("PUT", f"{COMMANDS}/{one}", {"status": "CANCELED"})
        assert (answer.status_code, answer.json()["status"]) == (200, "CANCELED")
        again = sandbox.call("PUT", f"{COMMANDS}/{one}", {"status": "CANCELED"})
        assert again.json()["error_code"] == "100022"


def test_a_tasks_commands_are_cancelled_by_device():
    with running_sandbox(pace={"speed": 0}) as sandbox:
        task_id = sandbox.create().json()["taskID"]
        device = sandbox.devices(1)[0]
        answer = sandbox.call("POST", CANCELS, {"deviceId": device})
        assert answer.status_code == 201
        assert (answer.json()["status"], answer.json()["totalCount"]) == ("RUNNING", 1)
        assert answer.json()["deviceCommands"][0]["status"] == "PENDING"
        assert sandbox.task(task_id)["failCnt"] == 1
        nothing = sandbox.call("POST", CANCELS, {"deviceId": device}).json()
        assert nothing["totalCount"] == 0
        found = sandbox.call("GET", f"{CANCELS}?deviceId={device}").json()
        assert [one["status"] for one in found["data"]] == ["FAILED", "SUCCESS"]


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"deviceId": "nobody"}, 200, "100418"),
        ({"deviceId": 5}, 400, "100022"),
        ({"expireTime": -1}, 400, "100022"),
        ({"expireTime": "x"}, 400, "100022"),
        ({"command": {}}, 400, "50400"),
    ],
)
def test_a_wrong_command_is_refused(sandbox, changes, status, code):
    answer = order(sandbox, **changes)
    assert (answer.status_code, answer.json()["error_code"]) == (status, code)


def test_a_device_holds_twenty_pending_commands():
    with running_sandbox(pace={"speed": 0}) as sandbox:
        assert {order(sandbox).status_code for _ in range(20)} == {201}
        assert order(sandbox).json()["error_code"] == "100223"
