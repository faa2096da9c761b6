import datetime as dt

import pytest
from django.utils import timezone

from tasks.lifecycle import tokens
from tasks.models import Application
from tasks.platform.errors import NotAccepted
from tests.factories import ApplicationFactory
from tests.tasks.platform.servers import saying
from tests.tasks.threads import at_once

pytestmark = pytest.mark.django_db


@pytest.mark.django_db(transaction=True)
def test_sixteen_workers_log_in_once(sandbox, application):
    """I10: a second login would make the first token invalid."""
    told = at_once(16, lambda: tokens.access_token(Application.objects.get()))
    assert len(set(told)) == 1
    ledger = sandbox.ledger()
    assert (ledger["logins"], ledger["max_logins_in_flight"]) == (1, 1)
    application.refresh_from_db()
    assert (application.access_token, application.login_lease_until) == (told[0], None)


@pytest.mark.parametrize(("left", "logins"), [(3600, 0), (120, 0), (30, 1), (-30, 1)])
def test_a_token_is_renewed_a_minute_before_it_runs_out(sandbox, application, left, logins):
    Application.objects.update(token_expires_at=timezone.now() + dt.timedelta(seconds=left))
    application.refresh_from_db()
    application.access_token = "stored"
    application.save()
    token = tokens.access_token(application)
    assert (token == "stored") == (logins == 0)
    assert sandbox.ledger()["logins"] == logins


def test_a_token_another_worker_has_renewed_is_not_thrown_away(sandbox, application):
    tokens.access_token(application)
    application.refresh_from_db()
    new = application.access_token = "newer"
    application.save()
    tokens.discard(application, "older")
    assert tokens.access_token(application) == new
    tokens.discard(application, new)
    kept = Application.objects.get()
    assert (kept.access_token, kept.token_expires_at) == ("", None)
    assert tokens.access_token(application) != new
    assert sandbox.ledger()["logins"] == 2


def test_a_worker_that_died_at_the_login_blocks_nobody_for_ever(sandbox, application):
    Application.objects.update(login_lease_until=timezone.now() - dt.timedelta(seconds=1))
    assert tokens.access_token(application)


def test_who_waits_too_long_for_another_login_comes_again_later(sandbox, application, monkeypatch):
    monkeypatch.setattr(tokens, "PATIENCE_SECONDS", 0.2)
    Application.objects.update(login_lease_until=timezone.now() + dt.timedelta(seconds=60))
    with pytest.raises(NotAccepted, match="still logging in"):
        tokens.access_token(application)
    assert sandbox.ledger()["logins"] == 0


@pytest.mark.parametrize(
    "answer",
    [
        saying(401, {"error_code": "100208", "error_desc": "AppId or secret is not right."}),
        saying(200, {"accessToken": ""}),
        saying(200, b"<html>"),
        saying(500, {"error_code": "50252", "error_desc": "Internal server error."}),
        saying(307, b"", "Location: http://127.0.0.1:9/"),
    ],
    ids=["wrong secret", "no token", "HTML", "50252", "redirect"],
)
def test_a_login_that_fails_is_explained_and_leaves_the_door_open(serve, answer):
    """S24"""
    application = ApplicationFactory(url=serve(answer).url)
    with pytest.raises(NotAccepted):
        tokens.access_token(application)
    application.refresh_from_db()
    assert application.login_problem
    assert application.login_lease_until is None
    assert application.secret not in application.login_problem


def test_a_login_that_works_again_clears_its_problem(application):
    Application.objects.update(login_problem="no")
    tokens.access_token(application)
    application.refresh_from_db()
    assert application.login_problem == ""


def test_tokens_and_secrets_are_in_no_repr(application):
    """C38"""
    token = tokens.access_token(application)
    shown = f"{application!r} {application} {application.connection()!r}"
    assert token not in shown
    assert application.secret not in shown
