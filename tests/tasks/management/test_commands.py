import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.contrib.auth.models import Permission, User
from django.core.management import call_command
from django.core.management.base import CommandError

from tasks import lifecycle
from tasks.management.commands.submit import EXIT_CODES
from tasks.management.door import DONE, FAILED, UNCONFIRMED, WAITING
from tasks.models import Application, Profile, Task
from tasks.sandbox.catalogue import packages
from tasks.states import State
from tests.factories import ApplicationFactory, AttemptFactory, ResultFactory, TaskFactory, request

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).parents[3]
SUMMARY = {"id", "state", "taskID", "error_code", "reason", "counts"}
CANARY = "canary-s3cret-4711"


@pytest.fixture
def manage(capsys):
    """Run a command; (exit code, stdout, stderr)."""

    def run(*args):
        try:
            call_command(*map(str, args))
            code = 0
        except SystemExit as leaving:
            code = leaving.code or 0
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


@pytest.fixture
def file(tmp_path):
    def write(content):
        path = tmp_path / "request.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return write


# application


def created(manage, monkeypatch, *more):
    monkeypatch.setenv("SECRET", CANARY)
    return manage(
        "application",
        "Plant",
        "--url",
        "https://p.example:8743",
        "--app-id",
        "app1",
        "--secret-env",
        "SECRET",
        *more,
    )


def test_an_application_is_created_and_updated(manage, monkeypatch):
    code, out, err = created(manage, monkeypatch, "--calls-per-minute", 50, "--unfinished-limit", 1)
    assert (code, out, err) == (0, "Created application Plant.\n", "")
    stored = Application.objects.get()
    assert (stored.url, stored.app_id, stored.secret) == ("https://p.example:8743", "app1", CANARY)
    assert (stored.calls_per_minute, stored.unfinished_limit) == (50, 1)
    assert manage("application", "Plant", "--calls-per-minute", 70)[:2] == (0, "Updated application Plant.\n")
    stored.refresh_from_db()
    assert (stored.secret, stored.calls_per_minute, stored.unfinished_limit) == (CANARY, 70, 1)


def test_an_application_is_told_in_json_without_its_secret(manage, monkeypatch):
    code, out, err = created(manage, monkeypatch, "--json")
    assert code == 0
    assert json.loads(out) == {"id": Application.objects.get().pk, "name": "Plant", "created": True}
    assert CANARY not in out + err


def test_the_stored_secret_is_not_sent_to_another_address(manage, monkeypatch):
    """X09"""
    created(manage, monkeypatch)
    code, _, err = manage("application", "Plant", "--url", "https://evil.example:8743")
    assert code == 2
    assert err.startswith("--secret-env: ")
    assert Application.objects.get().url == "https://p.example:8743"


@pytest.mark.parametrize(
    ("more", "path"),
    [
        (["--url", "http://p.example:1"], "url: "),
        (["--url", "https://u:p@p.example:1"], "url: "),
        (["--url", "ftp://p"], "url: "),
        (["--app-id", "a" * 65], "app_id: "),
        (["--calls-per-minute", 0], "calls_per_minute: "),
        (["--unfinished-limit", 0], "unfinished_limit: "),
        (["--ca", "/no/such/file"], "ca: "),
        (["--key", "/no/such/file"], "key: "),
        (["--secret-env", "NOT_SET"], "--secret-env: "),
    ],
)
def test_an_application_that_cannot_work_is_refused(manage, monkeypatch, more, path):
    code, out, err = created(manage, monkeypatch, *more)
    assert (code, out) == (2, "")
    assert any(line.startswith(path) for line in err.splitlines()), err
    assert CANARY not in err
    assert not Application.objects.exists()


def test_what_a_new_application_needs_is_asked_for_at_once(manage):
    code, _, err = manage("application", "Plant")
    assert code == 2
    assert [line.split(":")[0] for line in err.splitlines()] == ["--url", "--app-id", "--secret-env"]


# submit


@pytest.fixture
def ready(operator, superuser):
    return ApplicationFactory(name="Plant")


def test_a_request_becomes_a_task(manage, file, ready, superuser):
    code, out, err = manage("submit", file(request()), "--application", "Plant")
    task = Task.objects.get()
    assert (code, out, err) == (0, f"{task.pk}\n", "")
    assert (task.author, task.state) == (superuser, State.QUEUED)
    assert task.callback_token


