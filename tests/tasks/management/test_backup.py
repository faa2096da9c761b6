"""backup, restore, restored: one moment of all databases, put back whole, and nothing sent twice by it."""

import datetime as dt
import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from django.db import connections
from django.utils import timezone

from tasks import lifecycle
from tasks.lifecycle.restored import REASON
from tasks.models import Attempt, Callback, Draft, Task
from tasks.states import FINAL, State
from tests.factories import AttemptFactory, TaskFactory, UserFactory
from tests.sandbox import Sandbox, running_sandbox
from tests.tasks.lifecycle.test_submit import created, sent

ROOT = Path(__file__).parents[3]
SECRET = "canary-s3cret-4711"
SEED = """
import sys
from django.core.management import call_command
from tasks.models import Application
from tests.factories import TaskFactory
call_command("migrate", verbosity=0)
application = Application.objects.create(
    name="Plant", url=sys.argv[1], app_id=sys.argv[2], secret=sys.argv[3], key_passphrase="canary-s3cret-4711")
TaskFactory(application=application, name="queued")
TaskFactory(application=application, name="submitting", state="SUBMITTING")
TaskFactory(application=application, name="complete", state="COMPLETE")
"""
WRITE = """
import django
django.setup()
from tasks import lifecycle
from tasks.models import Result, Task
task = Task.objects.get(name="complete")
n = 0
while True:
    n += 1
    Result.objects.bulk_create(Result(task=task, device_id=f"{n}-{m}") for m in range(10))
    lifecycle.receive([lifecycle.Arrival(task.callback_token, f"body {n}".encode())])
    if n == 3:
        print("writing", flush=True)
"""


READ = """
from tasks.models import Application
print(Application.objects.get().key_passphrase)
"""
SWEEP = """
from tasks import lifecycle
from tasks.models import Task
lifecycle.sweep()
for pk in Task.objects.values_list("pk", flat=True):
    lifecycle.submit(pk)
"""


class Host:
    """A machine of its own: a data folder, and manage.py beside nothing else."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        kept = {
            n: v for n, v in os.environ.items() if not n.startswith(("MUSTER_", "DATABASE_URL", "CELERY_"))
        }
        self.environment = kept | {
            "DJANGO_SETTINGS_MODULE": "dashboard.settings",
            "MUSTER_DATA_DIR": str(folder),
            "MUSTER_PUBLIC_URL": "http://127.0.0.1:8000",
            "PYTHONPATH": str(ROOT),
        }

    def run(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, ROOT / "manage.py", *map(str, arguments)]
        return subprocess.run(
            command, env=self.environment, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
        )

    def code(self, text: str, *arguments: object) -> str:
        command = [sys.executable, "-c", f"import django; django.setup()\n{text}", *map(str, arguments)]
        done = subprocess.run(
            command, env=self.environment, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def file(self, alias: str = "default") -> Path:
        return self.folder / f"{'muster' if alias == 'default' else alias}.sqlite3"

    def ask(self, sql: str) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(self.file())) as database:
            return database.execute(sql).fetchall()


def rows(file: Path) -> dict[str, int]:
    """Table -> its number of rows."""
    with closing(sqlite3.connect(file)) as database:
        tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        return {name: database.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for (name,) in tables}


@pytest.fixture(scope="module")
def platform() -> Iterator[Sandbox]:
    with running_sandbox(strict=True) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory, platform: Sandbox) -> Path:
    """A data folder with an application of the sandbox, and tasks in three states."""
    made = Host(tmp_path_factory.mktemp("seeded"))
    made.code(SEED, platform.url, platform.app_id, platform.secret)
    return made.folder


@pytest.fixture(scope="module")
def backup(seeded: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of that folder."""
    folder = tmp_path_factory.mktemp("backups") / "kept"
    done = Host(seeded).run("backup", folder)
    assert (done.returncode, done.stderr) == (0, "")
    return folder


@pytest.fixture
def kept(backup: Path, tmp_path: Path) -> Path:
    """A copy of it that may be spoilt."""
    return shutil.copytree(backup, tmp_path / "kept")


@pytest.fixture
def host(seeded: Path, tmp_path: Path) -> Host:
    shutil.copytree(seeded, tmp_path / "host")
    return Host(tmp_path / "host")


