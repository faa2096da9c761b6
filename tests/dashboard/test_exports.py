"""Exports: what the filter shows, safe for spreadsheets, with types for programs, streamed in bounded memory."""

import csv
import datetime as dt
import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.http import StreamingHttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from dashboard import columns, export
from dashboard.export import FORMULA_STARTS, MOST_AT_ONCE, Busy, cell, csv_of, download
from tasks.models import Application, Result, Task
from tasks.states import State
from tests.factories import ResultFactory, TaskFactory

from .pages import text_of, words

pytestmark = pytest.mark.django_db

RESULT_NAMES = [
    "device_id", "command_id", "status", "answer", "error_code", "error", "source", "unexpected", "conflict",
    "sent_utc", "delivered_utc", "finished_utc",
]  # fmt: skip
TASK_NAMES = [
    "id", "name", "application", "operator", "target_type", "service", "command", "state", "reason", "taskID",
    "error_code", "devices", "final_answers", "successful", "failed", "created_utc", "submitted_utc",
    "finished_utc", "results_pruned_utc",
]  # fmt: skip


def text(answer: Any) -> str:
    return b"".join(answer).decode("utf-8")


def table(answer: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text(answer).removeprefix("\ufeff"))))


def leave(answer: Any) -> None:
    """What a server does at the end, but for the signal at which Django would close the tests' connection."""
    for close in answer._resource_closers:
        close()


def objects(answer: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text(answer).splitlines()]


# Cells


@pytest.mark.parametrize("start", FORMULA_STARTS)
def test_no_cell_can_start_a_formula(start: str) -> None:
    """C33."""
    assert cell(f"{start}cmd|' /C calc'!A0") == f"'{start}cmd|' /C calc'!A0"


@given(st.text())
def test_every_text_comes_back_from_the_export_and_none_starts_a_formula(given_text: str) -> None:
    """C33, for any text, through a reader of CSV."""
    written = text(export.parts("csv", ["a", "b"], [[(given_text, 1)]]))
    rows = list(csv.reader(io.StringIO(written.removeprefix("\ufeff"), newline="")))
    assert len(rows) == 2
    read = rows[1][0]
    shown = given_text.encode("utf-8", "backslashreplace").decode()
    assert read in (shown, "'" + shown)
    assert not read.startswith(FORMULA_STARTS)


def test_an_export_of_a_hostile_task_is_harmless(desk: Client, site_app: Application) -> None:
    """C33: name, device id and answer."""
    task = TaskFactory(name="=1+1", application=site_app, state=State.RUNNING)
    ResultFactory(
        task=task, device_id="@SUM(A1)", status="FAILED", error_text="-2+3", error_code="+1", detail="=x"
    )
    for path in ("/tasks.csv", f"/tasks/{task.pk}/results.csv"):
        for row in csv.reader(io.StringIO(text(desk.get(path)).removeprefix("\ufeff"))):
            assert not [value for value in row if value.startswith(FORMULA_STARTS)]
    assert "'=1+1" in text(desk.get("/tasks.csv"))
    (row,) = table(desk.get(f"/tasks/{task.pk}/results.csv"))
    assert (row["device_id"], row["answer"], row["error"], row["error_code"]) == (
        "'@SUM(A1)",
        "'=x",
        "'-2+3",
        "'+1",
    )


# What is in it


def test_the_names_of_the_columns_never_change(desk: Client, site_app: Application) -> None:
    task = TaskFactory(application=site_app)
    for path, names in (("/tasks", TASK_NAMES), (f"/tasks/{task.pk}/results", RESULT_NAMES)):
        assert text(desk.get(f"{path}.csv")).splitlines()[0] == "\ufeff" + ",".join(names)
    ResultFactory(task=task)
    for path, names in (("/tasks", TASK_NAMES), (f"/tasks/{task.pk}/results", RESULT_NAMES)):
        assert list(objects(desk.get(f"{path}.jsonl"))[0]) == names


