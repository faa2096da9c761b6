"""A task's page: honest words for every state, advice for every error, no secret, no script of a stranger."""

import datetime as dt
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tasks import lifecycle
from tasks.lifecycle.words import OUTCOMES, REMEDIES
from tasks.models import Application, Profile, Sync, Task
from tasks.platform.errors import CATALOGUE, Refused
from tasks.states import FINAL, MEANING, State
from tests.factories import AttemptFactory, CallbackFactory, ResultFactory, TaskFactory, TransitionFactory

from .pages import text_of, words

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("worker_lives")]

COLUMNS: dict[State, dict[str, Any]] = {
    State.QUEUED: {"reason": "waiting for a worker"},
    State.SUBMITTING: {"reason": "a worker is sending it"},
    State.UNCONFIRMED: {"reason": "no answer came within 30 s"},
    State.RUNNING: {"platform_task_id": "p-1"},
    State.COMPLETE: {"platform_task_id": "p-1"},
    State.TIMED_OUT: {"platform_task_id": "p-1", "reason": "its time is over"},
    State.REFUSED: {"reason": "the platform said no", "error_code": "100217", "error_status": 200},
    State.CANCELLED: {"reason": "cancelled by the operator"},
    State.ABANDONED: {"reason": "given up by a person"},
}
SAID: dict[State, list[str]] = {
    State.QUEUED: ["Number 1 in the", "a worker takes it as soon as one is free"],
    State.SUBMITTING: ["A worker is sending it"],
    State.UNCONFIRMED: [
        "Look for a task of this name in the platform's portal",
        "Send the same request again",
        "Give it up",
        "No answer came",
    ],
    State.RUNNING: ["Devices that sleep are not stuck", "pending until", "taskID p-1"],
    State.COMPLETE: ["taskID p-1"],
    State.TIMED_OUT: ["Its time is over"],
    State.REFUSED: ["The platform answered 100217 (HTTP 200)"],
    State.CANCELLED: ["Cancelled by the operator"],
    State.ABANDONED: ["Given up by a person"],
}


@pytest.mark.parametrize("state", State)
def test_the_page_says_where_the_task_stands_and_what_that_means(
    state: State, desk: Client, site_app: Application
) -> None:
    task = TaskFactory(application=site_app, state=state, **COLUMNS[state])
    page = desk.get(f"/tasks/{task.pk}/")
    label, meaning = MEANING[state]
    for said in (label, meaning, task.name, *SAID[state]):
        assert said in words(page), said
    moving = state not in FINAL
    pace = {State.QUEUED: "0.5s", State.SUBMITTING: "0.5s"}.get(state, "1s")
    assert (f'hx-trigger="every {pace},' in text_of(page)) is moving
    assert ("/cancel/" in text_of(page)) is (state == State.QUEUED)


def test_the_page_says_where_the_platform_and_the_results_differ(desk: Client, site_app: Application) -> None:
    """C36: in numbers, and only once it is over."""
    counts = {
        "total": 80,
        "success": 70,
        "fail": 10,
        "timeout": 0,
        "expired": 0,
        "at": "2026-11-24T12:00:00+00:00",
    }
    columns = {"platform_status": "Complete", "platform_counts": counts, "expected": 80}
    for ours, state, said in (
        ({"SUCCESSFUL": 69, "FAILED": 11}, State.COMPLETE, True),
        ({"SUCCESSFUL": 70, "FAILED": 10}, State.COMPLETE, False),
        ({"SUCCESSFUL": 60, "": 20}, State.RUNNING, False),
    ):
        task = TaskFactory(application=site_app, state=state, counts=ours, **columns)
        page = words(desk.get(f"/tasks/{task.pk}/"))
        words_of_it = (
            "The platform counts 10 failed, 70 successful; the results here are 11 failed, 69 successful."
        )
        assert (words_of_it in page) is said
        assert ("Asked 2026-11-24 12:00:00 UTC" in page) is said


