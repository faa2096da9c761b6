import http.client
import threading
from urllib.parse import urlsplit

import pytest
import requests

from tasks.sandbox import faults, spoil
from tasks.sandbox.errors import OF_THE_PAGE
from tests.sandbox import API, TASKS


def test_every_action_has_a_function():
    assert set(faults.CALL_ACTIONS) == set(spoil.ACTIONS)


@pytest.mark.parametrize("error", OF_THE_PAGE, ids=lambda error: f"{error.status}-{error.code}")
def test_every_error_of_the_page_is_one_call_away(sandbox, error):
    rule = {"route": "create", "times": 1, "action": "error", "status": error.status, "code": error.code}
    sandbox.faults(rule)
    answer = sandbox.create()
    assert answer.status_code == error.status
    assert list(answer.json().items()) == [("error_code", error.code), ("error_desc", error.desc)]
    assert "taskID" in sandbox.create().json()


@pytest.mark.parametrize(("after", "made"), [(False, 0), (True, 1)])
def test_a_connection_is_cut_before_or_after_the_task_is_made(sandbox, after, made):
    sandbox.login()
    sandbox.faults({"route": "create", "action": "cut", "after": after})
    with pytest.raises(requests.ConnectionError):
        sandbox.create()
    state, ledger = sandbox.state(), sandbox.ledger()
    assert state["tasks_total"] == made
    assert len(ledger["creates"]) == 1
    assert (ledger["creates"][0]["taskID"] is not None) == bool(made)
    assert ledger["creates"][0]["fault"] == "cut"


def test_half_an_answer_is_followed_by_a_reset(sandbox):
    sandbox.faults({"route": "create", "action": "half"})
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        sandbox.create()
    assert sandbox.state()["tasks_total"] == 1


def test_half_of_an_empty_answer_is_not_the_whole(sandbox):
    sandbox.faults({"route": "create", "action": "half"}, {"route": "create", "action": "empty"})
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        sandbox.create()


def test_an_answer_drips(sandbox):
    sandbox.login()
    sandbox.faults({"route": "create", "action": "drip", "seconds": 0.01})
    answer = sandbox.create()
    assert "taskID" in answer.json()
    assert answer.elapsed.total_seconds() < 0.3


@pytest.mark.parametrize(
    ("rule", "status", "text"),
    [
        ({"action": "html"}, 502, "<html>"),
        ({"action": "empty"}, 200, ""),
        ({"action": "text", "body": "null"}, 200, "null"),
        ({"action": "text", "status": 503, "body": "busy"}, 503, "busy"),
    ],
)
def test_an_answer_is_replaced(sandbox, rule, status, text):
    sandbox.faults({"route": "create", "after": True} | rule)
    answer = sandbox.create()
    assert answer.status_code == status
    assert answer.text.startswith(text)
    assert sandbox.state()["tasks_total"] == 1


def test_a_redirect_points_elsewhere(sandbox):
    sandbox.faults({"route": "create", "action": "redirect", "location": "http://127.0.0.1:9/x"})
    answer = sandbox.call("POST", TASKS, sandbox.request_body(), allow_redirects=False)
    assert (answer.status_code, answer.headers["Location"]) == (307, "http://127.0.0.1:9/x")


@pytest.mark.parametrize("packed", [False, True])
def test_an_answer_floods(sandbox, packed):
    sandbox.faults({"route": "query", "action": "flood", "bytes": 10_000_000, "gzip": packed})
    answer = sandbox.call("GET", f"{TASKS}/x")
    assert len(answer.content) > 9_000_000


def test_a_rule_strikes_the_nth_call_only(sandbox):
    sandbox.faults({"route": "create", "action": "html", "nth": 2})
    assert [sandbox.create().status_code for _ in range(3)] == [200, 502, 200]


def test_a_share_of_calls_is_struck(sandbox):
    sandbox.faults({"route": "query", "action": "html", "probability": 0.5})
    struck = [sandbox.call("GET", f"{TASKS}/x").status_code for _ in range(40)].count(502)
    assert 5 < struck < 35


def test_rules_add_up_and_are_cleared(sandbox):
    sandbox.faults(
        {"route": "any", "action": "latency", "seconds": 0.1}, {"route": "create", "action": "html"}
    )
    answer = sandbox.create()
    assert answer.status_code == 502
    assert answer.elapsed.total_seconds() > 0.1
    sandbox.faults()
    assert sandbox.state()["faults"] == []
    assert sandbox.create().status_code == 200


@pytest.mark.parametrize(
    "rule",
    [
        {},
        [],
        5,
        "x",
        {"action": "dance"},
        {"action": "error", "when": 1},
        {"action": "error", "status": 99},
        {"action": "latency", "seconds": "1"},
        {"action": "latency", "seconds": -1},
        {"action": "cut", "after": 1},
        {"action": "redirect", "location": "a\r\nb"},
    ],
)
def test_a_rule_that_is_none_is_refused_with_a_sentence(sandbox, rule):
    answer = requests.post(f"{sandbox.url}/_sandbox/faults", json=rule, timeout=5)
    if rule == []:
        assert answer.status_code == 200
    else:
        assert answer.status_code == 400
        assert answer.json()["error"]
    assert sandbox.state()["faults"] == []


def test_the_ledger_sees_overlapping_creates_of_one_name(sandbox):
    sandbox.login()
    sandbox.faults({"route": "create", "action": "latency", "seconds": 0.3})
    pair = [threading.Thread(target=sandbox.create, kwargs={"taskName": "same"}) for _ in range(2)]
    for thread in pair:
        thread.start()
    for thread in pair:
        thread.join()
    ledger = sandbox.ledger()
    assert ledger["overlaps"] == ["same"]
    assert ledger["max_creates_in_flight"] == 2
    assert [create["taskID"] is None for create in ledger["creates"]].count(True) == 1


def test_the_ledger_keeps_the_body_as_it_came(sandbox):
    body = '{ "taskName" : "odd \\u00e9" }'
    sandbox.call("POST", TASKS, data=body)
    kept = sandbox.ledger()["creates"][0]
    assert (kept["body"], kept["error"], kept["taskName"]) == (body, "50400", "odd é")


def test_an_unknown_path_is_answered_with_an_error_body(sandbox):
    where = urlsplit(sandbox.url)
    connection = http.client.HTTPConnection(where.hostname, where.port)
    connection.request("DELETE", f"{API}/nowhere")
    answer = connection.getresponse()
    assert (answer.status, answer.getheader("Content-Type")) == (404, "application/json;charset=UTF-8")
    assert b"error_code" in answer.read()
    connection.close()