@pytest.mark.parametrize(("form", "kind"), [("csv", "text/csv"), ("jsonl", "application/x-ndjson")])
def test_an_export_is_a_download_with_a_name(
    form: str, kind: str, desk: Client, site_app: Application
) -> None:
    task = TaskFactory(application=site_app)
    for path, name in (("/tasks", "muster-tasks"), (f"/tasks/{task.pk}/results", f"muster-task-{task.pk}")):
        answer = desk.get(f"{path}.{form}")
        assert answer["Content-Disposition"] == f'attachment; filename="{name}.{form}"'
        assert answer["Content-Type"] == f"{kind}; charset=utf-8"


def test_json_lines_keep_types_and_times_are_utc(desk: Client, site_app: Application) -> None:
    at = dt.datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=dt.timezone(dt.timedelta(hours=8)))
    task = TaskFactory(
        application=site_app, state=State.COMPLETE, counts={"SUCCESSFUL": 2, "FAILED": 1, "SENT": 4}
    )
    ResultFactory(
        task=task, device_id="-1", status="SUCCESSFUL", detail={"n": 1.5, "ok": True, "wert": "größer"}, conflict=True,
        finished_at=at,
    )  # fmt: skip
    (row,) = objects(desk.get(f"/tasks/{task.pk}/results.jsonl"))
    assert row["device_id"] == "-1"
    assert row["answer"] == {"n": 1.5, "ok": True, "wert": "größer"}
    assert (row["conflict"], row["unexpected"], row["sent_utc"]) == (True, False, None)
    assert row["finished_utc"] == "2026-03-01T04:00:00.250000Z"
    (row,) = table(desk.get(f"/tasks/{task.pk}/results.csv"))
    assert json.loads(row["answer"]) == {"n": 1.5, "ok": True, "wert": "größer"}
    assert (row["finished_utc"], row["sent_utc"], row["conflict"]) == ("2026-03-01T04:00:00Z", "", "True")
    (row,) = objects(desk.get("/tasks.jsonl"))
    assert (row["id"], row["devices"], row["final_answers"], row["successful"], row["failed"]) == (
        task.pk,
        3,
        3,
        2,
        1,
    )


def test_half_a_character_is_named_and_does_not_end_the_export() -> None:
    """C21."""
    assert json.loads(text(export.parts("jsonl", ["a"], [[("\ud800",)]]))) == {"a": "\ud800"}
    assert "\\ud800" in text(export.parts("csv", ["a"], [[("\ud800",)]]))


def test_an_export_holds_what_the_filter_shows(desk: Client, site_app: Application) -> None:
    task, other = (TaskFactory(application=site_app, state=State.COMPLETE) for _ in range(2))
    for number in range(7):
        ResultFactory(task=task, device_id=f"m-{number}", status="FAILED" if number % 2 else "")
    ResultFactory(task=other, device_id="m-9", status="FAILED")
    base = f"/tasks/{task.pk}/results"
    assert [row["device_id"] for row in objects(desk.get(f"{base}.jsonl", {"status": "FAILED"}))] == [
        "m-1",
        "m-3",
        "m-5",
    ]
    assert [
        row["device_id"] for row in table(desk.get(f"{base}.csv", {"status": "none", "device": "m-4"}))
    ] == ["m-4"]
    page = text_of(desk.get(f"/tasks/{task.pk}/", {"status": "FAILED"}))
    assert f'href="{base}.csv?status=FAILED"' in page
    assert f'href="{base}.jsonl?status=FAILED"' in page
    assert [row["id"] for row in objects(desk.get("/tasks.jsonl", {"text": f"#{task.pk}"}))] == [task.pk]
    fragment = text_of(desk.get("/tasks/", {"state": "COMPLETE"}, HTTP_HX_REQUEST="true"))
    assert 'href="/tasks.csv?state=COMPLETE"' in fragment, "the link follows the filter without a new page"


