"""A million device ids: uploaded, checked, stored, composed; time and the whole process's peak of memory.

Each figure comes from a process of its own, which answers one request as the web process would, from a body on disk.
The baseline is what one would write first: csv.DictReader, a regular expression for each row, a set.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

from tests.bench.report import line, spread

IDS = 1_000_000
ROUNDS = 3
SECONDS, MEGABYTES = 3.0, 500
BOUNDARY = "muster-bench"


def run() -> None:
    with tempfile.TemporaryDirectory(prefix="muster-bench-ids-") as folder:
        files = _files(Path(folder))
        baselines = [_measured("baseline", files["fleet.csv"], folder) for _ in range(ROUNDS)]
        _print(f"baseline: DictReader, a regex a row, a set; {_size(files['fleet.csv'])}", baselines)
        for name, path in files.items():
            measured = [_measured("upload", path, folder) for _ in range(ROUNDS)]
            _print(f"uploaded and stored: {name}, {_size(path)}", measured, baselines)
        _print(
            "pasted as text (without JavaScript)", [_measured("paste", files["fleet.txt"], folder)], baselines
        )
        for act, words in ACTS.items():
            _print(words, [_measured(act, files["fleet.txt"], folder)], goal=False)


ACTS = {
    "preview": "a keystroke in another field, with the list kept",
    "redraw": "another target type chosen, with the list kept",
    "confirm": "the page that asks whether to send it",
    "compose": "sending it: task and request stored",
}


def _files(folder: Path) -> dict[str, Path]:
    """54 MB of CSV as people export it, one column of text, and Excel's Unicode text; 2 % of duplicates, few bad."""
    ids = [f"{n * 2654435761 % 2**32:08x}-91a3-4c44-9a0c-{n % 980_000:012x}" for n in range(IDS - 50)]
    ids = [f"{n * 2654435761 % 2**32:08x}{each[8:]}" for n, each in enumerate(ids)]
    ids[-19_950:] = ids[:19_950]
    rows = [f'"Meter {n}",{each},Hall-{n % 400}' for n, each in enumerate(ids)]
    texts = {
        "fleet.csv": ("name,deviceId,place\r\n" + "\r\n".join([*rows, *["x,bad\x07,y"] * 50])).encode(
            "utf-8-sig"
        ),
        "fleet.txt": "\n".join(ids).encode(),
        "excel.txt": ("deviceId\tplace\r\n" + "\r\n".join(f"{each}\tHall" for each in ids)).encode("utf-16"),
    }
    for name, text in texts.items():
        (folder / name).write_bytes(text)
    return {name: folder / name for name in texts}


def _measured(act: str, path: Path, folder: str) -> tuple[float, float, float]:
    """Seconds, peak megabytes, and megabytes before the act, of a process that does it once."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.ids", act, str(path), folder],
        capture_output=True, text=True, check=False, env=os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    figures = json.loads(done.stdout.splitlines()[-1])
    return figures["seconds"], figures["peak"], figures["before"]


def _print(words: str, measured: list[Any], baselines: list[Any] | None = None, *, goal: bool = True) -> None:
    seconds, peak = [each[0] for each in measured], max(each[1] for each in measured)
    against = (
        f"x{statistics.median(seconds) / statistics.median(each[0] for each in baselines):.2f}"
        if baselines
        else ""
    )
    met = statistics.median(seconds) <= SECONDS and peak <= MEGABYTES if baselines and goal else None
    line(words, f"{spread(seconds, ' s')}, peak {peak:.0f} MB", against, met=met)


def _size(path: Path) -> str:
    return f"{path.stat().st_size / 1e6:.0f} MB"


# What happens in a process of its own


def _child(act: str, path: Path, folder: str) -> None:
    import django

    django.setup()
    before = _peak()
    if act == "baseline":
        seconds = _timed(lambda: _baseline(path))
    else:
        seconds = _in_the_site(act, path, Path(folder))
    print(json.dumps({"seconds": seconds, "peak": _peak(), "before": before}))


def _timed(do: Callable[[], Any]) -> float:
    start = time.perf_counter()
    do()
    return time.perf_counter() - start


def _peak() -> float:
    """Megabytes; what getrusage tells a child counts its parent's too."""
    return int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1024  # type: ignore[index]


def _baseline(path: Path) -> None:
    pattern = re.compile(r"[^\x00-\x20\x7f-\xa0]{1,256}")
    good, bad = set(), []
    with path.open(encoding="utf-8-sig", newline="") as file:
        for number, row in enumerate(csv.DictReader(file), 2):
            if pattern.fullmatch(row["deviceId"]):
                good.add(row["deviceId"])
            else:
                bad.append(number)
    assert good


