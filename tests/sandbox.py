"""A sandbox platform in a thread of the test's process, and a receiver for its pushes."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import requests
from aiohttp import web

from tasks.sandbox import Config, started
from tasks.sandbox.config import Pace
from tasks.sandbox.control import sample
from tasks.sandbox.options import changed
from tasks.sandbox.platform import PLATFORM, Platform

# A task of a few devices ends in about half a second.
QUICK = Pace(start=0.02, spread=0.2, rate=100_000, deliver=0.05, answer=0.05, timeout=0.1, wake=0.1)
API = "/iocm/app"
TASKS = f"{API}/batchtask/v1.1.0/tasks"
DETAILS = f"{API}/batchtask/v1.1.0/taskDetails"


@dataclass
class Sandbox:
    """A running sandbox: its address, its credentials, and what it knows."""

    url: str
    config: Config
    platform: Platform
    token: str = ""

    @property
    def app_id(self) -> str:
        return self.config.app_id

    @property
    def secret(self) -> str:
        return self.config.secret

    def ledger(self) -> dict[str, Any]:
        return self._control("GET", "ledger")

    def state(self) -> dict[str, Any]:
        return self._control("GET", "state")

    def faults(self, *rules: dict[str, Any]) -> None:
        """Add fault rules; without any, clear them all."""
        if rules:
            self._control("POST", "faults", list(rules))
        else:
            self._control("DELETE", "faults")

    def configure(self, **options: Any) -> None:
        self._control("POST", "config", options)

    def devices(self, count: int = 10) -> list[str]:
        return sample(self.platform, count)

    def login(self) -> str:
        data = {"appId": self.app_id, "secret": self.secret}
        answer = requests.post(f"{self.url}{API}/sec/v1.1.0/login", data=data, timeout=10)
        self.token = answer.json()["accessToken"]
        return self.token

    def call(self, method: str, path: str, body: Any = None, **more: Any) -> requests.Response:
        """A call with the application's headers, logging in first if need be."""
        headers = {"app_key": self.app_id, "Authorization": f"Bearer {self.token or self.login()}"}
        more["headers"] = headers | more.get("headers", {})
        if body is not None:
            more["json"] = body
        return requests.request(method, self.url + path, timeout=30, **more)

    def create(self, **changes: Any) -> requests.Response:
        """Create a task; keywords change the request of `request_body`."""
        return self.call("POST", TASKS, self.request_body(**changes))

    def request_body(self, **changes: Any) -> dict[str, Any]:
        param: dict[str, Any] = {
            "type": "DeviceList",
            "deviceList": self.devices(3),
            "command": {"serviceId": "WaterMeter", "method": "SET_REPORT_PERIOD", "paras": {"period": 60}},
        }
        body = {
            "appId": self.app_id,
            "timeout": 10,
            "taskName": f"task-{time.monotonic_ns()}",
            "taskType": "DeviceCmd",
            "param": param | changes.pop("param", {}),
        }
        return body | changes

    def task(self, task_id: str) -> dict[str, Any]:
        return self.call("GET", f"{TASKS}/{task_id}").json()

    def _control(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        answer = requests.request(method, f"{self.url}/_sandbox/{path}", json=body, timeout=10)
        assert answer.status_code == 200, answer.text
        return answer.json()


@contextlib.contextmanager
def running_sandbox(**options: Any) -> Iterator[Sandbox]:
    """A sandbox on a free port, quick and strict to nothing unless told; options are those of `Config`."""
    config = changed(Config(port=0, devices=100, pace=QUICK, calls_per_minute=10_000), options)
    with running(lambda: started(config)) as (runner, url):
        yield Sandbox(url, config, runner.app[PLATFORM])


@dataclass
class Receiver:
    """What arrived at a callbackUrl; `status` is what it answers."""

    url: str = ""
    status: int = 200
    bodies: list[Any] = field(default_factory=list)

    def codes(self, command_id: str = "") -> list[str]:
        return [body["result"]["resultCode"] for body in self.bodies if command_id in ("", body["commandId"])]


@contextlib.contextmanager
def running_receiver() -> Iterator[Receiver]:
    """A receiver of pushes on a free port."""
    receiver = Receiver()

    async def receive(request: web.Request) -> web.Response:
        receiver.bodies.append(await request.json())
        return web.Response(status=receiver.status)

    async def start() -> tuple[web.AppRunner, str]:
        app = web.Application()
        app.router.add_post("/{path:.*}", receive)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner, f"http://127.0.0.1:{runner.addresses[0][1]}"

    with running(start) as (_, url):
        receiver.url = f"{url}/callback"
        yield receiver


@contextlib.contextmanager
def running(start: Callable[[], Any]) -> Iterator[tuple[web.AppRunner, str]]:
    """Run an aiohttp server in a thread with an event loop of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        runner, url = asyncio.run_coroutine_threadsafe(start(), loop).result(30)
        try:
            yield runner, url
        finally:
            asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(30)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def until(condition: Callable[[], Any], seconds: float = 10.0) -> Any:
    """Wait for a truth and return it; fails the test if it does not come."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError("it did not happen in time")
