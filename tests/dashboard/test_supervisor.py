"""The supervisor, with programs of one line: prefixes, new starts, giving up, and one stop for all."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .site import REPOSITORY, environment, free_port

pytestmark = pytest.mark.processes

RUN = """
import sys
from dashboard import supervisor
from dashboard.supervisor import Program
supervisor.PAUSE_SECONDS = 0.05
supervisor.STOP_SECONDS = 3.0
programs = [Program(name, (sys.executable, "-u", "-c", code)) for name, code in zip(sys.argv[1::2], sys.argv[2::2])]
supervisor.run(programs, lambda: print("all are ready", flush=True))
print("stopped in order", flush=True)
"""
STAY = "import os, time; print('pid', os.getpid()); time.sleep(60)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + STAY


class Run:
    """A supervisor in a process of its own and what it has printed."""

    def __init__(self, log: Path, programs: tuple[str, ...]) -> None:
        self.log = log
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-c", RUN, *programs],
                cwd=REPOSITORY,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    @property
    def text(self) -> str:
        return self.log.read_text()

    def sees(self, pattern: str, times: int = 1, seconds: float = 10) -> list[str]:
        over = time.monotonic() + seconds
        while len(found := re.findall(pattern, self.text)) < times:
            assert time.monotonic() < over, self.text
            time.sleep(0.02)
        return found


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    runs: list[Run] = []

    def start(*programs: str) -> Run:
        runs.append(Run(tmp_path / f"log-{len(runs)}", programs))
        return runs[-1]

    yield start
    for run in runs:
        if run.process.poll() is None:
            run.process.kill()
        run.process.wait()


def alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def gone(pids: list[int], seconds: float = 5) -> bool:
    over = time.monotonic() + seconds
    while any(map(alive, pids)):
        if time.monotonic() > over:
            return False
        time.sleep(0.02)
    return True


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_stops_all_and_every_line_says_whose_it_is(
    supervise: Callable[..., Run], number: int
) -> None:
    run = supervise("web", STAY, "worker", STAY)
    pids = [int(pid) for pid in run.sees(r"pid (\d+)", 2)]
    run.sees("all are ready")
    assert re.search(r"^web    \| pid", run.text, re.MULTILINE)
    assert re.search(r"^worker \| pid", run.text, re.MULTILINE)
    run.process.send_signal(number)
    assert run.process.wait(5) == 0
    assert "stopped in order" in run.text
    assert "Traceback" not in run.text
    assert gone(pids)


def test_a_program_that_dies_is_started_again_and_the_others_are_left_alone(
    supervise: Callable[..., Run],
) -> None:
    run = supervise("web", STAY, "worker", STAY)
    run.sees(r"pid (\d+)", 2)
    web = int(re.findall(r"web    \| pid (\d+)", run.text)[0])
    os.kill(web, signal.SIGKILL)
    run.sees("web ended with code -9; starting it again.")
    assert len(run.sees(r"web    \| pid (\d+)", 2)) == 2
    assert len(re.findall(r"worker \| pid", run.text)) == 1


def test_a_program_that_cannot_live_stops_everything_with_an_error(supervise: Callable[..., Run]) -> None:
    run = supervise("web", STAY, "worker", "print('cannot'); raise SystemExit(3)")
    assert run.process.wait(10) == 1
    assert "worker does not stay up; stopping everything." in run.text
    assert run.text.count("worker | cannot") == 3
    assert gone([int(pid) for pid in re.findall(r"pid (\d+)", run.text)])


def test_a_program_that_ignores_the_request_is_killed(supervise: Callable[..., Run]) -> None:
    run = supervise("deaf", STUBBORN)
    (pid,) = run.sees(r"pid (\d+)")
    run.process.send_signal(signal.SIGINT)
    assert run.process.wait(8) == 0
    assert gone([int(pid)])


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends programs with their parent")
def test_programs_die_with_a_supervisor_that_is_killed(supervise: Callable[..., Run]) -> None:
    run = supervise("web", STAY, "worker", STAY)
    pids = [int(pid) for pid in run.sees(r"pid (\d+)", 2)]
    run.process.kill()
    assert gone(pids)


def up(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", "up", *options],
        cwd=REPOSITORY, env=environment(folder), capture_output=True, text=True, timeout=30,
    )  # fmt: skip


@pytest.mark.parametrize("option", ["--port", "--sandbox-port"])
def test_a_taken_port_is_told_with_the_option_that_chooses_another(option: str, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        other = "--sandbox-port" if option == "--port" else "--port"
        done = up(tmp_path, option, str(port), other, str(free_port()))
    assert done.returncode == 1
    assert f"Port {port} on 127.0.0.1 cannot be used: address already in use." in done.stderr
    assert f"Choose another one with {option}" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "muster.sqlite3").exists()


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--port", "0"], "--port must be a port from 1 to 65535, not 0."),
        (["--port", "70000"], "--port must be a port from 1 to 65535, not 70000."),
        (["--host", "no.such.host.invalid"], "cannot be used"),
    ],
)
def test_a_place_that_cannot_be_listened_on_is_told(options: list[str], problem: str, tmp_path: Path) -> None:
    done = up(tmp_path, "--no-sandbox", *options)
    assert done.returncode == 1
    assert problem in done.stderr
    assert "Traceback" not in done.stderr


def test_one_port_cannot_be_two(tmp_path: Path) -> None:
    port = str(free_port())
    done = up(tmp_path, "--port", port, "--sandbox-port", port)
    assert done.returncode == 1
    assert "cannot be both the site's and the sandbox's" in done.stderr
