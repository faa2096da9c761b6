"""What the environment may say, and the one sentence for each thing it may not."""

import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from dashboard import environment
from dashboard.environment import ROOT, VARIABLES

from .site import REPOSITORY
from .site import environment as environment_of

GOOD: dict[str, list[tuple[str, Any]]] = {
    "DATABASE_URL": [
        ("postgres://u:p@db/muster", "postgres://u:p@db/muster"),
        ("sqlite:////data/x.sqlite3", "sqlite:////data/x.sqlite3"),
        ("", ""),
    ],
    "CELERY_BROKER_URL": [("redis://r:6379/0", "redis://r:6379/0"), ("amqps://q", "amqps://q"), ("memory://", "memory://")],
    "MUSTER_PUBLIC_URL": [
        ("https://muster.example", "https://muster.example"),
        ("http://10.0.0.1:8000/", "http://10.0.0.1:8000"),
        ("http://[::1]:8000", "http://[::1]:8000"),
        ("https://muster.example/desk/", "https://muster.example/desk"),
        ("", ""),
    ],
    "MUSTER_SECRET_KEY": [("k" * 32, "k" * 32)],
    "MUSTER_SECRET_KEY_FILE": [("/run/secrets/key", "/run/secrets/key")],
    "MUSTER_ALLOWED_HOSTS": [("a.example, b.example,,", ["a.example", "b.example"]), ("", [])],
    "MUSTER_DEBUG": [("1", True), ("TRUE", True), ("on", True), ("0", False), ("no", False), ("", False)],
    "MUSTER_HOST": [("0.0.0.0", "0.0.0.0"), ("", "127.0.0.1")],
    "MUSTER_PORT": [("1", 1), ("65535", 65535), ("", 8000)],
    "MUSTER_SANDBOX_PORT": [("9000", 9000), ("", 8743)],
    "MUSTER_WORKERS": [("1", 1), ("", 2)],
    "MUSTER_MOST_DEVICES": [("5", 5), ("", 1_000_000)],
    "MUSTER_FAMILY_DEVICES": [("5", 5), ("", 30_000)],
    "MUSTER_PRUNE": [("1", True), ("0", False), ("", False)],
    "MUSTER_KEEP_BODIES_DAYS": [("7", timedelta(days=7)), ("", timedelta(days=30))],
    "MUSTER_KEEP_RESULTS_DAYS": [("90", timedelta(days=90)), ("", timedelta(days=180))],
    "MUSTER_KEEP_AUDIT_DAYS": [("3650", timedelta(days=3650)), ("0", None), ("", timedelta(days=730))],
    "MUSTER_CALLBACK_SOURCES": [
        ("10.1.0.0/16, 2001:db8::/32", [ip_network("10.1.0.0/16"), ip_network("2001:db8::/32")]),
        ("192.0.2.1", [ip_network("192.0.2.1/32")]),
        ("", []),
    ],
    "MUSTER_TRUSTED_PROXIES": [("2", 2), ("", 0)],
    "MUSTER_CRASH_AT": [("", "")],
}  # fmt: skip
BAD: dict[str, list[tuple[str, str]]] = {
    "DATABASE_URL": [
        ("mysql://db", "must start with postgres:// or postgresql:// or sqlite://"),
        ("postgres", "must start with postgres:// or postgresql:// or sqlite://"),
    ],
    "CELERY_BROKER_URL": [("http://r", "must start with redis:// or rediss:// or amqp:// or amqps:// or")],
    "MUSTER_PUBLIC_URL": [
        ("muster.example", "must be an address such as https://muster.example:8000"),
        ("ftp://muster.example", "must be an address such as https://muster.example:8000"),
        ("http://", "must be an address such as https://muster.example:8000"),
        ("http://h:99999", "must have a port from 1 to 65535"),
        ("http://h:port", "must have a port from 1 to 65535"),
        ("http://h:0", "must have a port from 1 to 65535"),
        ("http://u:p@h", "must not have a query, a fragment or a user name"),
        ("http://h/?a=b", "must not have a query, a fragment or a user name"),
        ("http://h/#a", "must not have a query, a fragment or a user name"),
        ("http://[::1", "must be an address such as https://muster.example:8000"),
        ("http://a b", "must be an address such as https://muster.example:8000"),
    ],
    "MUSTER_CALLBACK_SOURCES": [
        (text, "must be networks such as 10.1.0.0/16")
        for text in ("10.1.0.0/8", "all", "10.1.0.0/40", "10.1.*")
    ],
    "MUSTER_TRUSTED_PROXIES": [
        (text, "must be a whole number of at least 0") for text in ("-1", "one", "1.5")
    ],
    "MUSTER_DEBUG": [("maybe", "must be 1 or 0"), ("2", "must be 1 or 0")],
    "MUSTER_PORT": [
        (text, "must be a port from 1 to 65535") for text in ("0", "65536", "-1", "http", "8.5", "²")
    ],
    "MUSTER_SANDBOX_PORT": [("99999", "must be a port from 1 to 65535")],
    "MUSTER_WORKERS": [
        (text, "must be a whole number of at least 1") for text in ("0", "-2", "two", "1.5", " ")
    ],
    "MUSTER_MOST_DEVICES": [("0", "must be a whole number of at least 1")],
    "MUSTER_FAMILY_DEVICES": [("0", "must be a whole number of at least 1")],
    **{
        f"MUSTER_KEEP_{what}_DAYS": [
            (text, "must be a whole number of days, or 0 to keep for ever")
            for text in ("-1", "ever", "36501", "1.5")
        ]
        for what in ("BODIES", "RESULTS", "AUDIT")
    },
    "MUSTER_DATA_DIR": [
        ("/dev/null/x", "must be a folder that can be made"),
        ("/etc/passwd", "must be a folder"),
    ],
}


