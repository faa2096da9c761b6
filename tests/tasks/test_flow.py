"""One task's whole way through the domain, against a sandbox over HTTP."""

import json

import pytest

from tasks import lifecycle
from tasks.lifecycle import Arrival
from tasks.models import Task
from tasks.states import State
from tests.factories import request
from tests.sandbox import until


@pytest.mark.django_db(transaction=True)
def test_a_task_is_composed_sent_answered_and_complete(
    settings, live_server, sandbox, application, operator, run_bells
):
    settings.PUBLIC_URL = live_server.url
    devices = sandbox.devices(20)
    task = lifecycle.compose(application, operator, request(param={"deviceList": devices}))
    run_bells()

    def is_complete():
        run_bells()
        task.refresh_from_db()
        return task.state == State.COMPLETE

    until(is_complete)
    assert task.answered == task.expected == 20
    assert sum(task.counts.values()) == 20
    assert task.results.count() == 20
    assert [row.to_state for row in task.transitions.all()] == ["QUEUED", "SUBMITTING", "RUNNING", "COMPLETE"]
    assert task.attempts.get().outcome == "created"
    (create,) = sandbox.ledger()["creates"]
    assert create["taskID"] == task.platform_task_id
    assert create["body"] == task.request_body
    assert json.loads(create["body"])["param"]["callbackUrl"].startswith(live_server.url)


@pytest.mark.django_db(transaction=True)
def test_a_push_that_comes_before_the_answer_to_the_create_is_not_lost(
    sandbox, application, operator, run_bells, bells
):
    """C07: while the platform hesitates with its answer, its push is already kept and settled."""
    (device,) = sandbox.devices(1)
    task = lifecycle.compose(application, operator, request(param={"deviceList": [device]}))
    body = {"deviceId": device, "commandId": "c1", "result": {"resultCode": "SUCCESSFUL"}}
    assert lifecycle.receive([Arrival(task.callback_token, json.dumps(body).encode())]) == [task.pk]
    bells.append(("settle", task.pk))
    bells.reverse()  # the push is settled before the request is even sent
    run_bells()
    assert Task.objects.get().state == State.COMPLETE
    assert Task.objects.get().counts == {"SUCCESSFUL": 1}
