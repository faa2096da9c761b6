"""Who may see and do what, at every address there is; and what every answer carries."""

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import URLPattern, URLResolver, get_resolver

from dashboard.readiness import Check
from tasks.models import Application, Draft, Family, Profile, Sync, Task
from tests.factories import ResultFactory, make_list, make_template

from .conftest import ROLES

pytestmark = pytest.mark.django_db

LOGIN = "login"
READERS = (LOGIN, 403, 200, 200, 200, 200)
COMPOSERS = (LOGIN, 403, 200, 403, 200, 200)
# Role by role: anonymous, nobody, operator, auditor, admin, superuser.
GET_MATRIX: dict[str, tuple[Any, ...]] = {
    "home": (LOGIN, 302, 302, 302, 302, 302),
    "compose": COMPOSERS,
    "preview": (LOGIN, 403, 405, 403, 405, 405),
    "save": (LOGIN, 403, 405, 403, 405, 405),
    "drafts": COMPOSERS,
    "draft-discard": (LOGIN, 403, 405, 403, 405, 405),
    "draft-restore": (LOGIN, 403, 405, 403, 405, 405),
    "templates": READERS,
    "template": READERS,
    "template-save": (LOGIN, 403, 403, 403, 404, 404),
    "template-adopt": (LOGIN, 403, 403, 403, 405, 405),
    "template-delete": (LOGIN, 403, 403, 403, 405, 405),
    "template-restore": (LOGIN, 403, 403, 403, 405, 405),
    "lists": READERS,
    "list": READERS,
    "list-ids": READERS,
    "list-new": COMPOSERS,
    "list-change": COMPOSERS,
    "list-adopt": (LOGIN, 403, 405, 403, 405, 405),
    "list-rename": (LOGIN, 403, 405, 403, 405, 405),
    "list-delete": (LOGIN, 403, 405, 403, 405, 405),
    "list-restore": (LOGIN, 403, 405, 403, 405, 405),
    "confirm": (LOGIN, 403, 404, 403, 404, 404),
    "request-file": (LOGIN, 403, 404, 403, 404, 404),
    "bad-lines": (LOGIN, 403, 404, 403, 404, 404),
    "history": READERS,
    "history-csv": READERS,
    "history-jsonl": READERS,
    "task": READERS,
    "progress": READERS,
    "answers": READERS,
    "report": READERS,
    "timeline": READERS,
    "results": READERS,
    "results-columns": (LOGIN, 403, 405, 405, 405, 405),
    "answer": READERS,
    "rerun": COMPOSERS,
    "family": READERS,
    "family-cancel": (LOGIN, 403, 405, 403, 405, 405),
    "family-rerun": COMPOSERS,
    "family-rerun-review": (LOGIN, 403, 405, 403, 405, 405),
    "family-csv": READERS,
    "family-jsonl": READERS,
    "device": READERS,
    "results-csv": READERS,
    "results-jsonl": READERS,
    "request": READERS,
    "cancel": (LOGIN, 403, 405, 403, 405, 405),
    "settle": (LOGIN, 403, 405, 403, 405, 405),
    "queue": READERS,
    "attention": READERS,
    "catalogue": READERS,
    "groups": READERS,
    "profiles": READERS,
    "profile": READERS,
    "danger": (LOGIN, 403, 403, 403, 405, 405),
    "catalogue-refresh": (LOGIN, 403, 405, 403, 405, 405),
    "reading": READERS,
    "reading-cancel": (LOGIN, 403, 405, 403, 405, 405),
    "callback": (405,) * 6,
    "callback-unslashed": (405,) * 6,
    "login": (200, 302, 302, 302, 302, 302),
    "logout": (LOGIN, 405, 405, 405, 405, 405),
    "password": (LOGIN, 200, 200, 200, 200, 200),
    "livez": (200,) * 6,
    "readyz": (200,) * 6,
}
POST_MATRIX: dict[str, tuple[Any, ...]] = {
    "home": (LOGIN, 302, 302, 302, 302, 302),
    "compose": COMPOSERS,
    "preview": COMPOSERS,
    "save": (LOGIN, 403, 302, 403, 302, 302),
    "drafts": (LOGIN, 403, 405, 403, 405, 405),
    "draft-discard": (LOGIN, 403, 404, 403, 404, 404),
    "draft-restore": (LOGIN, 403, 404, 403, 404, 404),
    "templates": (LOGIN, 403, 405, 405, 405, 405),
    "template": (LOGIN, 403, 405, 405, 405, 405),
    "template-save": (LOGIN, 403, 403, 403, 404, 404),
    "template-adopt": (LOGIN, 403, 403, 403, 404, 404),
    "template-delete": (LOGIN, 403, 403, 403, 302, 302),
    "template-restore": (LOGIN, 403, 403, 403, 302, 302),
    "lists": (LOGIN, 403, 405, 405, 405, 405),
    "list": (LOGIN, 403, 405, 405, 405, 405),
    "list-ids": (LOGIN, 403, 405, 405, 405, 405),
    "list-new": COMPOSERS,
    "list-change": COMPOSERS,
    "list-adopt": (LOGIN, 403, 404, 403, 404, 404),
    "list-rename": (LOGIN, 403, 302, 403, 302, 302),
    "list-delete": (LOGIN, 403, 302, 403, 302, 302),
    "list-restore": (LOGIN, 403, 302, 403, 302, 302),
    "confirm": (LOGIN, 403, 404, 403, 404, 404),
    "request-file": (LOGIN, 403, 405, 403, 405, 405),
    "bad-lines": (LOGIN, 403, 405, 403, 405, 405),
    "history": (LOGIN, 403, 405, 405, 405, 405),
    "history-csv": (LOGIN, 403, 405, 405, 405, 405),
    "history-jsonl": (LOGIN, 403, 405, 405, 405, 405),
    "task": (LOGIN, 403, 405, 405, 405, 405),
    "progress": (LOGIN, 403, 405, 405, 405, 405),
    "answers": (LOGIN, 403, 405, 405, 405, 405),
    "report": (LOGIN, 403, 405, 405, 405, 405),
    "timeline": (LOGIN, 403, 405, 405, 405, 405),
    "results": (LOGIN, 403, 405, 405, 405, 405),
    "results-columns": (LOGIN, 403, 302, 302, 302, 302),
    "answer": (LOGIN, 403, 405, 405, 405, 405),
    "rerun": (LOGIN, 403, 302, 403, 302, 302),
    "family": (LOGIN, 403, 405, 405, 405, 405),
    "family-cancel": (LOGIN, 403, 302, 403, 302, 302),
    "family-rerun": (LOGIN, 403, 302, 403, 302, 302),
    "family-rerun-review": (LOGIN, 403, 302, 403, 302, 302),
    "family-csv": (LOGIN, 403, 405, 405, 405, 405),
    "family-jsonl": (LOGIN, 403, 405, 405, 405, 405),
    "device": (LOGIN, 403, 405, 405, 405, 405),
    "results-csv": (LOGIN, 403, 405, 405, 405, 405),
    "results-jsonl": (LOGIN, 403, 405, 405, 405, 405),
    "request": (LOGIN, 403, 405, 405, 405, 405),
    "cancel": (LOGIN, 403, 302, 403, 302, 302),
    "settle": (LOGIN, 403, 302, 403, 302, 302),
    "queue": (LOGIN, 403, 405, 405, 405, 405),
    "attention": (LOGIN, 403, 405, 405, 405, 405),
    "catalogue": (LOGIN, 403, 405, 405, 405, 405),
    "groups": (LOGIN, 403, 405, 405, 405, 405),
    "profiles": (LOGIN, 403, 302, 403, 302, 302),
    "profile": (LOGIN, 403, 405, 405, 405, 405),
    "danger": (LOGIN, 403, 403, 403, 302, 302),
    "catalogue-refresh": (LOGIN, 403, 302, 403, 302, 302),
    "reading": (LOGIN, 403, 405, 405, 405, 405),
    "reading-cancel": (LOGIN, 403, 302, 403, 302, 302),
    "callback": (404,) * 6,
    "callback-unslashed": (404,) * 6,
    "login": (200, 302, 302, 302, 302, 302),
    "logout": (LOGIN,) * 6,
    "password": (LOGIN, 200, 200, 200, 200, 200),
    "livez": (200,) * 6,
    "readyz": (405,) * 6,
}
AUDITORS = (LOGIN, LOGIN, LOGIN, 200, 200, 200)
ADMINS = (LOGIN, LOGIN, LOGIN, 403, 200, 200)
NOBODY = (LOGIN, LOGIN, LOGIN, 403, 403, 403)
AUDITED = (
    "attempt", "callback", "danger", "device", "family", "group", "namedlist", "profile", "profileversion",
    "result", "sync", "task", "template", "transition",
)  # fmt: skip
ADMIN_MATRIX: dict[str, tuple[Any, ...]] = {
    **dict.fromkeys(("", "password_change/"), AUDITORS),
    "tasks/application/": AUDITORS,
    **{
        f"tasks/{model}/": AUDITORS
        for model in AUDITED
    },
    **{
        f"tasks/{model}/add/": NOBODY
        for model in AUDITED
    },
    "tasks/application/add/": ADMINS,
    "auth/user/": ADMINS,
    "auth/user/add/": ADMINS,
}  # fmt: skip


