"""Downloads through the real server: they stream, stop when nobody reads, and leave the pages and the memory alone."""

import asyncio
import contextlib
import json
import re
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from django.test import RequestFactory

from dashboard import reader
from dashboard.export import MOST_AT_ONCE
from dashboard.reader import GONE, has_gone, watched

from .apart import run_apart
from .site import Site, running_site, seeded

ROWS = 300_000
FILL = """
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
INSERT INTO tasks_result (task_id, device_id, command_id, status, detail, error_code, error_text, source,
    unexpected, anonymous, conflict, sent_at, finished_at)
SELECT 1, printf('meter-%09d', i), printf('command-%09d', i), 'SUCCESSFUL', '{"level": ' || i || '}', '', '', 'push',
    0, 0, 0, '2026-03-01 12:00:00', '2026-03-01 12:00:07.5' FROM n
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A web process with a task of many results."""
    folder = tmp_path_factory.mktemp("site")
    tokens = seeded(folder)
    with sqlite3.connect(folder / "muster.sqlite3") as database:
        database.execute(FILL, [ROWS])
    database.close()
    with running_site(folder, folder, tokens) as site:
        yield site


@pytest.fixture(scope="module")
def cookie(site: Site) -> str:
    """Signed in as the superuser."""
    session = requests.Session()
    page = f"http://127.0.0.1:{site.port}/login/"
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', session.get(page, timeout=10).text)
    assert token
    answer = session.post(
        page,
        {"username": "admin", "password": "correct horse", "csrfmiddlewaretoken": token[1]},
        timeout=10,
    )
    assert answer.status_code == 200
    return "; ".join(f"{name}={value}" for name, value in session.cookies.items())


def asked(site: Site, cookie: str, form: str = "csv") -> socket.socket:
    """An open connection on which an export was asked for, with a small window."""
    line = socket.socket()
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    line.settimeout(30)
    line.connect(("127.0.0.1", site.port))
    line.sendall(
        f"GET /tasks/1/results.{form} HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {cookie}\r\n\r\n".encode()
    )
    return line


def status(line: socket.socket) -> int:
    return int(line.recv(12).split()[1])


def download(site: Site, cookie: str, form: str) -> requests.Response:
    url = f"http://127.0.0.1:{site.port}/tasks/1/results.{form}"
    return requests.get(url, headers={"Cookie": cookie}, stream=True, timeout=60)


def place_after(site: Site, cookie: str, seconds: float) -> bool:
    """Is there a place for an export again before so many seconds are over?"""
    over = time.monotonic() + seconds
    while time.monotonic() < over:
        with asked(site, cookie) as line:
            if status(line) == 200:
                return True
        time.sleep(0.1)
    return False


def hung_up_on_all(site: Site, cookie: str, seconds: float) -> bool:
    """Have as many exports as go on at once been begun, and then hung up on? Places that others left take a moment."""
    over = time.monotonic() + seconds
    while time.monotonic() < over:
        with contextlib.ExitStack() as stack:
            lines = [stack.enter_context(asked(site, cookie)) for _ in range(MOST_AT_ONCE)]
            if [status(line) for line in lines] == [200] * MOST_AT_ONCE:
                return True
        time.sleep(0.1)
    return False


@pytest.mark.processes
@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_an_export_streams_and_memory_does_not_grow_with_it(form: str, site: Site, cookie: str) -> None:
    before = site.memory()
    started = time.monotonic()
    with download(site, cookie, form) as answer:
        assert answer.status_code == 200
        lines = answer.iter_lines(chunk_size=65536)
        first = next(lines)
        assert time.monotonic() - started < 1
        last, count, most = b"", 1, 0
        for line in lines:
            last, count = line, count + 1
            if count % 20_000 == 0:
                most = max(most, site.memory())
    assert count == ROWS + (form == "csv")
    assert most - before < 30_000_000
    if form == "csv":
        assert first.startswith(b"\xef\xbb\xbfdevice_id,")
    else:
        assert json.loads(last)["answer"] == {"level": ROWS}


@pytest.mark.processes
def test_slow_readers_hold_neither_the_pages_nor_memory(site: Site, cookie: str) -> None:
    """Eight ask and hardly read: half of them are told to come again, and the pages go on."""
    assert place_after(site, cookie, 10)
    before = site.memory()
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(asked(site, cookie)) for _ in range(8)]
        assert sorted(map(status, slow)) == [200] * MOST_AT_ONCE + [503] * (8 - MOST_AT_ONCE)
        time.sleep(1)
        for path in ("/tasks/", "/tasks/1/", "/livez"):
            started = time.monotonic()
            url = f"http://127.0.0.1:{site.port}{path}"
            assert requests.get(url, headers={"Cookie": cookie}, timeout=10).status_code == 200
            assert time.monotonic() - started < 2
        assert site.memory() - before < 30_000_000
    assert place_after(site, cookie, 5), "those who hung up hold no place"


@pytest.mark.processes
def test_a_broken_connection_stops_the_export(site: Site, cookie: str) -> None:
    used = time_used(site)
    assert hung_up_on_all(site, cookie, 10)
    assert place_after(site, cookie, 3)
    time.sleep(0.5)
    mark = time_used(site)
    time.sleep(1)
    assert time_used(site) - mark < 0.3, "nobody reads, and still it is written"
    assert mark - used < 5


def time_used(site: Site) -> float:
    """CPU seconds of the web process (Linux)."""
    fields = Path(f"/proc/{site.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


# Piece by piece


def run(send: Any, *, hangs_up_after: float = 60.0) -> list[bool]:
    """What the view of an application that sends five messages was told of its reader, after each."""
    told = []

    async def application(scope: Any, receive: Any, hand_over: Any) -> None:
        assert await receive() == {"type": "http.request", "body": b"", "more_body": False}
        request = RequestFactory().get("/", **{"asgi.scope": scope})
        for number in range(5):
            await hand_over({"type": "http.response.body", "body": b"%d" % number, "more_body": True})
            await asyncio.sleep(0.02)
            told.append(has_gone(request)())

    messages = [{"type": "http.request"}]

    async def receive() -> dict[str, Any]:
        if messages:
            return messages.pop()
        await asyncio.sleep(hangs_up_after)
        return {"type": "http.disconnect"}

    run_apart(watched(application, {"type": "http"}, receive, send))
    return told


def test_a_reader_that_reads_is_there_to_the_end() -> None:
    sent = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message["body"])

    assert run(send) == [False] * 5
    assert sent == [b"0", b"1", b"2", b"3", b"4"]


def test_a_reader_that_hung_up_is_known_to_be_gone() -> None:
    async def send(message: dict[str, Any]) -> None:
        pass

    assert run(send, hangs_up_after=0.03)[-1]


def test_a_reader_that_takes_nothing_is_gone_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "PATIENCE_SECONDS", 0.05)
    tries = []

    async def send(message: dict[str, Any]) -> None:
        tries.append(message["body"])
        await asyncio.sleep(60 if len(tries) > 1 else 0)

    assert run(send) == [False, True, True, True, True]
    assert tries == [b"0", b"1"], "nothing more is offered"


def test_behind_another_server_nobody_is_ever_gone() -> None:
    assert has_gone(RequestFactory().get("/"))() is False
    gone = threading.Event()
    gone.set()
    assert has_gone(RequestFactory().get("/", **{"asgi.scope": {GONE: gone}}))() is True
