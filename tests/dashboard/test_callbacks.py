"""The receiver of pushes: two doors with one rule, and nothing acknowledged that is not kept."""

import gzip
import io
import itertools
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from django.test import Client

from tasks.lifecycle.receive import MOST_BYTES
from tasks.models import Callback, Task
from tasks.models.callback import inbox

from .site import Site, answered, running_site, seeded

PUSH = json.dumps(
    {"deviceId": "device-1", "commandId": "c-1", "result": {"resultCode": "SUCCESSFUL"}}
).encode()

# Words for the body, its bytes, further headers, and what both doors answer.
BODIES: list[tuple[str, bytes, dict[str, str], int]] = [
    ("C01 a push", PUSH, {"Content-Type": "application/json"}, 200),
    ("C13 just as large as is kept", b"x" * MOST_BYTES, {}, 200),
    ("C13 one byte more", b"x" * (MOST_BYTES + 1), {}, 413),
    ("C17 empty", b"", {}, 200),
    ("C17 null", b"null", {}, 200),
    ("C17 a list", b"[]", {}, 200),
    ("C17 a text", b'"x"', {}, 200),
    ("C17 an empty object", b"{}", {}, 200),
    ("C17 trailing data", PUSH + b" }", {}, 200),
    ("C17 a byte order mark", b"\xef\xbb\xbf" + PUSH, {}, 200),
    ("C17 UTF-16", PUSH.decode().encode("utf-16"), {}, 200),
    ("C17 latin-1", b'{"deviceId": "\xe9"}', {}, 200),
    ("C17 no text at all", b"\xff\x00\xfe", {}, 200),
    ("C18 a member twice", b'{"commandId": "a", "commandId": "b"}', {}, 200),
    ("C19 not a number", b'{"deviceId": NaN}', {}, 200),
    ("C19 nested without end", b"[" * 100_000, {}, 200),
    ("C20 NUL in a value", b'{"deviceId": "\\u0000"}', {}, 200),
    ("C24 text/plain", PUSH + b" ", {"Content-Type": "text/plain"}, 200),
    ("C24 another charset", PUSH + b"  ", {"Content-Type": "application/json; charset=gbk"}, 200),
    ("C24 a form", b"a=b&c=d", {"Content-Type": "application/x-www-form-urlencoded"}, 200),
    ("C24 a broken multipart form", b"--x", {"Content-Type": "multipart/form-data; boundary=y"}, 200),
    ("C25 compressed", gzip.compress(PUSH, mtime=0), {"Content-Encoding": "gzip"}, 415),
]
TOKENS: list[tuple[str, str, int]] = [
    ("C09 unknown", "x" * 43, 404),
    ("C09 one letter", "x", 404),
    ("C09 ten thousand letters", "x" * 10_000, 404),
    ("C09 a way up", "../admin", 404),
    ("C09 an encoded way up", "%2e%2e%2fadmin", 404),
    ("C09 NUL", "%00", 404),
    ("C09 half a letter", "%ff%fe", 404),
    ("C09 an encoded surrogate", "%ed%a0%80", 404),
    ("C09 another alphabet", "%E4%BB%A4%E7%89%8C", 404),
    ("C09 nothing", "%20", 404),
    ("C09 quotes", "'%20or%201=1--", 404),
]
METHODS = ("GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")


# Words for the request, its method, headers, body, and what both doors answer. None is a length that is left out.
REQUESTS: list[tuple[str, str, dict[str, str], bytes, int]] = [
    *((f"C12 {method}", method, {}, b"", 405) for method in METHODS),
    *((words, "POST", headers, body, status) for words, body, headers, status in BODIES),
    ("C25 deflated", "POST", {"Content-Encoding": "deflate"}, b"x", 415),
    ("C25 not encoded", "POST", {"Content-Encoding": "identity"}, b"identity", 200),
    ("C25 an empty name", "POST", {"Content-Encoding": ""}, b"no encoding", 200),
    ("a host that is not ours", "POST", {"Host": "evil.example"}, b"host", 200),
    ("a foreign origin", "POST", {"Origin": "https://evil.example"}, b"origin", 200),
    ("a session of nobody", "POST", {"Cookie": "sessionid=x; csrftoken=y"}, b"cookie", 200),
    ("C31 a forwarded address", "POST", {"X-Forwarded-For": "1.2.3.4"}, b"forwarded", 200),
    ("C12 an overridden method", "POST", {"X-HTTP-Method-Override": "DELETE"}, b"override", 200),
]
SAME = (
    "content-type",
    "content-length",
    "allow",
    "retry-after",
    "set-cookie",
    "location",
    "www-authenticate",
)