def test_a_task_is_told_in_json(manage, file, ready, operator):
    code, out, _ = manage(
        "submit", file(request()), "--application", "Plant", "--user", "operator", "--json", "--no-callback"
    )
    task = Task.objects.get()
    assert code == 0
    assert json.loads(out) == {
        "id": task.pk,
        "state": "QUEUED",
        "taskID": None,
        "error_code": None,
        "reason": "waiting for a worker",
        "counts": {"expected": 3},
    }
    assert (task.author, task.callback_token) == (operator, None)


def test_duplicates_are_told(manage, file, ready):
    _, _, err = manage(
        "submit", file(request(param={"deviceList": ["a", "a", "b"]})), "--application", "Plant"
    )
    assert err == "param.deviceList: 1 duplicates removed\n"


def test_every_error_is_told_with_its_path(manage, file, ready):
    asked = request(
        taskName="", timeout="10", param={"deviceList": ["a", "b", "c", " "], "callbackUrl": "http://x:1"}
    )
    code, out, err = manage("submit", file(asked), "--application", "Plant")
    assert (code, out) == (2, "")
    assert {line.split(": ")[0] for line in err.splitlines()} == {
        "taskName",
        "timeout",
        "param.deviceList[3]",
        "param.callbackUrl",
    }
    assert not Task.objects.exists()


def test_errors_are_told_in_json_too(manage, file, ready):
    code, out, err = manage("submit", file(request(timeout=9)), "--application", "Plant", "--json")
    assert code == 2
    assert [error["path"] for error in json.loads(out)["errors"]] == ["timeout"]
    assert err.startswith("timeout: ")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", ":1:1"),
        ("{", ":1:2"),
        ("[1]", "must be a JSON object"),
        ("null", "must be a JSON object"),
        ('{"timeout": NaN}', "NaN"),
        ('{"a": 1, "a": 2}', "twice"),
        ('{"a": ' + "[" * 1000 + "]" * 1000 + "}", "nested"),
        ('{"a": "\\ud800"}', "a"),
    ],
)
def test_what_is_not_the_json_that_can_be_sent_is_refused(manage, file, ready, text, told):
    """S35"""
    code, out, err = manage("submit", file(text), "--application", "Plant")
    assert (code, out) == (2, "")
    assert told in err
    assert "Traceback" not in err


def test_a_file_that_is_not_there_is_a_sentence(manage, ready, tmp_path):
    for path in (tmp_path / "nothing.json", tmp_path):
        code, _, err = manage("submit", path, "--application", "Plant")
        assert code == 2
        assert "cannot be read" in err


def test_unknown_names_are_refused(manage, file, ready, auditor):
    for options, told in (
        (["--application", "Nowhere"], "--application: there is no application 'Nowhere'"),
        (["--application", "Plant", "--user", "nobody"], "--user: "),
        (["--application", "Plant", "--user", "auditor"], "--user: 'auditor' may not compose tasks"),
    ):
        code, _, err = manage("submit", file(request()), *options)
        assert code == 2
        assert err.startswith(told)
    with pytest.raises(CommandError, match="--application"):
        call_command("submit", "x.json")
    assert not Task.objects.exists()


def test_the_request_may_come_on_standard_input(manage, ready, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(json.dumps(request()).encode())))
    assert manage("submit", "-", "--application", "Plant")[0] == 0
    assert Task.objects.get().name == "night valves"


@pytest.mark.parametrize(
    ("state", "until", "code"),
    [
        (State.COMPLETE, "final", 0),
        (State.RUNNING, "submitted", 0),
        (State.COMPLETE, "submitted", 0),
        (State.TIMED_OUT, "submitted", 0),
        (State.REFUSED, "final", 1),
        (State.REFUSED, "submitted", 1),
        (State.TIMED_OUT, "final", 1),
        (State.CANCELLED, "final", 1),
        (State.QUEUED, "final", 3),
        (State.QUEUED, "submitted", 3),
        (State.RUNNING, "final", 3),
        (State.SUBMITTING, "submitted", 3),
        (State.UNCONFIRMED, "final", 4),
        (State.UNCONFIRMED, "submitted", 4),
    ],
)
def test_the_exit_code_tells_how_it_stands(manage, file, ready, state, until, code, monkeypatch):
    def compose(*args, **kwargs):
        return [TaskFactory(application=ready, state=state)]  # as if workers had been at it

    monkeypatch.setattr(lifecycle, "compose_family", compose)
    left, out, _ = manage(
        "submit", file(request()), "--application", "Plant", "--wait", 0.2, "--until", until, "--json"
    )
    assert left == code
    told = json.loads(out)
    assert set(told) == SUMMARY
    assert told["state"] == state


