"""Run several programs as one: prefixed lines, a new start for what dies, one clean stop for all."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import FrameType

COLOURS = ("36", "32", "33", "35", "34", "31")
STOP_SECONDS = 70.0  # a request that is being sent takes up to a minute
PATIENCE_SECONDS = 5.0
PAUSE_SECONDS = 1.0
SHORT_LIFE_SECONDS = 10.0
SHORT_LIVES = 3
"""A program that dies young so often in a row will not live; everything is stopped."""


@dataclass
class Program:
    """One program; ``command`` is its argument list."""

    name: str
    command: tuple[str, ...]
    process: subprocess.Popen[str] | None = field(default=None, repr=False)
    started: float = 0.0
    short_lives: int = 0


class Stopped(Exception):
    """A signal asked to stop."""


def run(programs: list[Program], ready: Callable[[], None]) -> None:
    """Start all, call ``ready`` once, and keep all running until SIGINT or SIGTERM. Exits with 1 if one cannot live."""
    with _signals():
        try:
            for program in programs:
                _start(program, programs)
            threading.Thread(target=_ready, args=(ready,), daemon=True).start()
            while True:
                time.sleep(0.2)
                for program in programs:
                    _revive(program, programs)
        except Stopped:
            pass
        finally:
            _stop(programs)


def _ready(ready: Callable[[], None]) -> None:
    try:
        ready()
    except Exception as error:
        print(error, file=sys.stderr)  # noqa: T201
        os.kill(os.getpid(), signal.SIGTERM)


@contextlib.contextmanager
def _signals() -> Iterator[None]:
    def stop(number: int, frame: FrameType | None) -> None:
        raise Stopped

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _start(program: Program, programs: list[Program]) -> None:
    program.started = time.monotonic()
    program.process = subprocess.Popen(
        program.command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
        start_new_session=True,  # the terminal's Ctrl-C is ours alone to pass on
        preexec_fn=_die_with_parent,  # noqa: PLW1509 - no thread is running when programs first start
    )
    width = max(len(each.name) for each in programs)
    prefix = f"{program.name:<{width}} |"
    if sys.stdout.isatty():
        prefix = f"\x1b[{COLOURS[programs.index(program) % len(COLOURS)]}m{prefix}\x1b[0m"
    threading.Thread(target=_print_lines, args=(program.process, prefix), daemon=True).start()


def _print_lines(process: subprocess.Popen[str], prefix: str) -> None:
    for line in process.stdout or ():
        sys.stdout.write(f"{prefix} {line.rstrip()}\n")  # in one piece: others write lines too
        sys.stdout.flush()


def _revive(program: Program, programs: list[Program]) -> None:
    process = program.process
    if process is None or process.poll() is None:
        return
    lived = time.monotonic() - program.started
    program.short_lives = program.short_lives + 1 if lived < SHORT_LIFE_SECONDS else 0
    print(f"{program.name} ended with code {process.returncode}; starting it again.", flush=True)  # noqa: T201
    if program.short_lives >= SHORT_LIVES:
        print(f"{program.name} does not stay up; stopping everything.", file=sys.stderr)  # noqa: T201
        sys.exit(1)
    time.sleep(PAUSE_SECONDS)
    _start(program, programs)


def _stop(programs: list[Program]) -> None:
    """Ask all to end and wait for them: a worker finishes the request that it is sending. A second signal kills."""
    running = {each.process: each.name for each in programs if each.process and each.process.poll() is None}
    for process in running:
        process.terminate()
    started = time.monotonic()
    told = False
    try:
        while (alive := [name for process, name in running.items() if process.poll() is None]) and (
            time.monotonic() < started + STOP_SECONDS
        ):
            if not told and time.monotonic() > started + PATIENCE_SECONDS:
                told = True
                print(f"Waiting for {', '.join(alive)} to finish; Ctrl-C again stops at once.", flush=True)  # noqa: T201
            time.sleep(0.05)
    except (Stopped, KeyboardInterrupt):
        pass
    for process in running:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    for process in running:
        process.wait()


def _die_with_parent() -> None:
    """On Linux a killed supervisor takes its programs with it (PR_SET_PDEATHSIG); elsewhere this does nothing."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)
