"""Who is next, why the others wait, and that no bell is needed for either to be true."""

import datetime as dt
import itertools

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as some

from tasks import jobs, lifecycle
from tasks.lifecycle import budget, health, queue, tokens
from tasks.lifecycle.health import is_gone
from tasks.lifecycle.transitions import move
from tasks.models import Application, Attempt, Task
from tasks.states import FINAL, State
from tests.factories import ApplicationFactory, TaskFactory, UserFactory
from tests.tasks.lifecycle.test_outcomes import replayed
from tests.tasks.lifecycle.test_submit import created, open_the_gates, sent
from tests.tasks.threads import at_once

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("worker_lives")]

SECOND = dt.timedelta(seconds=1)


def filled(application, count, **columns):
    """Running tasks of which the platform has said that they are not over."""
    columns = {"state": State.RUNNING, "platform_status": "Running"} | columns
    return [TaskFactory(application=application, **columns) for _ in range(count)]


# The order


def test_what_goes_before_others_goes_first_and_then_what_came_first(sandbox, application, times):
    first, second = (TaskFactory(application=application, devices=sandbox.devices(1)) for _ in range(2))
    urgent, urgent_too = (
        TaskFactory(application=application, devices=sandbox.devices(1), priority=1) for _ in range(2)
    )
    later = TaskFactory(
        application=application, devices=sandbox.devices(1), priority=1, due_at=times.now + SECOND
    )
    lifecycle.submit(second.pk)  # whoever the bell rings for
    order = [create["taskName"] for create in created(sandbox)]
    assert order == [task.name for task in (urgent, urgent_too, first, second)]
    times.on(1)
    lifecycle.submit(first.pk)
    assert created(sandbox)[-1]["taskName"] == later.name


def test_a_task_is_due_at_its_time_and_not_before(times):
    task = TaskFactory(due_at=times.now + SECOND)
    assert queue.next_due(task.application) is None
    times.on(1)
    assert queue.next_due(task.application) == task.pk
    assert queue.next_due(ApplicationFactory()) is None


# Slots


@pytest.mark.parametrize(
    ("columns", "holds"),
    [
        ({"state": State.SUBMITTING}, True),
        ({"state": State.RUNNING, "platform_status": "Running"}, True),
        ({"state": State.RUNNING, "platform_status": "Pending"}, True),
        ({"state": State.RUNNING, "platform_status": "Complete"}, False),
        ({"state": State.RUNNING, "platform_status": "Timeout"}, False),
        ({"state": State.QUEUED}, False),
        ({"state": State.UNCONFIRMED}, False),
        *(({"state": state}, False) for state in sorted(FINAL)),
    ],
    ids=str,
)
def test_who_holds_a_slot_as_far_as_the_platform_has_told(application, times, columns, holds):
    task = TaskFactory(application=application, **columns)
    filled(ApplicationFactory(), 1)
    assert [each.pk for each in queue.holders(application)] == [task.pk] * holds


def test_a_task_just_accepted_holds_its_slot_until_its_status_could_be_read(application, times):
    filled(application, 1, platform_status="", submitted_at=times.now)
    times.on(14.9)
    assert len(queue.holders(application)) == 1
    times.on(0.1)
    assert queue.holders(application) == []


def test_the_eleventh_waits_without_a_request_and_goes_when_a_slot_is_free(
    sandbox, application, times, bells
):
    """S20: over real sockets; the platform never has to say 105001."""
    sandbox.configure(unfinished_limit=10, pace={"start": 600})
    for _ in range(11):
        TaskFactory(application=application, devices=sandbox.devices(1))
    lifecycle.submit(Task.objects.last().pk)
    waiting = Task.objects.get(state=State.QUEUED)
    assert (sent(sandbox), len(created(sandbox))) == (10, 10)
    assert queue.obstacle(application).reason == "no free slot"
    assert waiting.deferrals == 0
    place = queue.place_of(waiting)
    assert (place.position, place.wait.words) == (1, "all 10 places for unfinished tasks are taken")
    done = Task.objects.filter(state=State.RUNNING).first()
    Task.objects.filter(pk=done.pk).update(state=State.COMPLETE)
    sandbox.configure(unfinished_limit=11)  # one of the ten is over
    lifecycle.submit(done.pk)
    waiting.refresh_from_db()
    assert waiting.state == State.RUNNING
    assert sandbox.ledger()["errors"] == {}