def test_a_list_over_the_size_is_submitted_as_a_family_one_id_a_line(manage, file, ready, settings):
    settings.FAMILY_DEVICES = 2
    asked = file(request(param={"deviceList": ["a", "b", "c"]}))
    code, out, _ = manage("submit", asked, "--application", "Plant")
    tasks = list(Task.objects.order_by("pk"))
    assert (code, out.split()) == (0, [str(task.pk) for task in tasks])
    assert [task.expected for task in tasks] == [2, 1]
    again = ("submit", asked, "--application", "Plant", "--json", "--acknowledge", "on-its-way")
    told = json.loads(manage(*again)[1])
    assert set(told) == {"family", "tasks"}
    assert [set(each) for each in told["tasks"]] == [SUMMARY] * 2


def test_a_table_of_values_is_submitted_by_the_function_behind_the_form(manage, file, ready, tmp_path):
    table = tmp_path / "values.csv"
    table.write_text("deviceId,period\na,5\nb,6\nc,5\n")
    asked = request(command={"paras": {"unit": "s"}})
    del asked["param"]["deviceList"]
    code, out, err = manage("submit", file(asked), "--application", "Plant", "--values", table)
    assert (code, err) == (0, "")
    sent = [json.loads(task.request_body)["param"] for task in Task.objects.order_by("pk")]
    assert [(each["deviceList"], each["command"]["paras"]) for each in sent] == [
        (["a", "c"], {"unit": "s", "period": 5}),
        (["b"], {"unit": "s", "period": 6}),
    ]
    assert len(out.split()) == 2


def test_values_are_checked_by_the_profile_and_every_bad_cell_is_named(manage, file, ready, tmp_path):
    for name, package in packages().items():
        (tmp_path / name).write_bytes(package)
        manage("profile", tmp_path / name)
    table = tmp_path / "values.csv"
    table.write_text("deviceId,value\na,CLOSE\nb,HALF\n,OPEN\n")
    asked = file(request(command={"serviceId": "Valve", "method": "SET_VALVE", "paras": {}}))
    options = ("submit", asked, "--application", "Plant", "--values", table)
    code, _, err = manage(*options, "--profile", "WaterMeter/Muster/MW100")
    assert (code, Task.objects.count()) == (2, 0)
    assert f"{table}:3:value: must be one of" in err
    assert f"{table}:4:deviceId: must not be blank" in err
    assert "there is no profile 'x'; there are: " in manage(*options, "--profile", "x")[2]
    other = "SmartLock/Muster/LK7"
    assert "has no command 'SET_VALVE'" in manage(*options, "--profile", other)[2]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"PK\x03\x04", "not a text file"),
        (b"a,b\n", "The first line must name the columns"),
        (None, "cannot be read"),
    ],
)
def test_a_table_that_cannot_be_read_says_why(content, said, manage, file, ready, tmp_path):
    table = tmp_path / "values.csv"
    if content is not None:
        table.write_bytes(content)
    code, _, err = manage("submit", file(request()), "--application", "Plant", "--values", table)
    assert (code, Task.objects.count()) == (2, 0)
    assert said in err


def test_of_several_tasks_the_gravest_outcome_is_the_exit_code(manage, file, ready, settings, monkeypatch):
    settings.FAMILY_DEVICES = 1
    asked = file(request(param={"deviceList": ["a", "b"]}))
    made = lifecycle.compose_family

    def compose(*args, **named):
        tasks = made(*args, **named)
        Task.objects.filter(pk=tasks[0].pk).update(state=State.COMPLETE)
        Task.objects.filter(pk=tasks[1].pk).update(state=State.REFUSED)
        return tasks

    monkeypatch.setattr(lifecycle, "compose_family", compose)
    code, out, _ = manage("submit", asked, "--application", "Plant", "--wait", 5)
    assert code == FAILED
    assert [line.split()[1] for line in out.splitlines()] == ["COMPLETE", "REFUSED"]


