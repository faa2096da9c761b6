import pytest

from tests.sandbox import API, DETAILS, until

DEVICES = f"{API}/dm/v1.4.0/devices"
GROUPS = f"{API}/devgroup/v1.3.0/devGroups"
MEMBERS = f"{API}/dm/v1.2.0/devices/ids"
SUBSCRIPTIONS = f"{API}/sub/v1.2.0/subscriptions"


def listed(sandbox, query=""):
    return sandbox.call("GET", f"{DEVICES}?{query}").json()


@pytest.mark.parametrize("version", ["v1.1.0", "v1.3.0"])
def test_older_versions_of_the_path_answer_too(sandbox, version):
    assert sandbox.call("GET", f"{API}/dm/{version}/devices?pageNo=0").json()["totalCount"] == 100


def test_devices_are_listed_in_pages(sandbox):
    first = listed(sandbox)
    assert (first["totalCount"], first["pageNo"], first["pageSize"], len(first["devices"])) == (
        100,
        0,
        25,
        25,
    )
    assert {"deviceId", "nodeType", "deviceInfo", "devGroupIds"} <= first["devices"][0].keys()
    assert len(listed(sandbox, "pageNo=3&pageSize=30")["devices"]) == 10


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("deviceType=StreetLight", 30),
        ("location=Hall-A", 20),
        ("location=Hall-A&deviceType=StreetLight", 6),
        ("name=WaterMeter-000000", 1),
        ("nodeType=ENDPOINT", 0),
        ("deviceType=Toaster", 0),
    ],
)
def test_devices_are_filtered(sandbox, query, count):
    found = listed(sandbox, query + "&pageSize=250")
    assert (found["totalCount"], len(found["devices"])) == (count, count)


def test_filters_by_status_cover_the_fleet(sandbox):
    counts = [
        listed(sandbox, f"status={status}")["totalCount"]
        for status in ("ONLINE", "OFFLINE", "ABNORMAL", "INACTIVE")
    ]
    assert sum(counts) == 100
    assert listed(sandbox, "status=ASLEEP")["error_code"] == "100022"


def test_devices_are_sorted_by_their_registration_and_filtered_by_its_time(sandbox):
    newest, oldest = listed(sandbox, "pageSize=250"), listed(sandbox, "pageSize=250&sort=ASC")
    assert newest["devices"] == oldest["devices"][::-1]
    times = [device["createTime"] for device in oldest["devices"]]
    assert times == sorted(times)
    body = {"nodeId": "n-1", "deviceInfo": {"name": "the new one"}}
    made = sandbox.call("POST", f"{API}/reg/v1.1.0/deviceCredentials", body).json()
    assert listed(sandbox)["devices"][0]["deviceId"] == made["deviceId"]
    assert listed(sandbox, "sort=ASC&pageNo=4")["devices"][0]["deviceId"] == made["deviceId"]
    since = listed(sandbox, f"startTime={times[-10]}")
    assert since["totalCount"] == 11
    assert listed(sandbox, f"endTime={times[9]}")["totalCount"] == 10
    assert listed(sandbox, f"startTime={times[4]}&endTime={times[9]}&deviceType=Toaster")["totalCount"] == 0
    assert listed(sandbox, "sort=up")["error_code"] == "100022"
    assert listed(sandbox, "startTime=yesterday")["error_code"] == "100022"


def test_a_device_is_read_changed_and_deleted(sandbox):
    path = f"{DEVICES}/{sandbox.devices(1)[0]}"
    assert sandbox.call("PUT", path, {"location": "Moon", "name": None}).status_code == 204
    assert sandbox.call("GET", path).json()["deviceInfo"]["location"] == "Moon"
    assert listed(sandbox, "location=Moon")["totalCount"] == 1
    assert sandbox.call("PUT", path, {"location": 5}).json()["error_code"] == "100022"
    assert sandbox.call("DELETE", path).status_code == 204
    assert sandbox.call("GET", path).json()["error_code"] == "100403"
    assert listed(sandbox)["totalCount"] == 99


def test_a_registered_device_can_be_commanded(sandbox):
    body = {
        "nodeId": "n-1",
        "deviceInfo": {"deviceType": "WaterMeter", "manufacturerId": "Muster", "model": "MW100"},
    }
    made = sandbox.call("POST", f"{API}/reg/v1.1.0/deviceCredentials", body).json()
    assert made["verifyCode"] == "n-1"
    again = sandbox.call("POST", f"{API}/reg/v1.1.0/deviceCredentials", body)
    assert again.json()["error_code"] == "100426"
    task_id = sandbox.create(param={"deviceList": [made["deviceId"]]}).json()["taskID"]
    until(lambda: sandbox.task(task_id)["successCnt"] == 1)
    activation = sandbox.call("GET", f"{API}/reg/v1.1.0/devices/{made['deviceId']}").json()
    assert activation == {"deviceId": made["deviceId"], "activated": False, "name": None}
    path = f"{API}/reg/v1.1.0/deviceCredentials/{made['deviceId']}"
    assert sandbox.call("DELETE", path).status_code == 204
    assert listed(sandbox)["totalCount"] == 100


