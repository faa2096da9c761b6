"""Doubt ends by evidence alone: a device's answer, a device's command, a guarded probe, a person."""

import datetime as dt
import itertools
import json

import pytest
from django.db import connections

from tasks import lifecycle
from tasks.lifecycle import Arrival, NotSettled, evidence
from tasks.models import Application, Attempt, Task
from tasks.platform.answers import CommandsPage
from tasks.states import State
from tasks.targets import TargetType
from tests.factories import ApplicationFactory, TaskFactory, UserFactory
from tests.tasks.lifecycle.test_outcomes import replayed
from tests.tasks.lifecycle.test_submit import again_and_again, created, sent
from tests.tasks.platform.servers import saying
from tests.tasks.threads import at_once

pytestmark = pytest.mark.django_db

LOST = {"route": "create", "times": 1, "action": "cut"}
"""The request is cut off before the platform did anything with it."""

UNANSWERED = LOST | {"after": True}
"""The platform creates the task, and its answer is cut off."""


@pytest.fixture
def doubtful(sandbox, application, times):
    """A task whose first attempt met this fault."""

    def make(fault=UNANSWERED, count=5, **columns):
        sandbox.faults(fault)
        if columns.get("kind", TargetType.DEVICE_LIST) == TargetType.DEVICE_LIST:
            columns["devices"] = sandbox.devices(count)
        task = TaskFactory(application=application, **columns)
        lifecycle.submit(task.pk)
        sandbox.faults()
        task.refresh_from_db()
        assert task.state == State.UNCONFIRMED
        return task

    return make


def switch(**columns):
    Application.objects.update(**columns)


def sought(times, task, *moments):
    """Look for evidence at these seconds after the attempt, as often as it is due."""
    begun = times.now
    for seconds in moments:
        times.now = begun + dt.timedelta(seconds=seconds)
        lifecycle.seek_evidence(task.pk)
    task.refresh_from_db()
    return task


def calls(sandbox, name):
    return sandbox.ledger()["calls"].get(name, 0)


# A device's answer


def test_a_devices_answer_at_the_tasks_own_address_proves_it(doubtful):
    """E1"""
    task = doubtful()
    lifecycle.receive(
        [Arrival(task.callback_token, b'{"deviceId":"d","commandId":"c","result":{"resultCode":"SENT"}}')]
    )
    lifecycle.settle(task.pk)
    task.refresh_from_db()
    last = task.transitions.last()
    assert (task.state, task.platform_task_id) == (State.RUNNING, "")
    assert (set(last.evidence), last.actor) == ({"last_push_at"}, None)
    assert replayed(task) == State.RUNNING


# Device commands


def test_without_the_switch_no_device_command_is_asked_for(doubtful, sandbox, times):
    """E2, S12: and without the other there is no probe, however long it takes."""
    task = sought(times, doubtful(LOST), 30, 120, 600, 86_400)
    assert task.state == State.UNCONFIRMED
    assert calls(sandbox, "commands") == 0
    assert (sent(sandbox), task.poll_at) == (1, None)


def test_a_device_command_with_the_tasks_own_address_proves_it(doubtful, sandbox, times):
    """E2: the first look, half a minute later."""
    switch(query_commands=True)
    task = doubtful()
    sought(times, task, 29)
    assert calls(sandbox, "commands") == 0
    sought(times, task, 1)
    assert (task.state, task.platform_task_id) == (State.RUNNING, "")
    assert "callback address" in task.transitions.last().reason
    assert calls(sandbox, "commands") == 1
    again_and_again(task)
    assert sent(sandbox) == 1


def test_three_devices_are_looked_at_and_three_times_in_all(doubtful, sandbox, times):
    """E2, S12: finding nothing proves nothing."""
    switch(query_commands=True)
    sandbox.configure(batch_in_commands=False)
    task = doubtful(count=50)
    counted = []
    for seconds in (30, 90, 480, 3600):
        sought(times, task, seconds)
        counted.append(calls(sandbox, "commands"))
    assert counted == [3, 6, 9, 9]
    assert (task.state, task.poll_at) == (State.UNCONFIRMED, None)
    assert sent(sandbox) == 1


def test_all_commands_of_the_application_are_looked_at_for_a_broadcast(doubtful, sandbox, times):
    switch(query_commands=True)
    task = sought(times, doubtful(kind=TargetType.BROADCAST), 30)
    assert task.state == State.RUNNING
    assert calls(sandbox, "commands") == 1


def test_another_tasks_commands_prove_nothing(doubtful, sandbox, application, times):
    switch(query_commands=True)
    other = TaskFactory(application=application, devices=sandbox.devices(5))
    lifecycle.submit(other.pk)
    task = sought(times, doubtful(LOST), 30)
    assert task.state == State.UNCONFIRMED
    assert calls(sandbox, "commands") == 3