# show, history, profile


def test_a_task_is_shown_with_its_story(manage):
    task = TaskFactory(state=State.RUNNING, platform_task_id="t1", counts={"": 1, "SUCCESSFUL": 2})
    AttemptFactory(task=task, outcome="created", http_status=200)
    code, out, _ = manage("show", task.pk, "--json")
    told = json.loads(out)
    assert code == 0
    assert set(told) == SUMMARY | {"transitions", "attempts", "results"}
    assert (told["taskID"], told["counts"]) == ("t1", {"expected": 3, "SUCCESSFUL": 2})
    assert told["results"] == {"NO_ANSWER": 1, "SUCCESSFUL": 2}
    assert [row["to"] for row in told["transitions"]] == ["RUNNING"]
    assert told["attempts"][0]["http_status"] == 200
    code, out, _ = manage("show", task.pk)
    assert (code, "attempt 1: created" in out) == (0, True)
    assert task.callback_token not in out


def test_a_task_that_is_not_there_is_a_sentence(manage):
    assert manage("show", 4711, "--json") == (2, "", "id: there is no task 4711\n")


def test_the_history_is_newest_first_and_bounded(manage, django_assert_max_num_queries):
    tasks = [TaskFactory() for _ in range(5)]
    with django_assert_max_num_queries(1):
        code, out, _ = manage("history", "--json", "--limit", 3)
    told = json.loads(out)
    assert code == 0
    assert [row["id"] for row in told] == [task.pk for task in tasks[:1:-1]]
    assert set(told[0]) >= SUMMARY
    assert len(manage("history")[1].splitlines()) == 5
    assert manage("history", "--limit", 0)[0] == 2


def test_profiles_are_imported_and_bad_files_named(manage, tmp_path):
    good, bad = tmp_path / "good.zip", tmp_path / "bad.zip"
    good.write_bytes(next(iter(packages().values())))
    bad.write_bytes(b"PK\x03\x04")
    code, out, err = manage("profile", good, bad, tmp_path / "missing.json")
    assert code == 2
    assert out.startswith("Imported ")
    assert [line.split(": ")[0] for line in err.splitlines()] == [str(bad), str(tmp_path / "missing.json")]
    assert Profile.objects.count() == 1
    assert manage("profile", good)[0] == 0


# As a process


@pytest.mark.processes
def test_scripts_see_exit_codes_json_and_errors_on_their_own_channels(tmp_path):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MUSTER_")}
    environment |= {
        "DJANGO_SETTINGS_MODULE": "dashboard.settings",
        "DATABASE_URL": "",
        "CELERY_BROKER_URL": "",
        "MUSTER_DATA_DIR": str(tmp_path),
        "SECRET": CANARY,
        "DJANGO_SUPERUSER_PASSWORD": "a-good-long-password",
    }

    def run(*args, stdin=""):
        return subprocess.run(
            [sys.executable, ROOT / "manage.py", *args],
            input=stdin,
            capture_output=True,
            text=True,
            env=environment,
            cwd=tmp_path,
            timeout=60,
            check=False,
        )

    assert run("migrate", "-v0").returncode == 0
    assert (
        run("createsuperuser", "--noinput", "--username", "root", "--email", "r@example.com").returncode == 0
    )
    made = run(
        "application", "Plant", "--url", "http://127.0.0.1:9", "--app-id", "a", "--secret-env", "SECRET"
    )
    assert (made.returncode, made.stderr) == (0, "")
    asked = json.dumps(request(param={"deviceList": ["a", "b", "c", ""]}))
    bad = run("submit", "-", "--application", "Plant", "--json", stdin=asked)
    assert bad.returncode == 2
    assert bad.stderr.startswith("param.deviceList[3]: ")
    queued = run(
        "submit", "-", "--application", "Plant", "--json", "--wait", "0.2", stdin=json.dumps(request())
    )
    assert queued.returncode == 3, queued.stderr
    assert set(json.loads(queued.stdout)) == SUMMARY
    shown = run("show", "1", "--json")
    assert (shown.returncode, json.loads(shown.stdout)["state"]) == (0, "QUEUED")
    assert CANARY not in "".join(done.stdout + done.stderr for done in (made, bad, queued, shown))
    for path in tmp_path.iterdir():
        assert CANARY.encode() not in path.read_bytes()