@pytest.fixture
def writing(host: Host) -> Iterator[None]:
    """Somebody writes all the time."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITE], env=host.environment, cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "writing\n"
        yield
        process.kill()


def clean(tmp_path: Path, like: Host) -> Host:
    """Another host, to which the secret key was copied."""
    made = Host(tmp_path / "clean")
    made.folder.mkdir()
    (made.folder / "secret-key").write_bytes((like.folder / "secret-key").read_bytes())
    return made


@pytest.mark.processes
@pytest.mark.usefixtures("writing")
def test_o07_a_backup_during_writes_comes_back_on_a_clean_host(
    host: Host, tmp_path: Path, platform: Sandbox
) -> None:
    """O07: whole, as of one moment, secrets readable, and what was being sent is in doubt, not sent."""
    done = host.run("backup", tmp_path / "kept")
    assert (done.returncode, done.stderr) == (0, "")
    assert "The secret key is not in it" in done.stdout
    copies = {alias: tmp_path / "kept" / f"{alias}.sqlite3" for alias in connections}
    assert {*(tmp_path / "kept").iterdir()} == {*copies.values(), tmp_path / "kept" / "backup.json"}
    snapshot = {alias: rows(copy) for alias, copy in copies.items()}
    assert snapshot["default"]["tasks_result"] % 10 == 0, "no transaction is torn"
    bodies = snapshot["inbox" if "inbox" in snapshot else "default"]["tasks_callback"]
    assert 0 < bodies <= snapshot["default"]["tasks_result"] // 10, "the inbox is copied first"
    other = clean(tmp_path, host)
    done = other.run("restore", tmp_path / "kept")
    assert (done.returncode, done.stderr) == (0, "")
    assert "2 tasks wait for a person" in done.stdout
    assert other.ask("PRAGMA integrity_check") == [("ok",)]
    snapshot["default"]["tasks_transition"] += 2
    snapshot["default"]["tasks_attempt"] += 2
    assert {alias: rows(other.file(alias)) for alias in connections} == snapshot
    states = dict(other.ask("SELECT name, state FROM tasks_task"))
    assert states == {"queued": "UNCONFIRMED", "submitting": "UNCONFIRMED", "complete": "COMPLETE"}
    assert other.code(READ).strip() == SECRET
    other.code(SWEEP)
    assert sent(platform) == 0


@pytest.mark.processes
def test_a_restore_replaces_nothing_unasked_and_keeps_what_it_replaced(
    host: Host, kept: Path, tmp_path: Path
) -> None:
    again = host.run("backup", kept)
    assert (again.returncode, "exists already" in again.stderr) == (1, True)
    with closing(sqlite3.connect(host.folder / "muster.sqlite3")) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("UPDATE tasks_task SET name = 'later' WHERE name = 'complete'")
        database.commit()
        for tail in ("-wal", "-shm"):  # as a crash leaves them
            file = host.folder / f"muster.sqlite3{tail}"
            (tmp_path / tail).write_bytes(file.read_bytes())
    for tail in ("-wal", "-shm"):
        (host.folder / f"muster.sqlite3{tail}").write_bytes((tmp_path / tail).read_bytes())
    refused = host.run("restore", kept)
    assert (refused.returncode, "Give --force to replace it" in refused.stderr) == (1, True)
    assert ("later",) in host.ask("SELECT name FROM tasks_task")
    done = host.run("restore", kept, "--force")
    assert (done.returncode, done.stderr) == (0, "")
    assert ("complete",) in host.ask("SELECT name FROM tasks_task")
    (before,) = host.folder.glob("muster.sqlite3.before-*Z")
    with closing(sqlite3.connect(before)) as database:
        assert ("later",) in database.execute("SELECT name FROM tasks_task").fetchall()


@pytest.mark.processes
def test_a_database_that_is_damaged_can_be_replaced(host: Host, kept: Path) -> None:
    (host.folder / "muster.sqlite3").write_bytes(b"not a database at all" * 1000)
    (host.folder / "muster.sqlite3-wal").write_bytes(b"nor is this")
    done = host.run("restore", kept, "--force")
    assert (done.returncode, done.stderr) == (0, "")
    assert len(host.ask("SELECT name FROM tasks_task")) == 3
    assert not (host.folder / "muster.sqlite3-wal").exists()


@pytest.mark.processes
@pytest.mark.usefixtures("writing")
def test_a_restore_refuses_while_muster_runs(host: Host, kept: Path) -> None:
    refused = host.run("restore", kept, "--force")
    assert refused.returncode == 1
    assert "is in use: stop Muster first" in refused.stderr


@pytest.mark.processes
def test_a_process_that_only_waits_for_bells_is_running_too(host: Host, kept: Path) -> None:
    with closing(sqlite3.connect(host.folder / "broker.sqlite3")) as broker:
        broker.execute("PRAGMA journal_mode=WAL")
        broker.execute("CREATE TABLE IF NOT EXISTS x (y)")
        refused = host.run("restore", kept, "--force")
    assert "broker.sqlite3 is in use" in refused.stderr
    assert host.run("restore", kept, "--force").returncode == 0


def torn(folder: Path) -> None:
    file = folder / "default.sqlite3"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 0xFF
    file.write_bytes(data)


def newer(folder: Path) -> None:
    file, manifest = folder / "default.sqlite3", folder / "backup.json"
    with closing(sqlite3.connect(file)) as database:
        database.execute(
            "INSERT INTO django_migrations (app, name, applied) VALUES ('tasks', '9999_future', '2030-01-01')"
        )
        database.commit()
    told = json.loads(manifest.read_text())
    told["sha256"]["default"] = hashlib.sha256(file.read_bytes()).hexdigest()
    manifest.write_text(json.dumps(told))


@pytest.mark.processes
@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda folder: (folder / "backup.json").unlink(), "is no backup of Muster"),
        (lambda folder: (folder / "backup.json").write_text("{"), "is no backup of Muster"),
        (lambda folder: (folder / "default.sqlite3").unlink(), "No such file or directory"),
        (torn, "its checksum differs"),
        (newer, "made by a newer Muster, which had tasks.9999_future"),
    ],
    ids=["no manifest", "half a manifest", "no database", "torn", "newer"],
)
def test_what_is_no_good_backup_is_refused_before_anything_changes(
    spoil: Callable[[Path], None], sentence: str, host: Host, kept: Path
) -> None:
    before = (host.folder / "muster.sqlite3").read_bytes()
    spoil(kept)
    refused = host.run("restore", kept, "--force")
    assert (refused.returncode, sentence in refused.stderr) == (1, True), refused.stderr
    assert (host.folder / "muster.sqlite3").read_bytes() == before


@pytest.mark.processes
def test_a_restore_without_the_key_is_refused(kept: Path, tmp_path: Path) -> None:
    stranger = Host(tmp_path / "stranger")
    refused = stranger.run("restore", kept)
    assert (refused.returncode, "put the key they were written with" in refused.stderr) == (1, True)
    assert not (stranger.folder / "muster.sqlite3").exists()


@pytest.mark.processes
def test_a_backup_that_cannot_be_written_leaves_nothing_behind(host: Host, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    failed = host.run("backup", tmp_path / "file" / "kept")
    assert failed.returncode == 1
    assert "failed" in failed.stderr
    assert "Traceback" not in failed.stderr


@pytest.mark.processes
def test_o06_a_full_disk_fails_a_backup_with_a_sentence_and_harms_nothing(host: Host, tmp_path: Path) -> None:
    """O06: as far as the limit of a file's size is like a full disk."""
    command = f"ulimit -f 100; exec {sys.executable} {ROOT}/manage.py backup {tmp_path}/kept"
    failed = subprocess.run(
        ["bash", "-c", command], env=host.environment, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )  # fmt: skip
    assert (failed.returncode, "failed: " in failed.stderr) == (1, True), failed.stderr
    assert "Traceback" not in failed.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["host"]
    assert host.ask("PRAGMA integrity_check") == [("ok",)]


