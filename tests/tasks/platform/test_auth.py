from __future__ import annotations

import pytest

from tasks.platform.auth import Token, login
from tasks.platform.errors import NotAccepted, Throttled
from tests.tasks.platform.servers import connection_to, saying, sending
from tests.tasks.platform.test_transport import closed_port

ANSWER = {
    "accessToken": "a" * 32,
    "tokenType": "bearer",
    "refreshToken": "r" * 32,
    "expiresIn": 3600,
    "scope": "default",
}


def test_a_login_is_a_form_without_token_or_app_key(serve):
    server = serve(saying(200, ANSWER))
    assert login(connection_to(server.url)) == Token("a" * 32, 3600)
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /iocm/app/sec/v1.1.0/login HTTP/1.1\r\n")
    assert b"Content-Type: application/x-www-form-urlencoded" in head
    assert b"app_key" not in head
    assert b"Authorization" not in head
    assert body == b"appId=app1&secret=s3cr3t-value"


def test_a_token_is_not_shown():
    assert "aaa" not in repr(Token("aaa", 1))


@pytest.mark.parametrize("expires", [None, "soon", -1, 0, True, [], 10**12])
def test_a_life_that_is_not_told_is_an_hour(serve, expires):
    assert login(connection_to(serve(saying(200, ANSWER | {"expiresIn": expires})).url)).expires_in == 3600


def error(code: str, text: str = "") -> dict[str, str]:
    return {"error_code": code, "error_desc": text}


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (401, error("100208", "AppId or secret is not right."), "login"),
        (403, error("100208"), "login"),
        (401, error("100025"), "login"),
        (401, error("100006"), "login"),
        (403, error("1010005"), "login"),
        (400, error("100247"), "login"),
        (400, error("50400"), "login"),
        (401, b"", "login"),
        (200, error("100203"), "login"),
        (500, error("50252"), "server error"),
        (502, b"<html>", "server error"),
        (200, b"<html>", "bad answer"),
        (200, {}, "bad answer"),
        (200, {"accessToken": ""}, "bad answer"),
        (200, {"accessToken": 7}, "bad answer"),
        (200, {"accessToken": "a\r\nb"}, "bad answer"),
        (307, b"", "redirect"),
    ],
)
def test_whatever_goes_wrong_with_a_login_the_tasks_wait(serve, status, body, reason):
    with pytest.raises(NotAccepted) as caught:
        login(connection_to(serve(saying(status, body)).url))
    assert caught.value.reason == reason
    assert caught.value.status == status
    assert str(caught.value).startswith("No login: ")


def test_a_throttled_login_says_so(serve):
    with pytest.raises(Throttled):
        login(connection_to(serve(saying(403, error("1010009"))).url))


def test_a_platform_that_cannot_be_reached_or_hangs_up_is_waited_for(serve):
    for url in (f"http://127.0.0.1:{closed_port()}", serve(sending(b"")).url):
        with pytest.raises(NotAccepted) as caught:
            login(connection_to(url))
        assert caught.value.reason in ("unreachable", "no answer")


def test_the_error_of_a_login_holds_no_secret(serve):
    body = b'{"error_code":"100208","error_desc":"no","was":"s3cr3t-value","accessToken":"AAAA"}'
    with pytest.raises(NotAccepted) as caught:
        login(connection_to(serve(saying(401, body)).url))
    shown = repr(vars(caught.value)) + str(caught.value)
    assert "s3cr3t" not in shown
    assert "AAAA" not in shown