@pytest.fixture(scope="session")
def seed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    folder = tmp_path_factory.mktemp("seed")
    return folder, seeded(folder)


@pytest.fixture(scope="module")
def site(seed: tuple[Path, list[str]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder, tokens = seed
    with running_site(folder, tmp_path_factory.mktemp("site"), tokens) as site:
        yield site


@pytest.fixture
def task(make_task: Callable[..., Task]) -> Task:
    return make_task()


@pytest.mark.parametrize(
    ("words", "method", "headers", "body", "status"), REQUESTS, ids=[row[0] for row in REQUESTS]
)
def test_both_doors_give_the_same_answer_and_keep_the_same_byte_for_byte(
    words: str,
    method: str,
    headers: dict[str, str],
    body: bytes,
    status: int,
    task: Task,
    client: Client,
    site: Site,
) -> None:
    """C01, C12, C13, C17-C20, C24, C25: status, headers and rows."""
    extra = dict(headers)
    kind, host = extra.pop("Content-Type", ""), extra.pop("Host", "127.0.0.1")
    view = client.generic(
        method, f"/callbacks/{task.callback_token}/", body, content_type=kind, headers=extra, HTTP_HOST=host
    )
    token = site.tokens[0]
    lines = [f"{method} /callbacks/{token}/ HTTP/1.1", f"Host: {host}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items() if name != "Host"]
    door, told = site.talk("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
    assert (view.status_code, door) == (status, status)
    shown = {name.lower(): value for name, value in view.headers.items()}
    assert {name: shown.get(name) for name in SAME} == {name: told.get(name) for name in SAME}
    assert not [name for name in [*told, *shown] if name.startswith("access-control")]
    kept = status == 200
    columns = "body", "seen", "state", "problem", "remote_address"
    rows = list(Callback.objects.values_list(*columns))
    assert [bytes(row[0]) for row in rows] == ([body] if kept else [])
    assert [row for row in site.rows(token, *columns) if row[0] == body] == rows


@pytest.mark.parametrize(("words", "token", "status"), TOKENS, ids=[row[0] for row in TOKENS])
def test_both_doors_tell_nothing_to_a_token_that_nobody_has(
    words: str, token: str, status: int, client: Client, site: Site, task: Task
) -> None:
    """C09: also for a right token with one bit changed; nothing is written."""
    before = [site.bodies(each) for each in site.tokens]
    view = client.generic("POST", f"/callbacks/{token}/", PUSH)
    assert (view.status_code, site.push(token, PUSH)) == (status, status)
    almost = task.callback_token[:-1] + ("A" if task.callback_token[-1] != "A" else "B")
    assert client.generic("POST", f"/callbacks/{almost}/", PUSH).status_code == 404
    assert Callback.objects.count() == 0
    assert [site.bodies(each) for each in site.tokens] == before


def test_both_doors_open_without_the_last_slash(client: Client, site: Site, task: Task) -> None:
    body = b'{"without": "slash"}'
    assert client.generic("POST", f"/callbacks/{task.callback_token}", body).status_code == 200
    assert site.push("", body, path=f"/callbacks/{site.tokens[0]}") == 200
    assert body in site.bodies(site.tokens[0])
    assert bytes(Callback.objects.get().body) == body


def test_a_push_that_comes_a_thousand_times_is_one_row_with_its_count(site: Site) -> None:
    """C02: through eight connections at once."""
    token, body = site.tokens[1], b'{"the": "same"}'
    request = (
        f"POST /callbacks/{token}/ HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    )
    statuses: list[int] = []

    def send() -> None:
        with socket.create_connection(("127.0.0.1", site.port), timeout=30) as line:
            for _ in range(125):
                line.sendall(request)
                statuses.append(answered(line)[0])

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 1000
    assert site.bodies(token) == {body: 1000}


def test_the_same_body_for_two_tasks_stays_with_each(client: Client, make_task: Callable[..., Task]) -> None:
    """C11."""
    one, two = make_task(), make_task()
    for task in (one, two, two):
        assert client.generic("POST", f"/callbacks/{task.callback_token}/", PUSH).status_code == 200
    assert list(Callback.objects.order_by("task_id").values_list("task_id", "seen")) == [
        (one.pk, 1),
        (two.pk, 2),
    ]


def chunked(body: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(body), size):
        piece = body[start : start + size]
        yield f"{len(piece):x}\r\n".encode() + piece + b"\r\n"
    yield b"0\r\n\r\n"


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_a_body_in_chunks_is_kept_whole(site: Site, size: int) -> None:
    """C14: through the real server."""
    body = b'{"chunks of": %d, "text": "%s"}' % (size, b"x" * 200)
    head = f"POST /callbacks/{site.tokens[2]}/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    assert site.talk(head, *chunked(body, size))[0] == 200
    assert body in site.bodies(site.tokens[2])


def test_chunks_without_end_are_refused_while_they_come(site: Site) -> None:
    """C13 without Content-Length: refused as soon as it is too large, and memory stays flat."""
    head = f"POST /callbacks/{site.tokens[2]}/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    before = site.memory()
    status, headers = site.talk(head, *itertools.islice(chunked(b"x" * 20_000_000, 65536), 300))
    assert status in (413, 0)
    assert headers.get("connection", "close") == "close"
    assert site.memory() - before < 20 * 2**20
    assert not [body for body in site.bodies(site.tokens[2]) if body.startswith(b"xxxx")]


def test_a_hundred_megabytes_announced_are_refused_unread(site: Site) -> None:
    """C13."""
    head = (
        f"POST /callbacks/{site.tokens[2]}/ HTTP/1.1\r\nHost: x\r\nContent-Length: 104857600\r\n\r\n".encode()
    )
    before = site.memory()
    assert site.talk(head, b"x" * 1000)[0] == 413
    assert site.memory() - before < 20 * 2**20


def test_the_view_never_takes_an_unread_chunked_body_for_an_empty_one(client: Client, task: Task) -> None:
    """C14: WSGI servers that leave chunks encoded give Django an empty body; that is not acknowledged."""
    answer = client.generic(
        "POST", f"/callbacks/{task.callback_token}/", b"", HTTP_TRANSFER_ENCODING="chunked", CONTENT_LENGTH=""
    )
    assert answer.status_code == 411
    assert Callback.objects.count() == 0


def test_two_lengths_for_one_body_are_refused(client: Client, site: Site, task: Task) -> None:
    """C15."""
    head = (
        f"POST /callbacks/{site.tokens[2]}/ HTTP/1.1\r\nHost: x\r\n"
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    assert site.talk(head.encode(), *chunked(b'{"smuggled": 1}', 100))[0] == 400
    twice = head.replace("Transfer-Encoding: chunked", "Content-Length: 2") + "{}abc"
    assert site.talk(twice.encode())[0] == 400
    view = client.generic(
        "POST", f"/callbacks/{task.callback_token}/", b"{}", HTTP_TRANSFER_ENCODING="chunked"
    )
    assert view.status_code == 400
    assert not [body for body in site.bodies(site.tokens[2]) if b"smuggled" in body or body == b"{}"]
    assert Callback.objects.count() == 0


def test_a_sender_that_breaks_off_leaves_nothing_behind(site: Site) -> None:
    """Half a body is no body."""
    before = site.bodies(site.tokens[2])
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", site.port)) as line:
            line.sendall(
                f"POST /callbacks/{site.tokens[2]}/ HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\nhalf".encode()
            )
    time.sleep(0.2)
    assert site.push(site.tokens[3], b'{"after": "the halves"}') == 200
    assert site.bodies(site.tokens[2]) == before


def test_two_hundred_silent_senders_do_not_slow_the_others(site: Site) -> None:
    """C16."""
    lines = []
    try:
        for number in range(200):
            line = socket.create_connection(("127.0.0.1", site.port), timeout=10)
            head = f"POST /callbacks/{site.tokens[3]}/ HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n{number}"
            line.sendall(head.encode())
            lines.append(line)
        waits = []
        for number in range(50):
            start = time.monotonic()
            assert site.push(site.tokens[3], b'{"number": %d}' % number) == 200
            waits.append(time.monotonic() - start)
        assert max(waits) < 1
        assert site.talk(b"GET /login/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")[0] == 200
    finally:
        for line in lines:
            line.close()


@pytest.mark.parametrize(
    "noise",
    [b"\x16\x03\x01\x02\x00", b"POST\r\n\r\n", b"\x00" * 1000, b"POST /callbacks/x/ HTTP/9.9\r\n\r\n"],
)
def test_noise_is_answered_with_an_error_and_harms_nobody(site: Site, noise: bytes) -> None:
    status, _ = site.talk(noise + b"\r\n\r\n")
    assert status in (0, 400, 404, 505)
    assert site.push(site.tokens[3], b'{"after": "noise"}') == 200


def test_nothing_is_acknowledged_while_the_database_cannot_keep_it(
    seed: tuple[Path, list[str]], tmp_path: Path
) -> None:
    """C26: 503 with Retry-After; what is sent again afterwards is kept."""
    with running_site(seed[0], tmp_path, seed[1]) as site:
        token = site.tokens[0]
        request = (
            f"POST /callbacks/{token}/ HTTP/1.1\r\nHost: x\r\nContent-Length: {len(PUSH)}\r\n\r\n".encode()
            + PUSH
        )
        assert site.push(token, b"before") == 200
        with site.database() as database:
            database.execute("ALTER TABLE tasks_callback RENAME TO away")
        for _ in range(3):
            status, headers = site.talk(request)
            assert status == 503
            assert 0 < int(headers["retry-after"]) <= 5
        assert site.talk(b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")[0] == 200
        with site.database() as database:
            database.execute("ALTER TABLE away RENAME TO tasks_callback")
        assert site.talk(request)[0] == 200
        assert site.bodies(token) == {b"before": 1, PUSH: 1}


@pytest.mark.django_db(transaction=True)
def test_the_view_acknowledges_nothing_while_the_database_cannot_keep_it(client: Client, task: Task) -> None:
    """C26."""
    path = f"/callbacks/{task.callback_token}/"
    with connections[inbox()].cursor() as cursor:
        cursor.execute("ALTER TABLE tasks_callback RENAME TO away")
    try:
        answer = client.generic("POST", path, PUSH)
        assert answer.status_code == 503
        assert 0 < int(answer["Retry-After"]) <= 5
    finally:
        with connections[inbox()].cursor() as cursor:
            cursor.execute("ALTER TABLE away RENAME TO tasks_callback")
    assert client.generic("POST", path, PUSH).status_code == 200
    assert Callback.objects.count() == 1


@pytest.mark.processes
def test_what_was_acknowledged_survives_the_death_of_the_process(
    seed: tuple[Path, list[str]], tmp_path: Path
) -> None:
    """C27: killed three times under load; every body answered 200 is in the table, and as often as it was."""
    acknowledged: set[bytes] = set()
    for life in range(3):
        with running_site(seed[0] if not life else tmp_path, tmp_path, seed[1]) as site:
            stop = threading.Event()

            def send(thread: int, life: int = life, site: Site = site, stop: threading.Event = stop) -> None:
                for number in itertools.count():
                    body = b"life %d, thread %d, number %d" % (life, thread, number)
                    if stop.is_set():
                        return
                    try:
                        if site.push(site.tokens[thread % 4], body) == 200:
                            acknowledged.add(body)
                    except OSError:
                        return

            threads = [threading.Thread(target=send, args=(each,)) for each in range(8)]
            for thread in threads:
                thread.start()
            time.sleep(0.5)
            os.kill(site.process.pid, signal.SIGKILL)
            stop.set()
            for thread in threads:
                thread.join()
    kept = {body for token in seed[1] for body in site.bodies(token)}
    assert len(acknowledged) > 100
    assert acknowledged <= kept


def test_no_token_is_written_to_the_log(site: Site) -> None:
    """C38."""
    text = (site.folder / "web.log").read_text()
    assert not [token for token in site.tokens if token in text]


def test_the_view_logs_no_token_either(
    client: Client, task: Task, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C38: also where Django logs what it answers with an error."""
    caplog.set_level("DEBUG")
    path = f"/callbacks/{task.callback_token}/"
    assert client.get(path).status_code == 405
    assert client.post(path, b"{}", "x/y", headers={"Content-Encoding": "gzip"}).status_code == 415

    def broken(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("dashboard.views.callbacks.receive", broken)
    assert client.post(path, b"{}", "x/y").status_code == 503
    assert "a callback could not be kept" in caplog.text
    assert task.callback_token not in caplog.text


def test_a_push_is_rung_for_once_it_is_kept(
    client: Client, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    rung: list[tuple[Any, ...]] = []
    monkeypatch.setattr(
        "dashboard.views.callbacks.ring", lambda *bell: rung.append((*bell, Callback.objects.count()))
    )
    client.generic("POST", f"/callbacks/{task.callback_token}/", PUSH)
    client.generic("POST", "/callbacks/unknown/", PUSH)
    assert rung == [("settle", task.pk, 1)]


def flood(site: Site, token: str, stop: threading.Event, counted: list[int]) -> None:
    """As many pushes as go through one connection."""
    with socket.create_connection(("127.0.0.1", site.port), timeout=30) as line:
        for number in itertools.count():
            if stop.is_set():
                return
            body = b"%d %d" % (threading.get_ident(), number)
            head = f"POST /callbacks/{token}/ HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
            line.sendall(head.encode() + body)
            counted.append(answered(line)[0])


@pytest.mark.processes
@pytest.mark.parametrize(
    ("known", "status"), [(True, 200), (False, 404)], ids=["C28 one token", "C29 unknown"]
)
def test_a_flood_does_not_slow_the_others(
    known: bool, status: int, seed: tuple[Path, list[str]], tmp_path: Path
) -> None:
    """C28, C29: no limit on a token or an address, for a million devices push through one; what waits is bounded."""
    with running_site(seed[0], tmp_path, seed[1]) as site:
        assert site.push(site.tokens[0], b"warm") == 200
        before, stop = site.memory(), threading.Event()
        counted: list[int] = []
        token = site.tokens[0] if known else "x" * 43
        threads = [threading.Thread(target=flood, args=(site, token, stop, counted)) for _ in range(6)]
        for thread in threads:
            thread.start()
        waits = []
        for number in range(60):
            start = time.monotonic()
            assert site.push(site.tokens[1], b"legitimate %d" % number) == 200
            waits.append(time.monotonic() - start)
            time.sleep(0.02)
        stop.set()
        for thread in threads:
            thread.join()
        assert len(counted) > 500
        assert set(counted) == {status}
        assert max(waits) < 1
        assert site.memory() - before < 40 * 2**20
        assert len(site.bodies(site.tokens[0])) == 1 + (len(counted) if known else 0)
        assert len(site.bodies(site.tokens[1])) == 60


def test_c29_an_unknown_token_writes_nothing(site: Site) -> None:
    """Not a byte, in either database."""

    def sizes() -> list[int]:
        return [
            path.stat().st_size for path in sorted(site.folder.glob("*.sqlite3*")) if "shm" not in path.name
        ]

    assert site.push(site.tokens[3], b"before the unknown") == 200
    before = sizes()
    for _ in range(50):
        assert site.push("y" * 43, PUSH) == 404
    assert sizes() == before


@pytest.mark.parametrize(("forwarded", "status"), [("10.1.2.3", 200), ("203.0.113.9", 403), ("", 403)])
def test_c31_the_door_believes_only_its_own_proxies(
    forwarded: str, status: int, seed: tuple[Path, list[str]], tmp_path: Path
) -> None:
    """Also for pushes through loopback, whose headers uvicorn would believe by itself."""
    more = {"MUSTER_CALLBACK_SOURCES": "10.1.0.0/16", "MUSTER_TRUSTED_PROXIES": "1"}
    with running_site(seed[0], tmp_path, seed[1], **more) as site:
        header = [f"X-Forwarded-For: 10.1.9.9, {forwarded}"] if forwarded else []
        assert site.push(site.tokens[0], PUSH, *header) == status
        kept = [row[0] for row in site.rows(site.tokens[0], "remote_address")]
        assert kept == ([forwarded] if status == 200 else [])


def test_pushes_alone_can_be_served_by_a_process_of_their_own(
    seed: tuple[Path, list[str]], tmp_path: Path
) -> None:
    with running_site(seed[0], tmp_path, seed[1], "callbacks") as site:
        assert site.push(site.tokens[0], PUSH) == 200
        assert site.bodies(site.tokens[0]) == {PUSH: 1}
        assert site.push("x" * 43, PUSH) == 404
        for path in ("/login/", "/admin/", "/"):
            assert site.talk(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())[0] == 404
        assert site.push("", PUSH, path="/login/") == 404


def test_c16_a_body_that_does_not_come_is_given_up(site: Site) -> None:
    """408, and the connection is free for others."""
    head = f"POST /callbacks/{site.tokens[3]}/ HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\nhalf"
    status, headers = site.talk(head.encode(), seconds=15)
    assert (status, headers["connection"]) == (408, "close")


def test_half_a_body_is_not_kept_by_the_view_either(client: Client, task: Task) -> None:
    """C16: WSGI servers give what came before the sender broke off."""
    path = f"/callbacks/{task.callback_token}/"
    for length in ("500", "-1", "x", "1e3", "1" * 30):
        came = {"wsgi.input": io.BytesIO(b"half"), "CONTENT_LENGTH": length}
        assert client.generic("POST", path, b"half", **came).status_code == 400, length
    assert Callback.objects.count() == 0