@pytest.mark.django_db(transaction=True)
def test_twelve_workers_race_for_the_last_slot(sandbox, application, bells):
    """S21: the platform never has more than its limit, and never says so."""
    sandbox.configure(unfinished_limit=10, pace={"start": 600})
    filled(application, 9)
    for _ in range(9):
        sandbox.create()
    tokens.discard(application, "")
    tasks = [TaskFactory(application=application, devices=sandbox.devices(1)).pk for _ in range(12)]
    numbers = itertools.count()
    at_once(12, lambda: lifecycle.submit(tasks[next(numbers)]))
    assert sandbox.state()["unfinished"] == 10
    assert sandbox.ledger()["errors"].get("105001", 0) == 0
    assert sent(sandbox) == 10
    assert Task.objects.filter(state=State.QUEUED).count() == 11


def test_a_platform_that_says_it_is_full_is_left_alone_for_a_while(sandbox, application, times):
    """S08, S20: somebody else uses the same application; the order is kept."""
    first, second = (TaskFactory(application=application, devices=sandbox.devices(1)) for _ in range(2))
    sandbox.faults({"route": "create", "times": 1, "action": "error", "code": "105001"})
    lifecycle.submit(first.pk)
    application.refresh_from_db()
    assert application.full_until == times.now + 15 * SECOND
    assert sent(sandbox) == 1
    assert queue.obstacle(application).words == "the platform says that it has no free place"
    times.on(14.9)
    lifecycle.submit(second.pk)
    assert sent(sandbox) == 1
    times.on(5)
    lifecycle.submit(second.pk)
    assert {task.state for task in Task.objects.all()} == {State.RUNNING}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("end", ["COMPLETE", "TIMED_OUT"])
def test_a_slot_that_is_free_again_rings_for_the_next(application, times, bells, end):
    """S20: and the platform's word that it is full counts no longer."""
    (done,) = filled(application, 1)
    TaskFactory(application=application)
    Application.objects.update(full_until=times.now + 15 * SECOND)
    move(done, State(end), "over")
    application.refresh_from_db()
    assert application.full_until is None
    assert bells == [("submit", done.pk)]


@pytest.mark.django_db(transaction=True)
def test_a_queued_task_that_is_cancelled_frees_nothing(application, times, operator, bells):
    task = TaskFactory(application=application)
    Application.objects.update(full_until=times.now + 15 * SECOND)
    assert lifecycle.cancel(task, operator)
    application.refresh_from_db()
    assert application.full_until is not None
    assert bells == []


# Why it waits

OBSTACLES = ("platform unreachable", "token refused", "full", "slots", "call budget")
REASONS = {"full": "no free slot", "slots": "no free slot"}


def put(application, obstacle, now):
    if obstacle == "platform unreachable":
        Application.objects.update(failures=5, open_until=now + 11 * SECOND)
    elif obstacle == "token refused":
        Application.objects.update(login_after=now + 12 * SECOND, login_problem="100208: wrong secret")
    elif obstacle == "full":
        Application.objects.update(full_until=now + 13 * SECOND)
    elif obstacle == "slots":
        filled(application, application.unfinished_limit)
    else:
        budget.drain(application)


@pytest.mark.parametrize(
    "there", [c for n in range(6) for c in itertools.combinations(OBSTACLES, n)], ids="+".join
)
def test_nothing_waits_without_a_reason(application, times, there):
    """design 4.7: every combination of obstacles; the first one in the order is named, with its time."""
    task = TaskFactory(application=application)
    for obstacle in there:
        put(application, obstacle, times.now)
    application.refresh_from_db()
    wait = queue.obstacle(application)
    place = queue.place_of(task)
    assert place.position == 1
    if not there:
        assert wait is None
        assert (place.wait.reason, place.start) == ("next", times.now)
        return
    assert place.wait == wait
    assert wait.reason == REASONS.get(there[0], there[0])
    until = {"platform unreachable": 11, "token refused": 12, "full": 13, "call budget": 60}.get(there[0])
    assert wait.until == (until and times.now + until * SECOND)
    assert wait.words
    assert place.start >= (wait.until or times.now)
    lifecycle.submit(task.pk)
    assert Task.objects.get(pk=task.pk).state == State.QUEUED


def test_the_reason_is_in_words(application, times):
    task = TaskFactory(application=application)
    put(application, "token refused", times.now)
    task.refresh_from_db()
    assert queue.place_of(task).wait.words == "no token: 100208: wrong secret"