def test_every_variable_has_a_good_value_here() -> None:
    assert set(GOOD) | {"MUSTER_DATA_DIR"} == {variable.name for variable in VARIABLES}


@pytest.mark.parametrize(("name", "text", "value"), [(n, *row) for n, rows in GOOD.items() for row in rows])
def test_a_good_value_is_read_as_what_it_means(name: str, text: str, value: Any, tmp_path: Path) -> None:
    assert environment.read({"MUSTER_DATA_DIR": str(tmp_path), name: text})[name] == value


@pytest.mark.parametrize(("name", "text", "reason"), [(n, *row) for n, rows in BAD.items() for row in rows])
def test_a_wrong_value_is_named_with_its_reason(name: str, text: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(ImproperlyConfigured) as caught:
        environment.read({"MUSTER_DATA_DIR": str(tmp_path), name: text})
    sentence = str(caught.value)
    assert sentence.startswith(f"{name} {reason}")
    assert repr(text) in sentence
    assert sentence.endswith(".")
    assert sentence.count("MUSTER_") <= 1


def test_crash_points_are_refused_without_debug(tmp_path: Path) -> None:
    asked = {"MUSTER_DATA_DIR": str(tmp_path), "MUSTER_CRASH_AT": "P1"}
    with pytest.raises(ImproperlyConfigured, match="needs MUSTER_DEBUG=1"):
        environment.read(asked)
    assert environment.read(asked | {"MUSTER_DEBUG": "1"})["MUSTER_CRASH_AT"] == "P1"


def test_several_wrong_values_are_named_at_once(tmp_path: Path) -> None:
    wrong = {
        "MUSTER_DATA_DIR": str(tmp_path),
        "MUSTER_PORT": "x",
        "MUSTER_WORKERS": "0",
        "DATABASE_URL": "oracle://",
    }
    with pytest.raises(ImproperlyConfigured) as caught:
        environment.read(wrong)
    assert [name for name in wrong if name in str(caught.value)] == [
        "MUSTER_PORT",
        "MUSTER_WORKERS",
        "DATABASE_URL",
    ]


def test_the_data_folder_is_made_with_its_parents_and_relative_to_the_program(tmp_path: Path) -> None:
    wanted = tmp_path / "a" / "b"
    assert environment.read({"MUSTER_DATA_DIR": str(wanted)})["MUSTER_DATA_DIR"] == wanted
    assert wanted.is_dir()
    assert environment.folder("tests") == ROOT / "tests"


def test_the_secret_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    key = environment.secret_key("", "", tmp_path)
    assert len(key) >= 48
    assert stat.S_IMODE((tmp_path / "secret-key").stat().st_mode) == 0o600
    assert environment.secret_key("", "", tmp_path) == key
    assert [path.name for path in tmp_path.iterdir()] == ["secret-key"]


def test_first_starts_at_the_same_time_agree_on_one_key(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib; from dashboard.environment import secret_key;"
        "sys.stdin.read(1); print(secret_key('', '', pathlib.Path(sys.argv[1])))"
    )
    starts = [
        subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], cwd=REPOSITORY, text=True,
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for _ in range(6)
    ]  # fmt: skip
    with ThreadPoolExecutor(6) as pool:
        keys = list(pool.map(lambda start: start.communicate("x")[0].strip(), starts))
    assert len(keys[0]) >= 48
    assert len(set(keys)) == 1


def test_threads_that_make_the_key_at_once_agree(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: environment.secret_key("", "", tmp_path), range(40)))
    assert len(keys) == 1