def test_groups_are_listed_one_to_a_page_unless_asked(sandbox):
    one = sandbox.call("GET", GROUPS).json()
    assert (one["totalCount"], one["pageSize"], len(one["list"])) == (6, 1, 1)
    every = sandbox.call("GET", f"{GROUPS}?pageSize=500").json()["list"]
    assert [group["curDevNum"] for group in every] == [50, 34, 20, 13, 5, 1]


def test_a_group_lives(sandbox):
    one, two, three = sandbox.devices(3)
    made = sandbox.call("POST", GROUPS, {"name": "mine", "maxDevNum": 2, "deviceIds": [one]}).json()
    assert (made["curDevNum"], made["deviceIds"]) == (1, [one])
    path, group = f"{GROUPS}/{made['id']}", {"devGroupId": made["id"]}
    add = f"{API}/dm/v1.1.0/devices/addDevGroupTagToDevices"
    remove = f"{API}/dm/v1.1.0/devices/deleteDevGroupTagFromDevices"
    assert sandbox.call("POST", add, group | {"deviceIds": [one, two]}).status_code == 200
    assert sandbox.call("POST", add, group | {"deviceIds": [three]}).json()["error_code"] == "100601"
    members = sandbox.call("GET", f"{MEMBERS}?devGroupId={made['id']}").json()
    assert (members["totalCount"], members["deviceIds"]) == (2, [one, two])
    assert made["id"] in sandbox.call("GET", f"{DEVICES}/{two}").json()["devGroupIds"]
    sandbox.call("POST", remove, group | {"deviceIds": [one]})
    assert sandbox.call("GET", path).json()["curDevNum"] == 1
    assert sandbox.call("PUT", path, {"name": "yours"}).json()["name"] == "yours"
    task_id = sandbox.create(param={"type": "GroupList", "groupList": ["yours"]}).json()["taskID"]
    assert sandbox.task(task_id)["totalCnt"] == 1
    assert sandbox.call("DELETE", path).status_code == 204
    assert sandbox.call("GET", path).json()["error_code"] == "101001"


def test_capabilities_show_the_profile(sandbox):
    device = sandbox.devices(1)[0]
    found = sandbox.call("GET", f"{API}/data/v1.1.0/deviceCapabilities?deviceId={device}").json()
    services = found["deviceCapabilities"][0]["serviceCapabilities"]
    assert [service["serviceId"] for service in services] == ["WaterMeter", "Valve", "Battery"]
    assert services[1]["commands"][0]["commandName"] == "SET_VALVE"


def test_subscriptions_are_kept_and_deleted(sandbox):
    body = {"notifyType": "deviceAdded", "callbackUrl": "http://127.0.0.1:9/x"}
    made = sandbox.call("POST", SUBSCRIPTIONS, body)
    assert made.status_code == 201
    path = f"{SUBSCRIPTIONS}/{made.json()['subscriptionId']}"
    assert sandbox.call("GET", path).json() == made.json()
    assert sandbox.call("GET", SUBSCRIPTIONS).json()["totalCount"] == 1
    assert sandbox.call("DELETE", path).status_code == 204
    assert sandbox.call("GET", SUBSCRIPTIONS).json()["totalCount"] == 0


def test_the_older_subscription_answers_without_a_body(sandbox):
    body = {"notifyType": "deviceAdded", "callbackurl": "http://127.0.0.1:9/x"}
    answer = sandbox.call("POST", f"{API}/sub/v1.1.0/subscribe", body)
    assert (answer.status_code, answer.content) == (201, b"")
    assert answer.headers["Content-Type"] == "text/html"
    illegal = sandbox.call("POST", f"{API}/sub/v1.1.0/subscribe", body | {"callbackurl": "ftp://x"})
    assert illegal.json()["error_code"] == "100222"


def test_sleeping_devices_stay_pending_until_they_wake():
    from tests.sandbox import running_sandbox

    with running_sandbox(mix=(1, 0, 0, 0, 0), pace={"wake": 1e6}, devices=1000) as sandbox:
        asleep = [d["deviceId"] for d in listed(sandbox, "status=OFFLINE")["devices"]][:3]
        task_id = sandbox.create(param={"deviceList": [*asleep, *sandbox.devices(3)]}).json()["taskID"]
        until(lambda: sandbox.task(task_id)["completeCnt"] >= 2)
        pending = sandbox.call("GET", f"{DETAILS}?taskId={task_id}&status=Pending").json()["taskDetails"]
        assert {one["param"]["deviceId"] for one in pending} >= set(asleep)