def _in_the_site(act: str, path: Path, folder: Path) -> float:
    """One request to the real views, as a superuser, with a database in a file."""
    from django.conf import settings
    from django.contrib.auth.models import User
    from django.core.handlers.wsgi import WSGIRequest
    from django.core.management import call_command
    from django.db import connection

    from dashboard.views import compose, confirm
    from tasks.models import Application, DeviceList, Task

    settings.ALLOWED_HOSTS.append("testserver")
    call_command("migrate", verbosity=0)
    user = User.objects.create(username="root", is_superuser=True)
    application = Application.objects.create(
        name="Plant", url="http://127.0.0.1:9", app_id="a", secret="", confirm_above=1_000_000
    )
    typed = {
        "application": application.pk, "name": "Night", "target_type": "DeviceList", "service_id": "Valve",
        "method": "CLOSE", "timeout": "60", "callback": "on",
    }  # fmt: skip

    def post(view: Any, fields: dict[str, Any], file: Path | None = None, **more: Any) -> Any:
        body = _body(fields, file, folder / f"body-{os.getpid()}")
        with body.open("rb") as stream:
            request: Any = WSGIRequest(
                {
                    "REQUEST_METHOD": "POST", "PATH_INFO": "/", "SERVER_NAME": "testserver", "SERVER_PORT": "80",
                    "CONTENT_TYPE": f"multipart/form-data; boundary={BOUNDARY}",
                    "CONTENT_LENGTH": str(body.stat().st_size), "wsgi.input": stream,
                }
            )  # fmt: skip
            request.user, request.htmx = user, False
            request._dont_enforce_csrf_checks = True
            answer = view(request, **more)
        body.unlink()
        assert answer.status_code in (200, 302), answer.content[:3000]
        return answer

    def upload() -> None:
        post(compose.compose, typed, path)

    def paste() -> None:
        post(compose.compose, typed | {"device_ids": path.read_text()})

    if act in ("upload", "paste"):
        seconds = _timed({"upload": upload, "paste": paste}[act])
        kept = DeviceList.objects.defer("text").get()
        assert (kept.count, kept.duplicates) == (IDS - 50 - 19_950, 19_950)
        return seconds
    # The list was made by another process, so that this one's peak is its own.
    subprocess.run(
        [sys.executable, "-c", KEEP.format(path=str(path), name=connection.settings_dict["NAME"])], check=True
    )
    fields = typed | {"device_list": DeviceList.objects.values_list("pk", flat=True).get()}
    if act == "preview":
        return _timed(lambda: post(confirm.preview, fields))
    if act == "redraw":
        return _timed(lambda: post(compose.compose, fields | {"target_type": "Broadcast"}))
    draft = UUID(post(compose.compose, fields | {"review": "1"}).url.split("/")[-2])
    if act == "confirm":
        from django.test import RequestFactory

        request: Any = RequestFactory().get("/")
        request.user, request.htmx = user, False
        return _timed(lambda: confirm.confirm(request, draft))
    seconds = _timed(lambda: post(confirm.confirm, {"typed": ""}, draft_id=draft))
    assert sum(Task.objects.values_list("expected", flat=True)) > 900_000
    return seconds


KEEP = """
import django
django.setup()
from django.db import connection
connection.settings_dict["NAME"] = {name!r}
from django.contrib.auth.models import User
from dashboard.forms import device_ids
with open({path!r}, "rb") as file:
    device_ids.keep(device_ids.parse_file("fleet.txt", file), User.objects.get(), "fleet.txt")
"""


def _body(fields: dict[str, Any], file: Path | None, path: Path) -> Path:
    """A multipart body on disk, so that the client's copy is not counted."""
    with path.open("wb") as body:
        for name, value in fields.items():
            body.write(
                f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
            )
        if file:
            head = f'Content-Disposition: form-data; name="device_file"; filename="{file.name}"'
            body.write(f"--{BOUNDARY}\r\n{head}\r\nContent-Type: text/plain\r\n\r\n".encode())
            with file.open("rb") as data:
                while piece := data.read(io.DEFAULT_BUFFER_SIZE * 64):
                    body.write(piece)
            body.write(b"\r\n")
        body.write(f"--{BOUNDARY}--\r\n".encode())
    return path


if __name__ == "__main__":
    _child(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