@pytest.mark.parametrize("row", CATALOGUE, ids=lambda row: f"{row.status}-{row.code}")
def test_an_error_of_the_platform_comes_with_the_catalogues_meaning_and_advice(
    row: Any, desk: Client, site_app: Application
) -> None:
    task = TaskFactory(
        application=site_app,
        state=State.REFUSED,
        error_code=row.code,
        error_status=row.status,
        error_text="As sent.",
    )
    page = words(desk.get(f"/tasks/{task.pk}/"))
    assert f"The platform answered {row.code}" in page
    assert "As sent." in page
    assert " ".join(row.meaning.split()) in page
    assert " ".join(row.advice.split()) in page


def test_an_error_that_the_catalogue_does_not_know_is_shown_as_it_was_sent(
    desk: Client, site_app: Application
) -> None:
    task = TaskFactory(
        application=site_app,
        state=State.REFUSED,
        error_code="987654",
        error_status=400,
        error_text="Strange thing",
    )
    assert "The platform answered 987654 (HTTP 400): Strange thing" in words(desk.get(f"/tasks/{task.pk}/"))


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_an_attempt_says_what_happened_what_muster_does_and_what_can_be_done(
    outcome: str, desk: Client, site_app: Application
) -> None:
    task = TaskFactory(application=site_app, state=State.RUNNING)
    AttemptFactory(task=task, outcome=outcome)
    page = words(desk.get(f"/tasks/{task.pk}/"))
    said = OUTCOMES[outcome]
    assert f"{said.happened} {said.muster} {said.you}" in page


@pytest.mark.parametrize(
    ("state", "reason"),
    [(State.REFUSED, "redirect"), (State.QUEUED, "tls"), (State.UNCONFIRMED, "no answer")],
)
def test_a_failure_without_a_code_comes_with_what_can_be_done(
    state: State, reason: str, desk: Client, site_app: Application
) -> None:
    task = TaskFactory(application=site_app, state=state, deferrals=1)
    TransitionFactory(task=task, to_state=state, evidence={"reason": reason})
    assert REMEDIES[reason] in words(desk.get(f"/tasks/{task.pk}/"))


def test_a_task_that_was_put_off_says_why_and_until_when(desk: Client, site_app: Application) -> None:
    due = timezone.now() + dt.timedelta(minutes=5)
    task = TaskFactory(application=site_app, deferrals=2, reason="the platform is full.", due_at=due)
    page = words(desk.get(f"/tasks/{task.pk}/"))
    assert "Last try: the platform is full." in page
    assert f"Next try {due:%Y-%m-%d %H:%M:%S} UTC" in page


@pytest.mark.parametrize("state", State)
def test_a_task_can_be_cancelled_only_while_nothing_was_sent(
    state: State, desk: Client, site_app: Application
) -> None:
    task = TaskFactory(application=site_app, state=state)
    answer = desk.post(f"/tasks/{task.pk}/cancel/", follow=True)
    task.refresh_from_db()
    cancelled = state in (State.QUEUED, State.CANCELLED)
    assert task.state == (State.CANCELLED if cancelled else state)
    assert ("Cancelled. Nothing was sent." in words(answer)) is (state == State.QUEUED)
    if state == State.QUEUED:
        last = task.transitions.last()
        assert (last.to_state, last.actor.username) == ("CANCELLED", "operator")


QUERIES = 16
"""What a task's page may ask the database, session and user included."""


def test_the_page_asks_the_same_for_five_devices_and_for_two_hundred(
    desk: Client, site_app: Application
) -> None:
    task = TaskFactory(application=site_app, state=State.RUNNING)
    asked = []
    for many in (5, 195):
        for number in range(many):
            ResultFactory(task=task, device_id=f"{many}-{number}", status="SENT")
        with CaptureQueriesContext(connection) as queries:
            desk.get(f"/tasks/{task.pk}/")
        asked.append(len(queries))
    assert asked[0] == asked[1] <= QUERIES


def test_the_composer_asks_the_same_for_five_profiles_groups_and_applications_and_for_many(
    desk: Client, typed: Callable[..., dict[str, Any]], meter: Profile, site_app: Application
) -> None:
    values = typed(target_type="GroupList", profile=meter.pk, service_id="Valve", method="SET")
    asked = []
    desk.post("/compose/", values)  # a profile is read once by each process
    for many in (5, 100):
        for number in range(many):
            site_app.groups.create(name=f"g{many}-{number}", group_id=f"{many}-{number}")
            Application.objects.create(name=f"a{many}-{number}", url="https://p", app_id="x", secret="s")
        with CaptureQueriesContext(connection) as queries:
            assert desk.post("/compose/", values).status_code == 200
        asked.append(len(queries))
    assert asked[0] == asked[1] <= 30


