import json
import re
import time

import pytest
import requests

from tests.sandbox import API, TASKS, Sandbox, running_sandbox

LOGIN = f"{API}/sec/v1.1.0/login"
REFRESH = f"{API}/sec/v1.1.0/refreshToken"
LOGOUT = f"{API}/sec/v1.1.0/logout"


def works(sandbox: Sandbox, token: str, scheme: str = "Bearer ", **headers: str) -> bool:
    given = {"app_key": sandbox.app_id, "Authorization": scheme + token} | headers
    answer = requests.get(f"{sandbox.url}{TASKS}/none", headers=given, timeout=5)
    assert answer.json()["error_code"] in {"105005", "1010005"}
    return answer.status_code == 404


def test_a_login_answers_as_captured_on_the_wire(sandbox):
    answer = requests.post(
        sandbox.url + LOGIN, data={"appId": sandbox.app_id, "secret": sandbox.secret}, timeout=5
    )
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json;charset=UTF-8"
    body = answer.json()
    assert list(body) == ["accessToken", "tokenType", "refreshToken", "expiresIn", "scope"]
    assert (body["tokenType"], body["expiresIn"], body["scope"]) == ("bearer", 3600, "default")
    assert re.fullmatch("[a-z0-9]{32}", body["accessToken"])


def test_a_second_login_invalidates_the_first_token(sandbox):
    first = sandbox.login()
    assert works(sandbox, first)
    second = sandbox.login()
    assert not works(sandbox, first)
    assert works(sandbox, second)


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER  ", "Bearer    "])
def test_neither_case_nor_blanks_of_the_scheme_matter(sandbox, scheme):
    assert works(sandbox, sandbox.login(), scheme)


def test_a_foreign_app_key_or_another_scheme_is_refused(sandbox):
    token = sandbox.login()
    assert not works(sandbox, token, app_key="somebody")
    assert not works(sandbox, token, "Basic ")
    assert not works(sandbox, "")


def test_a_token_ends_after_its_time():
    with running_sandbox(token_seconds=0.2) as sandbox:
        token = sandbox.login()
        assert works(sandbox, token)
        time.sleep(0.25)
        assert not works(sandbox, token)


def test_a_refresh_replaces_both_tokens(sandbox):
    login = requests.post(
        sandbox.url + LOGIN, data={"appId": sandbox.app_id, "secret": sandbox.secret}, timeout=5
    ).json()
    body = {"appId": sandbox.app_id, "secret": sandbox.secret, "refreshToken": login["refreshToken"]}
    fresh = requests.post(sandbox.url + REFRESH, json=body, timeout=5).json()
    assert list(fresh) == ["accessToken", "tokenType", "expiresIn", "scope", "refreshToken"]
    assert not works(sandbox, login["accessToken"])
    assert works(sandbox, fresh["accessToken"])
    again = requests.post(sandbox.url + REFRESH, json=body, timeout=5)
    assert (again.status_code, again.json()["error_code"]) == (401, "100006")


def test_a_logout_ends_the_token(sandbox):
    token = sandbox.login()
    assert requests.post(sandbox.url + LOGOUT, json={"accessToken": token}, timeout=5).status_code == 204
    assert not works(sandbox, token)


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "application/x-www-form-urlencoded"])
def test_a_lenient_login_takes_any_content_type_and_a_strict_one_its_own(sandbox, strict, kind):
    body = f"appId={sandbox.app_id}&secret={sandbox.secret}"
    if kind == "application/json":
        body = json.dumps({"appId": sandbox.app_id, "secret": sandbox.secret})
    for platform, wanted in ((sandbox, 200), (strict, 200 if "form" in kind else 400)):
        answer = requests.post(platform.url + LOGIN, data=body, headers={"Content-Type": kind}, timeout=5)
        assert answer.status_code == wanted


@pytest.mark.parametrize(
    ("form", "status", "code"),
    [
        ({"appId": "sandbox_muster_app_0000001", "secret": "wrong"}, 401, "100208"),
        ({"appId": "nobody", "secret": "sandbox-secret"}, 401, "100208"),
        ({"appId": "x"}, 400, "102202"),
        ({}, 400, "102202"),
        ({"appId": "x" * 300, "secret": "s"}, 400, "50400"),
    ],
)
def test_a_wrong_login_is_refused(sandbox, form, status, code):
    answer = requests.post(sandbox.url + LOGIN, data=form, timeout=5)
    assert (answer.status_code, answer.json()["error_code"]) == (status, code)


def test_every_call_counts_towards_the_limit_of_a_minute():
    with running_sandbox(calls_per_minute=3) as sandbox:
        sandbox.login()
        assert sandbox.create().status_code == 200
        assert sandbox.create().status_code == 200
        answer = sandbox.create()
        assert answer.status_code == 403
        assert answer.json() == {"error_code": "1010009", "error_desc": "app throttle exceed."}
        assert sandbox.ledger()["max_calls_in_60s"] == 4