def test_without_a_worker_everything_waits_for_one(application, times, monkeypatch):
    """Q06: else a queue that nobody works at says that a worker takes it as soon as one is free."""
    monkeypatch.setattr(health, "is_gone", is_gone)
    task = TaskFactory(application=application)
    put(application, "token refused", times.now)
    assert queue.place_of(task).wait.words.startswith("no worker has looked for work yet")
    lifecycle.sweep()
    seen = times.now
    task.refresh_from_db()
    assert queue.place_of(task).wait.reason == "token refused"
    times.on(121)
    wait = queue.place_of(task).wait
    assert wait.reason == "no worker"
    assert f"since {seen:%Y-%m-%d %H:%M:%S} UTC" in wait.words


def test_places_are_numbered_and_have_their_own_reasons(application, times):
    scheduled = TaskFactory(application=application, due_at=times.now + dt.timedelta(hours=1))
    tried = TaskFactory(
        application=application, due_at=times.now + 9 * SECOND, deferrals=1, reason="nobody was there"
    )
    due = TaskFactory(application=application)
    first = TaskFactory(application=application, priority=1)
    TaskFactory()
    places = queue.places(application, [], queue.obstacle(application))
    assert [(place.position, place.task.pk) for place in places] == [
        (1, first.pk),
        (2, scheduled.pk),
        (3, tried.pk),
        (4, due.pk),
    ]
    waits = [(place.wait.reason, place.wait.words) for place in places]
    assert waits[1:3] == [("due at", "scheduled"), ("due at", "nobody was there")]
    assert waits[0] == waits[3] == ("next", "a worker takes it as soon as one is free")
    assert [place.start for place in places[1:3]] == [scheduled.due_at, tried.due_at]
    assert [place.position for place in queue.places(application, [], None, most=2)] == [1, 2]


def test_starts_are_estimated_from_how_long_tasks_usually_take(application, times):
    Application.objects.update(unfinished_limit=2)
    application.refresh_from_db()
    assert queue.usual_duration(application) == dt.timedelta(minutes=5)
    ended = {"state": State.COMPLETE, "submitted_at": times.now - dt.timedelta(hours=1)}
    for minutes in (1, 2, 30):
        TaskFactory(
            application=application,
            **ended,
            finished_at=ended["submitted_at"] + dt.timedelta(minutes=minutes),
        )
    assert queue.usual_duration(application) == dt.timedelta(minutes=2)
    filled(application, 1, submitted_at=times.now - dt.timedelta(minutes=1))
    filled(application, 1, submitted_at=times.now - dt.timedelta(minutes=60))
    for _ in range(4):
        TaskFactory(application=application)
    starts = [
        (place.start - times.now).total_seconds()
        for place in queue.places(application, queue.holders(application), None)
    ]
    assert starts == [0, 60, 120, 180]


# A worker's patience


@pytest.mark.parametrize(("wait", "goes"), [(0.5, True), (6, True), (6.1, False), (50, False)])
def test_a_worker_waits_for_a_call_up_to_six_seconds(sandbox, application, times, wait, goes):
    tokens.access_token(application)
    Application.objects.update(drained_until=times.now + wait * SECOND)
    begun = times.now
    lifecycle.submit(TaskFactory(application=application, devices=sandbox.devices(1)).pk)
    assert (Task.objects.get().state == State.RUNNING) is goes
    assert times.now - begun <= 6.1 * SECOND
    assert (times.now > begun) is goes


@pytest.mark.parametrize("obstacle", ["platform unreachable", "token refused", "full", "slots"])
def test_a_worker_waits_for_nothing_else(application, times, obstacle):
    task = TaskFactory(application=application)
    put(application, obstacle, times.now - 10 * SECOND)
    begun = times.now
    lifecycle.submit(task.pk)
    assert times.now == begun
    assert Task.objects.get(pk=task.pk).state == State.QUEUED


def test_a_worker_without_work_does_not_wait_for_the_budget(application, times):
    task = TaskFactory(application=application, due_at=times.now + SECOND)
    Application.objects.update(drained_until=times.now + SECOND)
    begun = times.now
    lifecycle.submit(task.pk)
    assert times.now == begun