def site_names() -> Iterator[str]:
    """The names of all addresses outside the admin site."""
    for entry in get_resolver().url_patterns:
        if isinstance(entry, URLPattern):
            assert entry.name, f"{entry.pattern} has no name"
            yield entry.name


@pytest.fixture
def addresses(site_app: Application, make_task: Callable[..., Task], meter: Profile) -> dict[str, str]:
    """Name -> an address that exists, except where the name needs something of one's own."""
    named = make_list(site_app, ["device-1"])
    values = {
        "version": 1,
        "task_id": (task := make_task()).pk,
        "result_id": ResultFactory(task=task).pk,
        "profile_id": meter.pk,
        "application_id": site_app.pk,
        "sync_id": Sync.objects.create(application=site_app).pk,
        "template_id": make_template().pk,
        "family_id": Family.objects.create(name="Valves", author=task.author).pk,
        "draft_id": uuid.uuid4(),
        "list_id": uuid.uuid4(),
        "named_id": named.pk,
        "token": "unknown-token",
    }
    found = {}
    for name, patterns in get_resolver().reverse_dict.lists():
        if isinstance(name, str):
            path, parameters = patterns[0][0][0]
            found[name] = "/" + path % {each: values[each] for each in parameters}
    return found


@pytest.fixture(autouse=True)
def _ready(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether all is well is asked by threads, which cannot look into a test's transaction."""
    monkeypatch.setattr("dashboard.views.ops.readiness", lambda: [Check("database", "", 0.001)])


def told(answer: Any) -> Any:
    if answer.status_code == 302 and answer["Location"].startswith(("/login/", "/admin/login/")):
        return LOGIN
    return answer.status_code


def test_every_address_has_its_row_for_every_role() -> None:
    """X01: a new address without a row fails here."""
    assert set(site_names()) == set(GET_MATRIX) == set(POST_MATRIX)
    assert [str(each.pattern) for each in get_resolver().url_patterns if isinstance(each, URLResolver)] == [
        "admin/"
    ]
    assert all(len(row) == len(ROLES) for row in [*GET_MATRIX.values(), *POST_MATRIX.values()])


@pytest.mark.parametrize("role", ROLES)
def test_each_role_may_read_what_its_row_says(
    role: str, browser_of: Callable[..., Client], addresses: dict[str, str]
) -> None:
    """X01."""
    column = ROLES.index(role)
    found = {name: told(browser_of(role).get(addresses[name])) for name in GET_MATRIX}
    assert found == {name: row[column] for name, row in GET_MATRIX.items()}


@pytest.mark.parametrize("role", ROLES)
def test_each_role_may_change_what_its_row_says(
    role: str, browser_of: Callable[..., Client], addresses: dict[str, str]
) -> None:
    """X01."""
    column = ROLES.index(role)
    found = {name: told(browser_of(role).post(addresses[name])) for name in POST_MATRIX}
    assert found == {name: row[column] for name, row in POST_MATRIX.items()}


@pytest.mark.parametrize("role", ROLES)
def test_fragments_ask_for_the_same_rights_as_pages(
    role: str, browser_of: Callable[..., Client], addresses: dict[str, str]
) -> None:
    """X01."""
    column = ROLES.index(role)
    htmx = {"HTTP_HX_REQUEST": "true"}
    found = {name: told(browser_of(role).get(addresses[name], **htmx)) for name in GET_MATRIX}
    assert found == {name: row[column] for name, row in GET_MATRIX.items()}


@pytest.mark.parametrize("role", ROLES)
def test_the_admin_site_opens_to_auditors_for_reading_and_to_admins_for_applications(
    role: str, browser_of: Callable[..., Client], addresses: dict[str, str]
) -> None:
    """X01, X14."""
    column = ROLES.index(role)
    found = {path: told(browser_of(role).get(f"/admin/{path}")) for path in ADMIN_MATRIX}
    assert found == {path: row[column] for path, row in ADMIN_MATRIX.items()}


PRIVATE = ("draft", "devicelist", "valuetable")
KEPT = (
    "call",
    "census",
    "family",
    "heartbeat",
    "listversion",
    "membership",
    "origin",
    "request",
    "tally",
    "templateversion",
)
"""What Muster keeps for itself; pages show what it means."""


def test_every_model_of_the_domain_is_in_the_admin_matrix_or_private_to_its_author() -> None:
    listed = {path.split("/")[1] for path in ADMIN_MATRIX if path.startswith("tasks/")}
    assert listed | {*PRIVATE, *KEPT} == {
        m._meta.model_name for m in apps.get_app_config("tasks").get_models()
    }


@pytest.mark.parametrize("role", ["auditor", "admin", "superuser"])
def test_nobody_changes_or_deletes_a_record_in_the_admin_site(
    role: str, browser_of: Callable[..., Client], make_task: Callable[..., Task]
) -> None:
    """X14."""
    task = make_task()
    transition = task.transitions.get()
    browser = browser_of(role)
    for path in (f"task/{task.pk}", f"transition/{transition.pk}"):
        assert browser.get(f"/admin/tasks/{path}/change/").status_code == 200
        assert (
            browser.post(f"/admin/tasks/{path}/change/", {"state": "COMPLETE", "reason": "x"}).status_code
            == 403
        )
        assert browser.post(f"/admin/tasks/{path}/delete/", {"post": "yes"}).status_code == 403
    listed = {"action": "delete_selected", "_selected_action": [task.pk], "post": "yes"}
    browser.post("/admin/tasks/task/", listed)
    task.refresh_from_db()
    assert task.state == "QUEUED"


def test_a_role_that_is_taken_away_ends_with_the_next_request(desk: Client, site_app: Application) -> None:
    """X04."""
    assert desk.get("/compose/").status_code == 200
    User.objects.get(username="operator").groups.clear()
    assert desk.get("/compose/").status_code == 403
    User.objects.filter(username="operator").update(is_active=False)
    assert told(desk.get("/compose/")) == LOGIN


def test_every_unsafe_request_without_the_token_of_its_form_is_refused(
    browser_of: Callable[..., Client], addresses: dict[str, str]
) -> None:
    """X05: only the callback receiver, which has no session, takes a POST without it."""
    browser = browser_of("superuser", enforce_csrf_checks=True)
    posted = {
        name: browser.post(addresses[name]).status_code for name in POST_MATRIX if "callback" not in name
    }
    # Only what knows nothing but GET may answer before it looks at the token.
    assert {name: status for name, status in posted.items() if status != 403} == {}
    htmx = {"HTTP_HX_REQUEST": "true", "HTTP_X_CSRFTOKEN": "x" * 64}
    assert browser.post(addresses["compose"], **htmx).status_code == 403
    assert browser.put(addresses["cancel"]).status_code == 403
    assert browser.delete(addresses["task"]).status_code == 403


def test_a_foreign_origin_is_refused_even_with_the_right_token(
    browser_of: Callable[..., Client], addresses: dict[str, str]
) -> None:
    """X05."""
    browser = browser_of("superuser", enforce_csrf_checks=True)
    browser.get(addresses["compose"])
    token = browser.cookies["csrftoken"].value
    foreign = {"HTTP_X_CSRFTOKEN": token, "HTTP_ORIGIN": "https://evil.example"}
    assert browser.post(addresses["preview"], **foreign).status_code == 403
    assert browser.post(addresses["preview"], HTTP_X_CSRFTOKEN=token).status_code == 200


def test_reading_changes_nothing(browser_of: Callable[..., Client], addresses: dict[str, str]) -> None:
    """X06: no GET writes, at any address, for the one who may do everything."""
    browser = browser_of("superuser")
    browser.get("/tasks/")
    tables = ("django_session", "auth_user")
    with CaptureQueriesContext(
        connection,
    ) as queries:
        for name in GET_MATRIX:
            browser.get(addresses[name])
            browser.head(addresses[name])
            browser.get(addresses[name], HTTP_HX_REQUEST="true")
    words = ("INSERT", "UPDATE", "DELETE")
    written = [
        q["sql"] for q in queries if q["sql"].startswith(words) and not any(t in q["sql"] for t in tables)
    ]
    assert written == []


@pytest.mark.parametrize(
    "place",
    [
        "//evil.example",
        "https://evil.example/",
        "https:evil.example",
        "/\\evil.example",
        "///evil",
        "javascript:1",
    ],
)
def test_signing_in_never_leads_away_from_the_site(
    place: str, db: None, browser_of: Callable[..., Client]
) -> None:
    """X07."""
    browser_of("operator")
    answer = Client().post(
        "/login/", {"username": "operator", "password": "a-good-long-password", "next": place}
    )
    assert answer["Location"] == "/"
    signed_in = browser_of("operator").get("/login/", {"next": place})
    assert signed_in["Location"] == "/"


def test_signing_in_leads_to_the_page_that_was_asked_for(browser_of: Callable[..., Client]) -> None:
    browser_of("operator")
    asked = Client().get("/compose/?profile=3")
    assert asked["Location"] == "/login/?next=/compose/%3Fprofile%3D3"
    answer = Client().post(
        "/login/", {"username": "operator", "password": "a-good-long-password", "next": "/compose/?profile=3"}
    )
    assert answer["Location"] == "/compose/?profile=3"


def test_whoever_never_composed_anything_begins_with_the_composer(
    browser_of: Callable[..., Client], make_task: Callable[..., Task]
) -> None:
    for role, begins in (("operator", "/compose/"), ("auditor", "/tasks/")):
        assert browser_of(role).get("/")["Location"] == begins
    make_task()
    assert browser_of("operator").get("/")["Location"] == "/tasks/"


def test_columns_that_are_not_in_the_form_cannot_be_posted(
    desk: Client, typed: Callable[..., dict[str, Any]]
) -> None:
    """X13."""
    smuggled = {
        "state": "COMPLETE",
        "platform_task_id": "1",
        "author": "1",
        "callback_token": "x",
        "deferrals": "9",
    }
    draft = desk.post("/compose/", typed(review=1, **smuggled))["Location"]
    desk.post(draft, {"typed": "2", **smuggled, "request_body": "{}"})
    task = Task.objects.get()
    assert (task.state, task.platform_task_id, task.author.username, task.deferrals) == (
        "QUEUED",
        "",
        "operator",
        0,
    )
    assert task.callback_token != "x"
    assert "state" not in task.request_body


def test_a_draft_and_a_device_list_of_somebody_else_do_not_exist(
    desk: Client, browser_of: Callable[..., Client], typed: Callable[..., dict[str, Any]]
) -> None:
    """X02."""
    address = desk.post("/compose/", typed(review=1))["Location"]
    other = browser_of("admin")
    assert desk.get(address).status_code == 200
    assert other.get(address).status_code == other.post(address).status_code == 404
    assert Task.objects.count() == 0
    draft = Draft.objects.get()
    assert "Close the valves" not in other.get(f"/compose/?draft={draft.pk}").content.decode()
    foreign = typed(device_ids="", device_list=draft.values["device_list"][0], review=1)
    refused = other.post("/compose/", foreign)
    assert refused.status_code == 422
    assert "Paste device ids or choose a file." in refused.content.decode()


def test_every_answer_carries_the_headers_that_protect_it(
    browser_of: Callable[..., Client], addresses: dict[str, str]
) -> None:
    """Section 5: content policy, nosniff, referrer, framing, caching; errors included."""
    browser = browser_of("superuser", raise_request_exception=False)
    for path in [
        *(addresses[name] for name in GET_MATRIX),
        "/admin/",
        "/admin/tasks/task/",
        "/nothing-here/",
    ]:
        answer = browser.get(path)
        policy = answer["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'"), path
        assert "unsafe" not in policy, path
        assert "frame-ancestors 'none'" in policy, path
        assert "base-uri 'none'" in policy, path
        assert answer["X-Content-Type-Options"] == "nosniff", path
        assert answer["Referrer-Policy"] in ("same-origin", "no-referrer"), path
        assert answer["X-Frame-Options"] == "DENY", path
        assert answer["Cross-Origin-Opener-Policy"] == "same-origin", path
        assert "no-store" in answer["Cache-Control"], path


def test_session_cookies_are_kept_from_scripts_and_other_sites(browser_of: Callable[..., Client]) -> None:
    """X12."""
    browser_of("operator")
    browser = Client()
    before = browser.get("/login/").cookies["csrftoken"].value
    answer = browser.post("/login/", {"username": "operator", "password": "a-good-long-password"})
    session = answer.cookies["sessionid"]
    assert session["httponly"]
    assert session["samesite"] == "Lax"
    assert answer.cookies["csrftoken"]["httponly"]
    assert answer.cookies["csrftoken"].value != before
    browser.post("/logout/")
    browser.cookies["sessionid"] = session.value
    assert told(browser.get("/tasks/")) == LOGIN


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1:80:80", "a b", "localhost@evil"])
def test_a_host_that_is_not_ours_is_refused(host: str, client: Client) -> None:
    """X17."""
    assert client.get("/login/", HTTP_HOST=host).status_code == 400
    assert client.get("/login/", HTTP_X_FORWARDED_HOST=host).status_code == 200


def test_error_pages_tell_no_secrets(
    browser_of: Callable[..., Client], monkeypatch: pytest.MonkeyPatch, addresses: dict[str, str]
) -> None:
    """X16."""

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("canary-in-the-trace")

    monkeypatch.setattr("dashboard.views.history.find", broken)
    browser = browser_of("nobody", raise_request_exception=False)
    pages = {
        404: browser.get("/nothing-here/"),
        403: browser.get("/tasks/"),
        400: browser.get("/tasks/", HTTP_HOST="evil.example"),
        500: browser_of("operator", raise_request_exception=False).get("/tasks/"),
    }
    for status, answer in pages.items():
        text = answer.content.decode()
        assert answer.status_code == status
        for secret in (
            "canary",
            "Traceback",
            "site-packages",
            "/dashboard/",
            "SELECT",
            "MUSTER_",
            "settings",
        ):
            assert secret not in text, (status, secret)
    assert "Something broke" in pages[500].content.decode()


def test_a_form_of_a_page_that_is_too_old_is_refused_in_words(browser_of: Callable[..., Client]) -> None:
    answer = browser_of("superuser", enforce_csrf_checks=True).post("/compose/", {"review": "1"})
    assert answer.status_code == 403
    assert "This page was too old" in answer.content.decode()
    assert "Nothing was done" in answer.content.decode()


def test_an_address_that_only_takes_forms_says_so_to_whom_a_login_led_there(desk: Client) -> None:
    answer = desk.get("/compose/preview/")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
    assert "Back to the tasks" in answer.content.decode()
    assert desk.put("/compose/preview/").content == b""