# Secrets


def pages_of(task: Task) -> list[str]:
    base = f"/tasks/{task.pk}/"
    return [
        "/tasks/", "/tasks.csv", base, f"{base}progress/", f"{base}timeline/", f"{base}results/", f"{base}results.csv",
        f"{base}answers/", f"{base}report/",
        f"{base}request.json", f"/compose/?repeat={task.pk}", "/catalogue/", "/admin/tasks/task/",
        f"/admin/tasks/task/{task.pk}/change/", "/admin/tasks/callback/", "/admin/tasks/attempt/",
        f"/admin/tasks/attempt/{task.attempts.get().pk}/change/",
        f"/admin/tasks/callback/{task.callbacks.get().pk}/change/",
        f"/admin/tasks/application/{task.application_id}/change/", "/admin/tasks/application/",
        f"/admin/tasks/result/{task.results.get().pk}/change/", "/admin/tasks/transition/",
    ]  # fmt: skip


def body_of(answer: Any) -> str:
    return (b"".join(answer) if answer.streaming else answer.content).decode()


@pytest.mark.parametrize("role", ["operator", "auditor", "admin", "superuser"])
def test_no_page_and_no_export_shows_a_secret(
    role: str, browser_of: Callable[..., Client], site_app: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C38: the callback's token, also when the platform repeats it; the application's secret; the access token."""
    site_app.access_token, site_app.key_passphrase = "access-canary", "passphrase-canary"
    site_app.save()
    task = TaskFactory(application=site_app)
    token = task.callback_token
    url = f"http://127.0.0.1:8000/callbacks/{token}/"

    def echo(*_: Any, before_sending: Callable[[], None], **__: Any) -> None:
        before_sending()
        raise Refused(
            f"cannot reach {url}", code="1", status=400, description=url, answer=json.dumps({"url": url})
        )

    monkeypatch.setattr("tasks.lifecycle.tokens.access_token", lambda _: "access-canary")
    monkeypatch.setattr("tasks.platform.client.create", echo)
    lifecycle.submit(task.pk)
    task.refresh_from_db()
    assert task.state == State.REFUSED
    CallbackFactory(task=task)
    ResultFactory(task=task)
    browser = browser_of(role)
    for path in pages_of(task):
        answer = browser.get(path)
        if answer.status_code in (302, 403):
            continue
        assert answer.status_code == 200, path
        text = body_of(answer)
        for secret in (token, "s3cret-canary", "access-canary", "passphrase-canary"):
            assert secret not in text, path


def test_the_request_is_shown_and_downloaded_whole_but_for_the_secret(
    desk: Client, site_app: Application
) -> None:
    task = TaskFactory(application=site_app, devices=[f"d-{n}" for n in range(20)])
    shown = json.loads(desk.get(f"/tasks/{task.pk}/request.json").content)
    stored = json.loads(task.request_body)
    assert shown["param"].pop("callbackUrl") == f"http://127.0.0.1:8000/callbacks/{task.callback_token[:6]}…/"
    stored["param"].pop("callbackUrl")
    assert shown == stored
    assert "… and 15 more" in words(desk.get(f"/tasks/{task.pk}/"))


# Strangers' texts

XSS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'-alert(1)-'",
    "</textarea><script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "javascript:alert(1)",
    "{{ 7|add:1 }}{% debug %}",
    "<svg/onload=alert(1)>",
    "&lt;script&gt;",
)
LIVE = (
    "<script>alert",
    "<img src=x",
    "<svg/onload",
    'href="javascript:',
    "</title><script",
    "{{ 8",
    "onerror=alert(1)>",
)


@pytest.mark.parametrize("text", XSS)
def test_no_text_of_a_stranger_becomes_markup(
    text: str, browser_of: Callable[..., Client], typed: Callable[..., dict[str, Any]], site_app: Application
) -> None:
    """C32: names, tags, parameters, answers of devices and of the platform, names of profiles, groups, devices."""
    Application.objects.update(name=text[:100])
    Sync.objects.create(application=site_app, problem=text, remarks=[text])
    site_app.refresh_from_db()
    site_app.devices.create(device_id=text, name=text, location=text)
    site_app.groups.create(name=text, group_id=text, description=text)
    profile = Profile.objects.create(
        device_type=text, manufacturer_id=text, manufacturer_name=text, model=text, source=text,
        definition={
            "device_type": text, "manufacturer_id": text, "manufacturer_name": text, "model": text, "protocol": text,
            "notes": [text],
            "services": [{
                "id": text, "type": text, "option": "", "description": text, "properties": [],
                "commands": [{"name": text, "responses": [], "parameters": [{
                    "name": text, "type": "string", "required": True, "minimum": None, "maximum": None, "step": None,
                    "max_length": None, "unit": text, "choices": [], "description": text,
                }]}],
            }],
        },
    )  # fmt: skip
    task = TaskFactory(
        application=site_app, state=State.REFUSED, name=text, error_text=text, reason=text, tags=[[text, text]],
        error_code=text[:32], group_tag=text, ask={"command": {"paras": {text: text}}},
    )  # fmt: skip
    AttemptFactory(task=task, finished_at=timezone.now(), outcome="refused", answer=text, explanation=text)
    CallbackFactory(task=task, body=text.encode(), problem=text)
    ResultFactory(
        task=task, device_id=text, detail={text: text}, status=text, error_text=text, command_id=text
    )
    browser = browser_of("superuser")
    paths = [
        *pages_of(task),
        f"/catalogue/profiles/{profile.pk}/",
        f"/compose/?profile={profile.pk}&target_type=GroupList",
    ]
    answers = [browser.get(path) for path in paths if not path.endswith((".csv", ".json"))]
    values = typed(
        name=text, profile=profile.pk, service_id=text, method=text, paras=None, target_type="GroupList",
        group_names=text, tag_name=text, tag_value=text, group_tag=text, **{f"para:{text}": text},
    )  # fmt: skip
    answers.append(browser.post("/compose/", values))
    confirm = browser.post("/compose/", values | {"review": 1})
    answers.append(browser.get(confirm["Location"]) if confirm.status_code == 302 else confirm)
    for answer in answers:
        assert answer.status_code in (200, 422)
        found = text_of(answer)
        for live in LIVE:
            assert live not in found, (answer.wsgi_request.path, live)


@pytest.mark.parametrize(
    "state", [State.QUEUED, State.UNCONFIRMED, State.REFUSED, State.CANCELLED, State.ABANDONED]
)
def test_of_what_did_not_go_out_no_device_is_said_to_owe_an_answer(
    state: State, desk: Client, site_app: Application
) -> None:
    task = TaskFactory(application=site_app, state=state, **COLUMNS[state])
    page = words(desk.get(f"/tasks/{task.pk}/"))
    assert "For 3 devices" in page
    assert "gave a final answer" not in page
    assert "0 %" not in words(desk.get("/tasks/"))
    assert ("No device was commanded." in page) is (state in (State.REFUSED, State.CANCELLED))


def test_answers_count_even_of_a_task_that_was_given_up(desk: Client, site_app: Application) -> None:
    task = TaskFactory(application=site_app, state=State.ABANDONED, counts={"SUCCESSFUL": 1, "": 2})
    assert "1 of 3 devices gave a final answer" in words(desk.get(f"/tasks/{task.pk}/"))


def test_the_task_id_is_said_once_while_it_runs(desk: Client, site_app: Application) -> None:
    task = TaskFactory(
        application=site_app,
        state=State.RUNNING,
        platform_task_id="p-7",
        reason="the platform accepted it as task p-7",
    )
    assert words(desk.get(f"/tasks/{task.pk}/progress/")).count("p-7") == 1


def test_sending_again_has_no_date_once_it_is_possible(desk: Client, site_app: Application) -> None:
    task = TaskFactory(application=site_app, state=State.UNCONFIRMED, **COLUMNS[State.UNCONFIRMED])
    for path in (f"/tasks/{task.pk}/", "/attention/"):
        assert "again is possible from" not in words(desk.get(path)).replace("Sending it", "Sending")
