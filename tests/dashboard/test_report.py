"""The report for paper: who, what, when, what came of it; bounded, honest, and without a secret."""

import datetime as dt

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from dashboard.views import report
from tasks.models import Application, Task
from tasks.states import State
from tests.factories import AttemptFactory, ResultFactory, TallyFactory, TaskFactory

from .pages import text_of, words

pytestmark = pytest.mark.django_db

SENT = dt.datetime(2026, 11, 24, 13, 0, tzinfo=dt.UTC)


@pytest.fixture
def done(site_app: Application) -> Task:
    """A task of 40 devices: 10 well, 18 and 2 failed, 3 timed out, 7 silent."""
    outcomes = {"SUCCESSFUL": 10, "FAILED": 20, "TIMEOUT": 3, "": 7}
    task = TaskFactory(
        application=site_app, state=State.TIMED_OUT, name="Night valves", submitted_at=SENT, timeout=60,
        finished_at=SENT + dt.timedelta(minutes=61), expected=40, counts=outcomes, platform_task_id="p-77",
        tags=[["season", "winter"]], ask={"command": {"paras": {"mode": "ECO", "period": 60}}},
        devices=[f"d-{n}" for n in range(40)],
    )  # fmt: skip
    AttemptFactory(task=task, finished_at=SENT, outcome="created", http_status=200, worker="host:7")
    number = 0
    for status, count in outcomes.items():
        for place in range(count):
            code = ("100418", "No data") if status == "FAILED" and place < 18 else ("", "")
            ResultFactory(
                task=task, device_id=f"d-{number}", status=status, error_code=code[0], error_text=code[1]
            )
            number += 1
        if status in ("SUCCESSFUL", "FAILED"):
            TallyFactory(task=task, at=SENT, status=status, count=count)
    return task


def test_the_report_says_everything_once(desk: Client, done: Task) -> None:
    page = desk.get(f"/tasks/{done.pk}/report/")
    said = words(page)
    for part in (
        f"Night valves report of task #{done.pk}", "Written by Muster for operator on", "Timed out",
        done.author.username, "Waterworks app-1 at http://127.0.0.1:9", "DeviceList",
        "WaterMeter · SET_REPORT_PERIOD", 'mode "ECO" period 60', "Tag season winter", "Timeout 60 minutes",
        "Accepted 2026-11-24 13:00:00 UTC", "Ended 2026-11-24 14:01:00 UTC", "p-77",
        done.attempts.get().request_sha256, "33 of 40 devices gave a final answer (82.5 %)",
        "Successful 10 25 %", "Failed 20 50 %", "No answer yet 7 17.5 %", "All 40 100 %",
        "Half of the answers came within", "23 devices ended without success.", "18 Failed 100418 No data",
        "The platform does not know this device.", "All 30 of them", "d-39", "Composed", "host:7", "HTTP 200",
        "… and 35 more",
    ):  # fmt: skip
        assert part in said, part
    assert done.callback_token not in text_of(page)
    assert "<time" not in text_of(page)  # paper shows no other zone on hover


def test_the_most_frequent_error_comes_first_with_advice(desk: Client, done: Task) -> None:
    errors = desk.get(f"/tasks/{done.pk}/report/").context["errors"]
    assert [(error["count"], error["words"], error["error_code"]) for error in errors] == [
        (18, "Failed", "100418"), (3, "Timed out", ""), (2, "Failed", "")
    ]  # fmt: skip
    assert all(error["advice"] for error in errors)


def test_failed_devices_are_listed_before_silent_ones_and_the_rest_is_in_the_export(
    desk: Client, done: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "MOST_DEVICES", 21)
    page = desk.get(f"/tasks/{done.pk}/report/")
    listed = [row.status for row, _ in page.context["unsuccessful"]]
    assert listed == ["FAILED"] * 20 + ["TIMEOUT"]
    assert "The first 21 of 30. All of them are in the export" in words(page)


def test_of_very_many_failures_the_first_are_sorted_by_error_and_it_says_so(
    desk: Client, done: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "LOOKED_AT", 8)
    page = desk.get(f"/tasks/{done.pk}/report/")
    assert [(error["status"], error["count"]) for error in page.context["errors"]] == [
        ("FAILED", 5),
        ("TIMEOUT", 3),  # no status hides another, however many devices it has
    ]
    assert "23 devices ended without success; the first 8 of them, by error." in words(page)


@pytest.mark.parametrize("state", State)
def test_every_state_has_a_report(state: State, desk: Client, site_app: Application) -> None:
    task = TaskFactory(application=site_app, state=state, kind="Broadcast")
    said = words(desk.get(f"/tasks/{task.pk}/report/"))
    assert "Nothing is known of any device." in said
    assert ("The task is not finished" in said) is (not task.is_final)
    assert "nothing was sent" in said


def test_devices_of_a_task_that_was_never_sent_did_not_fail(desk: Client, site_app: Application) -> None:
    task = TaskFactory(application=site_app, state=State.CANCELLED, counts={"": 3}, listed=True)
    for number in range(3):
        ResultFactory(task=task, device_id=f"d-{number}")
    assert "Devices without success" not in words(desk.get(f"/tasks/{task.pk}/report/"))


def test_the_report_asks_the_same_for_forty_devices_and_for_a_thousand(desk: Client, done: Task) -> None:
    asked = []
    for more in (0, 1000):
        for number in range(more):
            ResultFactory(task=done, device_id=f"more-{number}", status="FAILED", error_text=f"{number % 30}")
        Task.objects.update(counts={"SUCCESSFUL": 10, "FAILED": 20 + more, "TIMEOUT": 3, "": 7})
        with CaptureQueriesContext(connection) as queries:
            page = desk.get(f"/tasks/{done.pk}/report/")
        asked.append(len(queries))
    assert asked[1] <= asked[0] <= 18
    assert len(page.context["errors"]) == report.MOST_ERRORS
    assert "The 20 most frequent errors" in words(page)
    assert len(page.context["unsuccessful"]) == report.MOST_DEVICES


def test_the_task_leads_to_its_report(desk: Client, done: Task) -> None:
    assert f'href="/tasks/{done.pk}/report/"' in text_of(desk.get(f"/tasks/{done.pk}/"))


def test_a_task_that_does_not_exist_has_none(desk: Client) -> None:
    assert desk.get("/tasks/999/report/").status_code == 404