# What a restored task may do


@pytest.mark.django_db
def test_o08_after_a_restore_nothing_is_sent_by_itself(sandbox, application, bells) -> None:
    """O08: whatever stood open when the backup was made waits for a person; what is final or running goes on."""
    tasks = {state: TaskFactory(application=application, state=state, listed=True) for state in State}
    probe = TaskFactory(application=application, probed=True)
    AttemptFactory(task=tasks[State.SUBMITTING], finished_at=None)
    application.lasting_names = True
    application.save()
    Draft.objects.create(author=UserFactory(), values={})
    assert lifecycle.restored() == 4
    for state in (State.QUEUED, State.SUBMITTING):
        task = Task.objects.get(pk=tasks[state].pk)
        assert (task.state, task.reason) == (State.UNCONFIRMED, REASON)
        attempt = task.attempts.get()
        assert (attempt.outcome, attempt.explanation) == ("outcome unknown", REASON)
        assert attempt.finished_at is not None
        assert task.transitions.last().from_state == state
    for state in (State.RUNNING, *FINAL):
        assert Task.objects.get(pk=tasks[state].pk).state == state
    assert not Draft.objects.exists()
    Task.objects.filter(state=State.UNCONFIRMED).update(poll_at=timezone.now())
    Attempt.objects.update(finished_at=timezone.now() - dt.timedelta(hours=1))
    lifecycle.sweep()
    for task in [*tasks.values(), probe]:
        lifecycle.seek_evidence(task.pk)
        lifecycle.submit(task.pk)
    assert sent(sandbox) == 0


@pytest.mark.django_db
def test_o08_an_answer_confirms_a_restored_task_by_itself(sandbox, application) -> None:
    task = TaskFactory(application=application, devices=["device-1"])
    lifecycle.restored()
    body = json.dumps({"deviceId": "device-1", "commandId": "c", "result": {"resultCode": "SENT"}}).encode()
    lifecycle.receive([lifecycle.Arrival(task.callback_token, body)])
    lifecycle.settle(task.pk)
    assert Task.objects.get(pk=task.pk).state == State.RUNNING
    assert Callback.objects.count() == 1


@pytest.mark.django_db
def test_o08_a_person_who_was_wrong_sends_nothing_twice(sandbox, application, admin) -> None:
    """The task ran since the backup; sent again, its name proves that it exists, and it is not called refused."""
    task = TaskFactory(application=application, devices=sandbox.devices(1))
    lifecycle.submit(task.pk)
    assert len(created(sandbox)) == 1
    Task.objects.filter(pk=task.pk).update(
        state=State.QUEUED, platform_task_id="", due_at=timezone.now(), fence=0, submitted_at=None
    )
    task.attempts.all().delete()
    lifecycle.restored()
    Attempt.objects.update(finished_at=timezone.now() - dt.timedelta(hours=1))
    lifecycle.resubmit(Task.objects.get(pk=task.pk), admin)
    lifecycle.submit(task.pk)
    assert Task.objects.get(pk=task.pk).state == State.RUNNING
    assert len(created(sandbox)) == 1