def test_a_task_without_an_address_cannot_be_found_among_commands(doubtful, sandbox, times):
    switch(query_commands=True)
    task = sought(times, doubtful(callback_token=None), 30)
    assert (task.state, calls(sandbox, "commands")) == (State.UNCONFIRMED, 0)


@pytest.mark.parametrize(
    "fault",
    [
        {"action": "error", "code": "50252"},
        {"action": "error", "code": "1010009"},
        {"action": "html", "status": 502},
        {"action": "half", "after": True},
        {"action": "text", "body": '{"data":null}'},
    ],
    ids=["50252", "1010009", "502", "half a page", "no page"],
)
def test_a_question_that_fails_draws_no_conclusion(doubtful, sandbox, times, fault):
    """S38: the doubt stays, and the next look finds what is there."""
    switch(query_commands=True)
    task = doubtful()
    sandbox.faults({"route": "commands"} | fault)
    sought(times, task, 30)
    assert task.state == State.UNCONFIRMED
    assert calls(sandbox, "commands") == 1
    sandbox.faults()
    sought(times, task, 90)
    assert task.state == State.RUNNING


# The guarded probe


def test_the_probe_finds_that_the_first_request_had_arrived(doubtful, sandbox, times, bells):
    """S10: refused as a known name, after the quiet time and not before; one task on the platform."""
    switch(lasting_names=True)
    task = doubtful()
    sought(times, task, 30, 119)
    assert (task.state, sent(sandbox)) == (State.UNCONFIRMED, 1)
    sought(times, task, 1)
    assert (task.state, task.probed) == (State.QUEUED, True)
    assert "guarded probe" in task.transitions.last().reason
    lifecycle.submit(task.pk)
    task.refresh_from_db()
    assert (task.state, task.platform_task_id, task.error_code) == (State.RUNNING, "", "")
    assert len(created(sandbox)) == 1
    assert [attempt.outcome for attempt in task.attempts.all()] == ["outcome unknown", "already there"]
    assert len({create["sha256"] for create in sandbox.ledger()["creates"]}) == 1
    assert replayed(task) == State.RUNNING


def test_the_probe_is_the_first_request_when_that_never_arrived(doubtful, sandbox, times):
    """S11"""
    switch(lasting_names=True)
    task = sought(times, doubtful(LOST), 120)
    lifecycle.submit(task.pk)
    task.refresh_from_db()
    (create,) = created(sandbox)
    assert (task.state, task.platform_task_id) == (State.RUNNING, create["taskID"])


def test_a_probe_of_unknown_outcome_is_the_last(doubtful, sandbox, times):
    switch(lasting_names=True)
    task = sought(times, doubtful(LOST), 120)
    sandbox.faults(LOST)
    lifecycle.submit(task.pk)
    sought(times, task, 30, 120, 600, 86_400)
    assert (task.state, task.poll_at) == (State.UNCONFIRMED, None)
    again_and_again(task)
    assert sent(sandbox) == 2


def test_a_worker_that_dies_with_the_probe_leaves_no_second_one(doubtful, sandbox, times):
    """P7: the probe was sent, and nobody knows what came of it."""
    switch(lasting_names=True)
    task = sought(times, doubtful(), 120)
    lifecycle.submit(task.pk)
    fence = Task.objects.get().fence
    Task.objects.update(
        state=State.SUBMITTING, lease_until=times.now + dt.timedelta(seconds=180), fence=fence
    )
    Attempt.objects.filter(fence=fence).update(outcome="", finished_at=None)  # as if nothing was recorded
    times.on(181)
    lifecycle.sweep()
    task.refresh_from_db()
    assert task.state == State.UNCONFIRMED
    sought(times, task, 30, 120, 600, 86_400)
    assert task.state == State.UNCONFIRMED
    assert (sent(sandbox), len(created(sandbox))) == (2, 1)


def test_a_probe_that_the_platform_puts_off_is_still_the_same_probe(doubtful, sandbox, times):
    switch(lasting_names=True)
    task = sought(times, doubtful(), 120)
    sandbox.faults({"route": "create", "times": 1, "action": "error", "code": "105001"})
    lifecycle.submit(task.pk)
    assert Task.objects.get().state == State.QUEUED
    times.on(60)
    lifecycle.submit(task.pk)
    assert Task.objects.get().state == State.RUNNING
    assert len(created(sandbox)) == 1


@pytest.mark.parametrize("code", ["50400", "100217", "105202"])
def test_a_probe_that_is_refused_for_another_reason_proves_nothing(doubtful, sandbox, times, code):
    """I4, I5: the first request may have arrived before the platform changed its mind."""
    switch(lasting_names=True)
    task = sought(times, doubtful(), 120)
    sandbox.faults({"route": "create", "times": 1, "action": "error", "code": code})
    lifecycle.submit(task.pk)
    task.refresh_from_db()
    assert task.state == State.UNCONFIRMED
    assert code in task.reason
    assert task.attempts.last().outcome == "refused"
    assert replayed(task) == State.UNCONFIRMED
    sought(times, task, 30, 120, 600)
    assert (task.state, sent(sandbox)) == (State.UNCONFIRMED, 2)