def test_a_wrong_secret_costs_three_logins_in_ten_minutes(sandbox, application, times, bells):
    """S24: the account is not locked, the tasks wait, and the reason is told."""
    application.secret = "wrong"
    application.save()
    for _ in range(5):
        TaskFactory(application=application, devices=sandbox.devices(1))
    logins = []
    for _ in range(240):
        before = sandbox.ledger()["logins"]
        lifecycle.sweep()
        for job, pk in bells:
            if job == "submit":
                lifecycle.submit(pk)
        bells.clear()
        logins += [times.now] * (sandbox.ledger()["logins"] - before)
        times.on(10)
    ten_minutes = dt.timedelta(minutes=10)
    most = max(sum(at <= other < at + ten_minutes for other in logins) for at in logins)
    assert 2 <= most <= 3
    assert Task.objects.filter(state=State.QUEUED).count() == 5
    assert not Attempt.objects.exists()
    application.refresh_from_db()
    put_off = queue.obstacle(application)
    assert put_off.reason == "token refused"
    assert "100208" in put_off.words
    application.secret = sandbox.secret
    application.save()
    times.on(700)
    for _ in range(3):
        times.on(700)
        lifecycle.submit(Task.objects.first().pk)
    assert Task.objects.filter(state=State.RUNNING).count() == 5


# Any loss, duplication, delay and order of bells

FAULTS = [
    None,
    None,
    {"action": "cut"},
    {"action": "cut", "after": True},
    {"action": "error", "code": "105001"},
    {"action": "error", "code": "1010009"},
    {"action": "error", "code": "1010005"},
    {"action": "error", "code": "50252", "after": True},
    {"action": "error", "code": "50400"},
]
SENT = (State.RUNNING, State.COMPLETE, State.TIMED_OUT)  # the last where the taskID stayed unknown
STEPS = some.one_of(
    some.tuples(some.just("run"), some.integers(0, 50)),
    some.tuples(some.just("drop"), some.integers(0, 50)),
    some.tuples(some.just("double"), some.integers(0, 50)),
    some.tuples(some.just("time"), some.sampled_from([1, 7, 35, 130])),
    some.tuples(some.just("sweep"), some.just(0)),
    some.tuples(some.just("fault"), some.integers(0, len(FAULTS) - 1)),
)


@settings(
    max_examples=60,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],  # to shrink would take minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(lasting=some.booleans(), tasks=some.integers(1, 3), steps=some.lists(STEPS, max_size=20))
def test_bells_may_be_lost_doubled_late_and_out_of_order(
    sandbox, times, bells, django_capture_on_commit_callbacks, lasting, tasks, steps
):
    """I12: at most one task on the platform for each of ours; none lost; each one sent, or explained."""
    sandbox.faults()
    bells.clear()
    application = ApplicationFactory(
        url=sandbox.url, app_id=sandbox.app_id, secret=sandbox.secret, lasting_names=lasting
    )
    author = UserFactory()

    def run(job, pk):
        with django_capture_on_commit_callbacks(execute=True):
            getattr(jobs, job)(pk)

    def sweep():
        with django_capture_on_commit_callbacks(execute=True):
            lifecycle.sweep()

    composed = [
        TaskFactory(application=application, author=author, devices=sandbox.devices(1)) for _ in range(tasks)
    ]
    bells += [("submit", task.pk) for task in composed]
    for step, value in steps:
        if step == "time":
            times.on(value)
        elif step == "sweep":
            sweep()
        elif step == "fault" and FAULTS[value]:
            sandbox.faults({"route": "create", "times": 1} | FAULTS[value])
        elif step in ("run", "drop", "double") and bells:
            bell = bells[value % len(bells)] if step == "double" else bells.pop(value % len(bells))
            if step != "drop":
                run(*bell)
    sandbox.faults()
    for _ in range(7):  # the broker was emptied; the sweep alone brings everything to its end
        bells.clear()
        times.on(130)
        open_the_gates()
        sweep()
        for bell in list(bells):
            run(*bell)
    names = [create["taskName"] for create in created(sandbox)]
    for task in composed:
        task.refresh_from_db()
        story = [(row.to_state, row.reason) for row in task.transitions.all()]
        assert names.count(task.name) <= 1, story
        assert task.state in (*SENT, State.UNCONFIRMED, State.REFUSED), story
        assert task.reason or task.state in SENT
        if task.state in SENT:
            assert names.count(task.name) == 1, story
        if task.state == State.REFUSED:
            assert names.count(task.name) == 0, story
        if task.state == State.UNCONFIRMED:
            assert task.attempts.filter(outcome="outcome unknown").exists(), "I5"
        assert replayed(task) == task.state
        assert not task.attempts.filter(finished_at=None).exists()
    bodies = {}
    for create in sandbox.ledger()["creates"]:
        bodies.setdefault(create["taskName"], set()).add(create["sha256"])
    assert all(len(each) == 1 for each in bodies.values()), "I8"