def test_a_key_that_was_left_empty_by_a_crash_is_told(tmp_path: Path) -> None:
    (tmp_path / "secret-key").touch()
    with pytest.raises(ImproperlyConfigured, match="must hold at least 32 characters"):
        environment.secret_key("", "", tmp_path)


@pytest.mark.parametrize(
    ("given", "content", "reason"),
    [
        ("short", None, "MUSTER_SECRET_KEY must have at least 32 characters."),
        ("", None, "cannot be read"),
        ("", b"short", "must hold at least 32 characters"),
        ("", b"\xff" * 40, "cannot be read"),
    ],
)
def test_a_secret_key_that_cannot_be_used_is_told(
    given: str, content: bytes | None, reason: str, tmp_path: Path
) -> None:
    file = tmp_path / "key"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ImproperlyConfigured) as caught:
        environment.secret_key(given, "" if given else str(file), tmp_path)
    assert reason in str(caught.value)
    assert "short" not in str(caught.value)


def test_a_given_key_or_file_is_used_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("f" * 40 + "\n")
    assert environment.secret_key("k" * 32, str(file), tmp_path) == "k" * 32
    assert environment.secret_key("", str(file), tmp_path) == "f" * 40
    assert not (tmp_path / "secret-key").exists()


@pytest.mark.parametrize(
    ("given", "written", "host", "port", "expected"),
    [
        ("https://m.example", "http://old:1", "0.0.0.0", 8000, "https://m.example"),
        ("", "http://127.0.0.1:9001\n", "0.0.0.0", 8000, "http://127.0.0.1:9001"),
        ("", None, "127.0.0.1", 8000, "http://127.0.0.1:8000"),
        ("", None, "0.0.0.0", 81, "http://127.0.0.1:81"),
        ("", None, "::", 81, "http://127.0.0.1:81"),
        ("", None, "::1", 81, "http://[::1]:81"),
        ("", None, "muster.local", 81, "http://muster.local:81"),
    ],
)
def test_the_public_address_is_given_or_written_down_or_where_it_listens(
    given: str, written: str | None, host: str, port: int, expected: str, tmp_path: Path
) -> None:
    if written is not None:
        (tmp_path / "public-url").write_text(written)
    assert environment.public_url(given, tmp_path, host, port) == expected


@pytest.mark.processes
@pytest.mark.parametrize(
    ("wrong", "sentences"),
    [
        ({"MUSTER_PORT": "web"}, ["MUSTER_PORT must be a port from 1 to 65535; it is 'web'."]),
        (
            {"MUSTER_PORT": "0", "CELERY_BROKER_URL": "kafka://x"},
            [
                "MUSTER_PORT must be a port from 1 to 65535; it is '0'.",
                "CELERY_BROKER_URL must start with redis://",
            ],
        ),
        ({"MUSTER_SECRET_KEY": "short"}, ["MUSTER_SECRET_KEY must have at least 32 characters."]),
        ({"MUSTER_SECRET_KEY_FILE": "/nowhere"}, ["MUSTER_SECRET_KEY_FILE '/nowhere' cannot be read"]),
    ],
)
def test_a_wrong_value_stops_the_start_with_its_sentence_and_no_trace(
    wrong: dict[str, str], sentences: list[str], tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=REPOSITORY, env=environment_of(tmp_path, **wrong), capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    for sentence in sentences:
        assert sentence in done.stderr


@pytest.mark.processes
def test_a_good_environment_passes_the_check_and_the_check_for_deployment(tmp_path: Path) -> None:
    good = environment_of(
        tmp_path, MUSTER_PUBLIC_URL="https://muster.example", MUSTER_SECRET_KEY=os.urandom(40).hex()
    )
    done = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=REPOSITORY, env=good, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["MUSTER_KEEP_BODIES_DAYS", "MUSTER_KEEP_RESULTS_DAYS"])
@pytest.mark.parametrize(("age", "audit", "good"), [("0", "730", False), ("731", "730", False), ("730", "730", True),
                                                    ("0", "0", True), ("1", "0", True)])  # fmt: skip
def test_a_task_is_kept_no_shorter_than_what_belongs_to_it(
    name: str, age: str, audit: str, good: bool, tmp_path: Path
) -> None:
    asked = {"MUSTER_DATA_DIR": str(tmp_path), name: age, "MUSTER_KEEP_AUDIT_DAYS": audit}
    if good:
        environment.read(asked)
    else:
        with pytest.raises(
            ImproperlyConfigured, match=f"^MUSTER_KEEP_AUDIT_DAYS must not be shorter than {name}"
        ):
            environment.read(asked)