def test_a_probe_on_its_way_cannot_be_called_never_sent(doubtful, times, operator):
    """I4: CANCELLED says that no device was commanded; after the first request nobody knows."""
    switch(lasting_names=True)
    task = sought(times, doubtful(), 120)
    assert task.state == State.QUEUED
    assert not lifecycle.cancel(task, operator)
    assert Task.objects.get().state == State.QUEUED


@pytest.mark.django_db(transaction=True)
def test_who_finds_evidence_too_late_changes_nothing(doubtful, sandbox, times, bells):
    """A device answers while the device commands are read."""
    switch(query_commands=True, lasting_names=True)
    sandbox.configure(batch_in_commands=False)
    task = doubtful()

    def answer_meanwhile(application, read):
        Task.objects.filter(pk=task.pk).update(state=State.RUNNING)
        return CommandsPage(0, ())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evidence, "ask", answer_meanwhile)
        sought(times, task, 120)
    assert (task.state, task.probed) == (State.RUNNING, False)


# A person


def test_a_person_names_the_task_id(doubtful, sandbox, operator):
    """E4: taken because the platform confirms the name."""
    task = doubtful()
    task_id = created(sandbox)[0]["taskID"]
    lifecycle.confirm(task, f"  {task_id} ", operator)
    task.refresh_from_db()
    assert (task.state, task.platform_task_id) == (State.RUNNING, task_id)
    settled, learnt = task.transitions.order_by("-id")[:2][::-1]
    assert (settled.actor, settled.from_state, settled.to_state) == (operator, "UNCONFIRMED", "RUNNING")
    assert learnt.evidence == {"taskID": task_id, "actor": "operator"}
    assert calls(sandbox, "query") == 1
    assert replayed(task) == State.RUNNING


def test_a_task_of_another_name_is_not_this_one(doubtful, sandbox, application, operator):
    """S39"""
    task = doubtful()
    stranger = sandbox.create(taskName="somebody else's").json()["taskID"]
    Application.objects.update(access_token="")  # that took a login of its own
    with pytest.raises(NotSettled, match="called “somebody else's”, not “task") as refusal:
        lifecycle.confirm(task, stranger, operator)
    assert task.name in str(refusal.value)
    task.refresh_from_db()
    assert (task.state, task.platform_task_id) == (State.UNCONFIRMED, "")


@pytest.mark.parametrize("task_id", ["nobody-has-this", "", " ", "../../x", "é", "x" * 5000])
def test_a_task_id_that_the_platform_does_not_know_is_not_taken(doubtful, operator, task_id):
    task = doubtful()
    with pytest.raises(NotSettled, match=r"did not confirm this taskID|Enter the taskID"):
        lifecycle.confirm(task, task_id, operator)
    assert Task.objects.get().state == State.UNCONFIRMED


def test_an_id_of_another_of_our_tasks_is_not_taken(doubtful, sandbox, application, operator):
    other = TaskFactory(application=application, devices=sandbox.devices(1))
    lifecycle.submit(other.pk)
    other.refresh_from_db()
    task = doubtful()
    with pytest.raises(NotSettled, match="Another task has this taskID"):
        lifecycle.confirm(task, other.platform_task_id, operator)
    task.refresh_from_db()
    assert task.state == State.UNCONFIRMED


@pytest.mark.parametrize(
    "state", [State.QUEUED, State.SUBMITTING, State.COMPLETE, State.REFUSED, State.ABANDONED]
)
def test_what_is_not_in_doubt_is_not_confirmed(doubtful, sandbox, operator, state):
    """A success must not be claimed where nothing was done."""
    task = doubtful()
    columns = {"due_at": task.created_at, "lease_until": task.created_at}
    Task.objects.update(state=state, **columns)
    task.refresh_from_db()
    with pytest.raises(NotSettled, match="no longer unconfirmed"):
        lifecycle.confirm(task, created(sandbox)[0]["taskID"], operator)
    task.refresh_from_db()
    assert (task.state, task.platform_task_id) == (state, "")


def test_a_person_has_it_sent_again_after_the_quiet_time(doubtful, sandbox, operator, times, bells):
    """E4: not while a worker could still be sending it."""
    task = doubtful(LOST)
    times.on(119)
    with pytest.raises(NotSettled, match="could still be sending"):
        lifecycle.resubmit(task, operator)
    assert Task.objects.get().state == State.UNCONFIRMED
    times.on(1)
    bells.clear()
    lifecycle.resubmit(task, operator)
    last = task.transitions.last()
    assert (last.actor, last.to_state) == (operator, State.QUEUED)
    assert bells == [("submit", task.pk)]
    lifecycle.submit(task.pk)
    task.refresh_from_db()
    assert task.state == State.RUNNING
    assert len(created(sandbox)) == 1
    assert len({create["sha256"] for create in sandbox.ledger()["creates"]}) == 1, "I8"


