import time

import pytest

from tests.sandbox import running_receiver, running_sandbox, until

QUICK_RETRY = {"retry": 0.1, "retest": 0.2, "answer": 0.5, "failures": 3}


def test_every_status_change_of_every_device_is_pushed(sandbox, receiver):
    sandbox.create(param={"callbackUrl": receiver.url})
    until(lambda: len(receiver.bodies) == 9)
    assert list(receiver.bodies[0]) == ["deviceId", "commandId", "result"]
    for command in {body["commandId"] for body in receiver.bodies}:
        assert receiver.codes(command) == ["SENT", "DELIVERED", "SUCCESSFUL"]
    assert receiver.bodies[0]["result"] == {"resultCode": "SENT", "resultDetail": None}
    last = next(body for body in receiver.bodies if body["result"]["resultCode"] == "SUCCESSFUL")
    assert last["result"]["resultDetail"] == {"result": 0, "period": 60}


def test_without_a_callback_url_nothing_is_pushed(sandbox):
    sandbox.create()
    until(lambda: sandbox.state()["unfinished"] == 0)
    assert sandbox.state()["pushes"].get("offered", 0) == 0


SHAPES = [
    ("modern", {"resultCode": "SENT", "resultDetail": None}),
    ("short", {"resultCode": "SENT"}),
    ("empty", {"resultCode": "SENT", "resultDetail": ""}),
    ("older", {"status": "SENT", "result": {}}),
]


@pytest.mark.parametrize(("shape", "result"), SHAPES)
def test_bodies_come_in_the_shapes_seen_in_the_wild(receiver, shape, result):
    with running_sandbox(mix=(1, 0, 0, 0, 0), push_body=shape) as sandbox:
        sandbox.create(param={"callbackUrl": receiver.url, "deviceList": sandbox.devices(1)})
        until(lambda: receiver.bodies)
        assert receiver.bodies[0]["result"] == result


def test_older_bodies_use_older_words(receiver):
    with running_sandbox(mix=(1, 0, 0, 0, 0), push_body="older") as sandbox:
        sandbox.create(param={"callbackUrl": receiver.url, "deviceList": sandbox.devices(1)})
        until(lambda: len(receiver.bodies) == 3)
        assert receiver.bodies[-1]["result"]["status"] == "SUCCESS"


@pytest.mark.parametrize("status", [500, 204, 404, 302])
def test_only_a_200_counts_and_all_else_is_tried_again(receiver, status):
    receiver.status = status
    with running_sandbox(mix=(1, 0, 0, 0, 0), push=QUICK_RETRY) as sandbox:
        sandbox.create(param={"callbackUrl": receiver.url})
        until(lambda: sandbox.state()["pushes"].get("failed", 0) >= 3)
        receiver.status = 200
        until(lambda: sandbox.state()["pushes"].get("accepted", 0) == 9)
        assert sandbox.state()["pushes"]["waiting"] == 0


def test_an_address_that_fails_in_a_row_is_left_alone_until_the_retest(receiver):
    receiver.status = 503
    with running_sandbox(mix=(1, 0, 0, 0, 0), push=QUICK_RETRY | {"retest": 1.0, "workers": 1}) as sandbox:
        sandbox.create(param={"callbackUrl": receiver.url})
        until(lambda: len(receiver.bodies) == 3)
        time.sleep(0.6)
        assert len(receiver.bodies) == 3
        until(lambda: len(receiver.bodies) == 4)
        receiver.status = 200
        until(lambda: sandbox.state()["pushes"].get("accepted", 0) == 9)


def test_a_push_nobody_takes_is_dropped_in_the_end():
    settings = {"retry": 0.05, "keep": 0.3, "failures": 1000}
    with running_sandbox(mix=(1, 0, 0, 0, 0), push=settings) as sandbox:
        sandbox.create(param={"callbackUrl": "http://127.0.0.1:9/closed"})
        until(lambda: sandbox.state()["pushes"].get("dropped", 0) == 9)
        assert sandbox.state()["pushes"]["waiting"] == 0


def test_a_url_that_is_none_harms_nobody_else(sandbox, receiver):
    sandbox.create(param={"callbackUrl": "http://exa mple:80/"})
    sandbox.create(param={"callbackUrl": receiver.url})
    until(lambda: len(receiver.bodies) == 9)


@pytest.mark.parametrize(("action", "count"), [("lose", 0), ("duplicate", 18), ("delay", 9), ("reorder", 9)])
def test_pushes_are_spoilt_as_the_script_says(sandbox, receiver, action, count):
    sandbox.faults({"route": "push", "action": action, "seconds": 0.3})
    sandbox.create(param={"callbackUrl": receiver.url})
    until(lambda: sandbox.state()["unfinished"] == 0)
    until(lambda: sandbox.state()["pushes"]["waiting"] == 0)
    time.sleep(0.1)
    assert len(receiver.bodies) == count


def test_a_slow_receiver_does_not_hold_up_another():
    with running_receiver() as good, running_sandbox(mix=(1, 0, 0, 0, 0), push={"failures": 1}) as sandbox:
        sandbox.create(param={"callbackUrl": "http://10.255.255.1:80/nowhere"})
        sandbox.create(param={"callbackUrl": good.url})
        until(lambda: len(good.bodies) == 9)