def test_an_export_of_nothing_is_its_heading(desk: Client, site_app: Application) -> None:
    task = TaskFactory(application=site_app)
    assert text(desk.get(f"/tasks/{task.pk}/results.csv")) == "\ufeff" + ",".join(RESULT_NAMES) + "\r\n"
    assert text(desk.get(f"/tasks/{task.pk}/results.jsonl")) == ""
    assert desk.get("/tasks/4711/results.csv").status_code == 404


def test_pruned_results_are_told_and_not_taken_for_none(desk: Client, site_app: Application) -> None:
    task = TaskFactory(
        application=site_app, state=State.COMPLETE, counts={"SUCCESSFUL": 3}, results_pruned_at=timezone.now()
    )
    for form in ("csv", "jsonl"):
        answer = desk.get(f"/tasks/{task.pk}/results.{form}")
        assert answer.status_code == 410
        assert "The results were pruned" in words(answer)
    page = words(desk.get(f"/tasks/{task.pk}/"))
    assert f"The results were pruned on {timezone.now():%Y-%m-%d}" in page
    assert "3 of 3 devices gave a final answer" in page
    assert table(desk.get("/tasks.csv"))[0]["results_pruned_utc"].startswith(f"{timezone.now():%Y-%m-%d}")


# How it is written