def test_a_person_who_was_wrong_does_no_harm_where_names_are_unique(doubtful, sandbox, operator, times):
    task = doubtful()
    times.on(120)
    lifecycle.resubmit(task, operator)
    lifecycle.submit(task.pk)
    task.refresh_from_db()
    assert (task.state, len(created(sandbox))) == (State.RUNNING, 1)


def test_a_refusal_after_a_person_was_sure_is_a_refusal(doubtful, sandbox, operator, times):
    task = doubtful(LOST)
    times.on(120)
    lifecycle.resubmit(task, operator)
    sandbox.faults({"route": "create", "times": 1, "action": "error", "code": "50400"})
    lifecycle.submit(task.pk)
    assert Task.objects.get().state == State.REFUSED


def test_a_person_gives_it_up(doubtful, sandbox, operator, times, bells):
    task = doubtful()
    lifecycle.abandon(task, operator)
    task.refresh_from_db()
    last = task.transitions.last()
    assert (task.state, last.actor, task.poll_at) == (State.ABANDONED, operator, None)
    assert "unknown" in last.reason
    sought(times, task, 30, 120, 600)
    again_and_again(task)
    assert sent(sandbox) == 1
    assert replayed(task) == State.ABANDONED


@pytest.mark.parametrize("verb", ["resubmit", "abandon"])
def test_whoever_settles_it_second_is_told(doubtful, operator, times, verb):
    task = doubtful()
    times.on(120)
    Task.objects.update(state=State.RUNNING)  # a device answered meanwhile
    with pytest.raises(NotSettled, match="no longer unconfirmed"):
        getattr(lifecycle, verb)(task, operator)
    assert Task.objects.get().state == State.RUNNING


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "verbs",
    list(itertools.combinations_with_replacement(("confirm", "resubmit", "abandon"), 2)),
    ids=" ".join,
)
def test_s28_two_people_who_settle_one_task_at_once_move_it_once(doubtful, sandbox, times, operator, verbs):
    """S28: Muster has no approval yet; this is its counterpart. One transition, and the other person is told."""
    task = doubtful()
    times.on(120)
    task_id = created(sandbox)[0]["taskID"]
    people = iter(
        [(verb, UserFactory(username=f"person-{verb}-{number}")) for number, verb in enumerate(verbs)]
    )
    moves = task.transitions.count()

    def settle():
        verb, person = next(people)
        named = (task_id,) if verb == "confirm" else ()
        try:
            getattr(lifecycle, verb)(Task.objects.get(pk=task.pk), *named, person)
        except NotSettled as told:
            return str(told)
        return person.pk

    said = at_once(2, settle)
    assert len([each for each in said if isinstance(each, int)]) == 1, said
    assert [each for each in said if isinstance(each, str)] == [evidence.SETTLED]
    left = task.transitions.filter(from_state=State.UNCONFIRMED)
    assert [move.actor_id for move in left] == [each for each in said if isinstance(each, int)]
    learnt = task.transitions.count() - moves - 1
    task.refresh_from_db()
    assert task.state == left.get().to_state
    assert learnt == (task.state == State.RUNNING), "the taskID, which is no change of state"
    assert replayed(task) == task.state


@pytest.mark.django_db(transaction=True)
def test_a_name_is_asked_for_without_a_lock(serve, operator, times, bells):
    """design 4.8"""
    wrote = []

    def write(sock, over):
        wrote.append(ApplicationFactory().pk)
        connections.close_all()
        saying(200, {"taskId": "t1", "taskName": task.name, "status": "Running"})(sock, over)

    application = ApplicationFactory(
        url=serve(write).url, access_token="t", token_expires_at=times.now + dt.timedelta(hours=1)
    )
    task = TaskFactory(application=application, state=State.UNCONFIRMED)
    lifecycle.confirm(task, "t1", operator)
    assert wrote
    assert json.loads(task.request_body)["taskName"] == Task.objects.get().name
    assert Task.objects.get().platform_task_id == "t1"


def test_a_person_cannot_queue_what_a_worker_is_sending(application, operator, times):
    """I1: a page from before is still open in a browser; the worker has an attempt on its way."""
    task = TaskFactory(application=application, state=State.SUBMITTING)
    with pytest.raises(NotSettled, match="no longer unconfirmed"):
        lifecycle.resubmit(task, operator)
    assert Task.objects.get().state == State.SUBMITTING
