"""The main job on real processes: ``manage.py up``, a task for a thousand devices, its end in the history."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import requests

ROOT = Path(__file__).parents[1]
DEVICES = 1000


@pytest.mark.processes
def test_a_thousand_devices_are_commanded_and_a_second_start_keeps_the_data(tmp_path):
    web, sandbox = free_ports(2)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MUSTER_")}
    environment |= {
        "DJANGO_SETTINGS_MODULE": "dashboard.settings",
        "DATABASE_URL": "",
        "CELERY_BROKER_URL": "",
        "MUSTER_DATA_DIR": str(tmp_path / "data"),
        "MUSTER_SANDBOX_PACE_SPREAD": "1",
    }
    options = ["--port", str(web), "--sandbox-port", str(sandbox)]

    def manage(*args, stdin=""):
        return subprocess.run(
            [sys.executable, ROOT / "manage.py", *args],
            input=stdin, capture_output=True, text=True, env=environment, timeout=90, check=False,
        )  # fmt: skip

    with running_up(options, environment, tmp_path / "first.log") as log:
        assert f"http://127.0.0.1:{web}" in log
        assert "Password:" in log
        found = requests.get(
            f"http://127.0.0.1:{sandbox}/_sandbox/devices?count={DEVICES}", timeout=10
        ).json()
        asked = {
            "taskName": "report every hour",
            "taskType": "DeviceCmd",
            "timeout": 10,
            "param": {
                "type": "DeviceList",
                "deviceList": found["deviceIds"],
                "command": {
                    "serviceId": "WaterMeter",
                    "method": "SET_REPORT_PERIOD",
                    "paras": {"period": 60},
                },
            },
        }
        done = manage(
            "submit",
            "-",
            "--application",
            "Sandbox",
            "--wait",
            "60",
            "--json",
            "--acknowledge",
            "not-understood",
            stdin=json.dumps(asked),
        )
        assert done.returncode == 0, done.stdout + done.stderr
        told = json.loads(done.stdout)
        assert told["state"] == "COMPLETE"
        counts = told["counts"]
        assert counts.pop("expected") == sum(counts.values()) == len(found["deviceIds"]) == DEVICES
        (create,) = requests.get(f"http://127.0.0.1:{sandbox}/_sandbox/ledger", timeout=10).json()["creates"]
        assert create["taskID"] == told["taskID"]

    with running_up(options, environment, tmp_path / "second.log") as log:
        assert "Password:" not in log
        history = json.loads(manage("history", "--json").stdout)
        assert [(row["id"], row["state"], row["counts"]) for row in history] == [
            (told["id"], "COMPLETE", {"expected": DEVICES, **counts})
        ]


@contextmanager
def running_up(options, environment, path):
    """``manage.py up`` until it says that it is ready; leaves by Ctrl-C, which must be clean."""
    with ExitStack() as stack:
        log = stack.enter_context(path.open("w"))
        process = stack.enter_context(
            subprocess.Popen(
                [sys.executable, ROOT / "manage.py", "up", *options],
                stdout=log, stderr=subprocess.STDOUT, env=environment, start_new_session=True,
            )
        )  # fmt: skip
        try:
            over = time.monotonic() + 45
            while "Ctrl-C stops everything" not in path.read_text():
                assert process.poll() is None, path.read_text()
                assert time.monotonic() < over, path.read_text()
                time.sleep(0.05)
            yield path.read_text()
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 0, path.read_text()
            assert "Traceback" not in path.read_text()
            assert "superuser privileges" not in path.read_text()
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def free_ports(count):
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [one.getsockname()[1] for one in sockets]