def test_a_chunk_is_read_only_when_the_one_before_was_taken(
    site_app: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(columns, "CHUNK", 10)
    task = TaskFactory(application=site_app)
    Result.objects.bulk_create(Result(task=task, device_id=f"m-{number:02}") for number in range(25))
    found = columns.chunks(task.results.order_by("id"), columns.RESULTS)
    seen, asked = [], []
    while True:
        with CaptureQueriesContext(connection) as queries:
            rows = next(found, None)
        if rows is None:
            break
        seen += [row[0] for row in rows]
        asked.append(len(queries))
    assert seen == [f"m-{number:02}" for number in range(25)]
    assert asked == [1, 1, 1]
    assert not queries.captured_queries, "the last chunk was not full, so nothing can follow"


@pytest.mark.parametrize("order", ["id", "-id"])
@pytest.mark.parametrize("count", [0, 1, 9, 10, 11, 20, 21])
def test_every_row_is_exported_once_both_ways(
    count: int, order: str, site_app: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(columns, "CHUNK", 10)
    task = TaskFactory(application=site_app)
    Result.objects.bulk_create(Result(task=task, device_id=f"m-{number:02}") for number in range(count))
    found = [row[0] for rows in columns.chunks(task.results.order_by(order), columns.RESULTS) for row in rows]
    wanted = [f"m-{number:02}" for number in range(count)]
    assert found == (wanted if order == "id" else wanted[::-1])


def test_an_export_leaves_the_large_request_unread(desk: Client, site_app: Application) -> None:
    TaskFactory(application=site_app)
    with CaptureQueriesContext(connection) as queries:
        text(desk.get("/tasks.csv"))
    assert not [each["sql"] for each in queries if "request_body" in each["sql"]]


def test_an_export_ends_when_its_reader_has_gone() -> None:
    read, gone = [], []

    def chunks() -> Any:
        for number in range(1000):
            read.append(number)
            yield [(number,)]

    answer = download("x", "csv", ("number",), chunks(), is_over=lambda: bool(gone))
    parts = iter(answer)
    assert next(parts) == "\ufeffnumber\r\n".encode()
    assert next(parts) == b"0\r\n"
    assert read == [0]
    gone.append(True)
    assert list(parts) == []
    assert len(read) <= 2
    assert isinstance(answer, StreamingHttpResponse)
    leave(answer)


def test_exports_beyond_the_places_are_asked_to_come_again(desk: Client, site_app: Application) -> None:
    TaskFactory(application=site_app)
    running = [download("x", "csv", ("a",), [[(1,)]]) for _ in range(MOST_AT_ONCE)]
    answer = desk.get("/tasks.csv")
    assert answer.status_code == 503
    assert answer["Retry-After"] == "10"
    assert "try again in ten seconds" in words(answer)
    assert b"".join(running[0])  # read to its end
    answer = desk.get("/tasks.csv")
    assert answer.status_code == 200
    leave(answer)
    leave(running[1])  # never read at all
    answers = [desk.get("/tasks.csv") for _ in range(2)]
    assert [each.status_code for each in answers] == [200, 200]
    with pytest.raises(Busy):
        download("x", "csv", ("a",), [])
    for each in [*running, *answers]:
        leave(each)
    assert desk.get("/tasks.csv").status_code == 200


def test_a_short_list_is_a_whole_answer() -> None:
    assert csv_of("bad.csv", ("line", "text"), [(1, "=x"), (2, 'a"b')]).content == (
        '\ufeffline,text\r\n1,\'=x\r\n2,"a""b"\r\n'.encode()
    )


def test_every_task_is_exported_newest_first(desk: Client, site_app: Application) -> None:
    made = [TaskFactory(application=site_app) for _ in range(3)]
    Task.objects.filter(pk=made[0].pk).update(created_at=dt.datetime(2026, 3, 1, 23, 59, 59, tzinfo=dt.UTC))
    rows = table(desk.get("/tasks.csv"))
    assert [row["id"] for row in rows] == [str(task.pk) for task in reversed(made)]
    assert rows[-1]["created_utc"] == "2026-03-01T23:59:59Z"


@pytest.mark.parametrize("role", ["operator", "auditor", "admin", "superuser"])
def test_no_export_shows_a_secret(
    role: str, browser_of: Callable[..., Client], site_app: Application
) -> None:
    """C38."""
    task = TaskFactory(application=site_app)
    ResultFactory(task=task)
    for path in ("/tasks", f"/tasks/{task.pk}/results"):
        for form in export.FORMATS:
            shown = text(browser_of(role).get(f"{path}.{form}"))
            assert task.callback_token not in shown
            assert site_app.secret not in shown


# For scripts


@pytest.fixture
def written(capfdbinary: pytest.CaptureFixture[bytes]) -> Callable[..., bytes]:
    def run(*arguments: str) -> bytes:
        call_command("export", *arguments)
        return capfdbinary.readouterr().out

    return run


def test_the_command_writes_what_the_page_exports(
    written: Callable[..., bytes], desk: Client, site_app: Application
) -> None:
    task = TaskFactory(application=site_app, state=State.COMPLETE)
    for number in range(3):
        ResultFactory(task=task, device_id=f"größe-{number}", status="FAILED" if number else "")
    for form in export.FORMATS:
        asked = ("--format", form, "--filter", "status=FAILED")
        page = desk.get(f"/tasks/{task.pk}/results.{form}", {"status": "FAILED"})
        assert written(str(task.pk), *asked) == b"".join(page)
        page = desk.get(f"/tasks.{form}", {"state": "COMPLETE"})
        assert written("history", "--format", form, "--filter", "state=COMPLETE") == b"".join(page)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["4711"], "ID: there is no task 4711"),
        (["x"], "ID: there is no task x"),
        (["history", "--filter", "state=LOST"], "--filter: state: Select a valid choice."),
        (["history", "--filter", "satte=RUNNING"], "--filter: satte: is no filter"),
    ],
)
def test_the_command_names_what_it_cannot_take(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as leaving:
        call_command("export", *arguments)
    assert leaving.value.code == 2
    told = capsys.readouterr()
    assert told.err.startswith(sentence)
    assert not told.out


def test_the_command_tells_of_pruned_results(capsys: pytest.CaptureFixture[str]) -> None:
    task = TaskFactory(state=State.COMPLETE, results_pruned_at=timezone.now())
    with pytest.raises(SystemExit) as leaving:
        call_command("export", str(task.pk))
    assert leaving.value.code == 1
    assert "were pruned on" in capsys.readouterr().err
