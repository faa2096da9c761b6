"""No request makes the sandbox itself fail."""

import random

import pytest

from tasks.sandbox.api import ROUTES
from tests.sandbox import running_sandbox

ODD = [None, True, 0, -1, 10**30, 1.5, "", "x", "é\u0000", [], {}, [None], {"a": {"b": []}}, "x" * 3000]
# fmt: off
MEMBERS = [
    "appId", "secret", "refreshToken", "accessToken", "deviceId", "command", "expireTime", "callbackUrl",
    "status", "name", "description", "maxDevNum", "deviceIds", "devGroupId", "notifyType", "callbackurl",
    "nodeId", "deviceInfo", "location", "tags", "taskName", "timeout", "param", "maxRetransmit",
    "deviceName",
]
# fmt: on
QUERIES = [
    "",
    "?",
    "?pageNo=x",
    "?pageNo=-1&pageSize=0",
    "?pageSize=999999999999999999",
    "?appId=nobody",
    "?deviceId=%00",
    "?startTime=x&endTime=99999999T999999Z",
    "?status=%ff&select=%zz",
    "?gatewayId=x",
    "?pageNo=٣",
]


@pytest.mark.parametrize("strict", [False, True])
def test_no_request_makes_the_sandbox_fail(strict):
    dice = random.Random(7)
    with running_sandbox(strict=strict, calls_per_minute=10**6) as sandbox:
        known = sandbox.devices(1)[0]
        for route in ROUTES:
            for _ in range(12):
                body = {name: dice.choice([*ODD, known]) for name in dice.sample(MEMBERS, 8)}
                path = route.path
                while "{" in path:
                    before, _, rest = path.partition("{")
                    path = before + dice.choice([known, "x", "%00", "é", "a" * 300]) + rest.partition("}")[2]
                answer = sandbox.call(route.method, path + dice.choice(QUERIES), body)
                assert answer.status_code < 500, (route, body, answer.text)
                if answer.status_code != 204:
                    assert answer.headers["Content-Type"]
                if route.open or answer.status_code == 403:
                    sandbox.token = ""
        assert sandbox.ledger()["bugs"] == 0