# What goes before others, and how a wait can end


@pytest.mark.parametrize(("given", "priority"), [([], 0), (["--priority", 0], 0), (["--priority", 1], 1)])
def test_a_task_may_go_before_others(manage, file, ready, given, priority):
    manage("submit", file(request()), "--application", "Plant", "--user", "operator", *given)
    assert Task.objects.get().priority == priority


def test_who_may_not_put_a_task_before_others_is_told(manage, file, ready):
    member = User.objects.create_user("composer")
    member.user_permissions.add(Permission.objects.get(codename="add_task"))
    asked = ("submit", file(request()), "--application", "Plant", "--user", "composer")
    code, _, err = manage(*asked, "--priority", 1)
    assert code == 2
    assert err == "--priority: 'composer' may not put a task before others\n"
    assert not Task.objects.exists()
    assert manage(*asked)[0] == 0


@pytest.mark.parametrize("state", State)
def test_a_wait_ends_with_a_code_for_every_state(state):
    assert EXIT_CODES[state] in (DONE, FAILED, UNCONFIRMED, WAITING)
    assert (EXIT_CODES[state] == DONE) == (state == State.COMPLETE)


# rerun


@pytest.fixture
def half_failed(db):
    task = TaskFactory(
        state=State.COMPLETE, devices=["a", "b", "c"], counts={"FAILED": 2, "SUCCESSFUL": 1}, listed=True
    )
    for device, status in {"a": "FAILED", "b": "SUCCESSFUL", "c": "FAILED"}.items():
        ResultFactory(task=task, device_id=device, status=status)
    return task


def test_a_task_is_rerun_on_its_failed_devices(manage, half_failed, superuser):
    code, out, err = manage("rerun", half_failed.pk, "--outcomes", "failed", "--name", "again")
    new = half_failed.reruns.get()
    assert (code, out, err) == (0, f"{new.pk}\n", "")
    assert json.loads(new.request_body)["param"]["deviceList"] == ["a", "c"]
    assert (new.name, new.rerun_outcomes, new.author) == ("again", ["failed"], superuser)


def test_a_rerun_tells_in_json_what_it_did_and_who_was_before(manage, half_failed, superuser):
    manage("rerun", half_failed.pk, "--outcomes", "failed")
    first = half_failed.reruns.get()
    code, out, err = manage("rerun", half_failed.pk, "--outcomes", "failed", "--json")
    told = json.loads(out)
    assert (code, told["rerun_of"], told["devices"], told["earlier"]) == (0, half_failed.pk, 2, [first.pk])
    assert set(told) == SUMMARY | {"rerun_of", "devices", "earlier"}
    assert f"#{first.pk}" in err


def test_a_dry_run_only_counts(manage, half_failed, superuser):
    assert manage("rerun", half_failed.pk, "--outcomes", "failed", "--dry-run")[:2] == (0, "2 devices\n")
    assert not half_failed.reruns.exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["999", "--outcomes", "failed"], "id: there is no task 999"),
        (["{}", "--outcomes", "failed,odd"], "--outcomes: 'odd' is none of failed, timed-out, "),
        (["{}", "--outcomes", "expired"], "--outcomes: No device is expired."),
        (["{}", "--outcomes", ","], "--outcomes: Choose "),
        (["{}", "--outcomes", "failed", "--user", "nobody"], "--user: there is no user 'nobody'"),
        (["{}", "--outcomes", "failed", "--name", "x" * 257], "taskName: "),
    ],
)
def test_a_rerun_that_cannot_be_says_why(manage, half_failed, superuser, arguments, said):
    code, out, err = manage("rerun", *(part.format(half_failed.pk) for part in arguments))
    assert (code, out) == (2, "")
    assert err.startswith(said)
    assert not half_failed.reruns.exists()
