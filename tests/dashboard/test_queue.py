"""The queue page, what needs a person, and what a person says of a task in doubt."""

import datetime as dt

import pytest
from django.contrib.messages import get_messages
from django.utils import timezone

from tasks.lifecycle import budget, health
from tasks.lifecycle.queue import ADVICE
from tasks.models import Application, Task
from tasks.states import State
from tests.factories import ApplicationFactory, AttemptFactory, CallbackFactory, TaskFactory

from .pages import text_of, words

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("worker_lives")]

LATER = timezone.now() + dt.timedelta(hours=1)


def moment(when):
    return when.astimezone(dt.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def running(application, count, **columns):
    columns = {"state": State.RUNNING, "platform_status": "Running"} | columns
    return [TaskFactory(application=application, **columns) for _ in range(count)]


def doubtful(application, *, quiet=False, **columns):
    columns = {"state": State.UNCONFIRMED, "reason": "No answer came."} | columns
    task = TaskFactory(application=application, **columns)
    ended = timezone.now() - dt.timedelta(minutes=5 if quiet else 0)
    AttemptFactory(task=task, outcome="outcome unknown", finished_at=ended)
    return task


# The queue


def test_without_an_application_the_page_says_so(desk):
    assert "No application yet" in words(desk.get("/queue/"))


def test_an_empty_queue_shows_ten_free_places(desk, site_app):
    page = desk.get("/queue/")
    assert text_of(page).count('class="free"') == 10
    for said in ("0 of 10 places", "0 of 100 calls in this minute", "Nothing waits."):
        assert said in words(page)
    assert "notice" not in text_of(page)


def test_a_queue_that_nobody_works_at_says_so(desk, site_app, monkeypatch):
    monkeypatch.setattr(health, "is_gone", lambda seen: True)
    task = TaskFactory(application=site_app)
    for address in ("/queue/", f"/tasks/{task.pk}/"):
        said = words(desk.get(address))
        assert "no worker has looked for work yet: see that one is running" in said
        assert ADVICE["no worker"] in said


def test_a_full_board_names_who_holds_the_places_and_why_the_others_wait(desk, site_app):
    held = running(site_app, 10)
    TaskFactory(application=site_app, name="the eleventh")
    page = desk.get("/queue/")
    assert text_of(page).count('class="taken"') == 10
    assert text_of(page).count('class="free"') == 0
    for said in (
        "10 of 10 places",
        "No free slot: all 10 places for unfinished tasks are taken",
        "1 waiting",
        "the eleventh",
        *(task.name for task in held),
    ):
        assert said in words(page)


def test_three_hundred_that_wait_are_counted_and_the_first_of_them_shown(
    desk, site_app, django_assert_max_num_queries
):
    author = running(site_app, 10)[0].author
    for number in range(300):
        TaskFactory(application=site_app, author=author, name=f"waiting {number:03}")
    urgent = TaskFactory(application=site_app, author=author, priority=1, name="before all")
    with django_assert_max_num_queries(25):
        page = desk.get("/queue/")
    assert "301 waiting" in words(page)
    assert text_of(page).count('<td class="number">') == 10
    assert words(page).index(urgent.name) < words(page).index("waiting 000")
    assert "before others" in words(page)
    assert "waiting 008" in words(page)
    assert "waiting 009" not in words(page)
    far = Task.objects.get(name="waiting 299")
    assert "Waiting far back in the queue" in words(desk.get(f"/tasks/{far.pk}/"))


def test_more_places_than_can_be_drawn_are_counted(desk):
    ApplicationFactory(unfinished_limit=1000)
    page = desk.get("/queue/")
    assert text_of(page).count('class="free"') == 31
    assert "and 970 more" in words(page)


def test_every_application_has_its_own_board(desk, site_app):
    other = ApplicationFactory(name="Gasworks", calls_per_minute=7)
    TaskFactory(application=other)
    budget.take(other)
    page = words(desk.get("/queue/"))
    for said in ("Waterworks", "Gasworks", "1 of 7 calls", "0 of 100 calls"):
        assert said in page


def test_the_page_refreshes_itself_with_a_fragment(desk, site_app):
    fragment = text_of(desk.get("/queue/", headers={"HX-Request": "true"}))
    assert fragment.lstrip().startswith('<div id="queue"')
    assert 'hx-trigger="every 3s"' in fragment
    assert "<html" not in fragment


def test_a_name_full_of_markup_is_only_a_name(desk, site_app):
    """X: on the board and in the queue."""
    running(site_app, 1, name="<script>held()</script>")
    TaskFactory(application=site_app, name="<script>waits()</script>")
    assert "<script>held" not in text_of(desk.get("/queue/"))
    assert "<script>waits" not in text_of(desk.get("/queue/"))


@pytest.mark.parametrize("address", ["/queue/", "/attention/"])
@pytest.mark.parametrize(
    ("role", "status"),
    [("anonymous", 302), ("nobody", 403), ("operator", 200), ("auditor", 200), ("admin", 200)],
)
def test_who_may_look(browser_of, site_app, address, role, status):
    assert browser_of(role).get(address).status_code == status


# A task that waits, on its own page

OBSTACLES = {
    "platform unreachable": ({"failures": 5, "open_until": LATER}, "the platform does not answer properly"),
    "token refused": ({"login_after": LATER, "login_problem": "100208 (wrong)"}, "no token: 100208 (wrong)"),
    "full": ({"full_until": LATER}, "the platform says that it has no free place"),
    "call budget": ({"drained_until": LATER}, "the calls per minute are used up"),
}


@pytest.mark.parametrize("obstacle", OBSTACLES)
def test_a_tasks_page_says_why_it_waits_and_until_when(desk, site_app, obstacle):
    """design 4.7"""
    columns, said = OBSTACLES[obstacle]
    Application.objects.update(**columns)
    TaskFactory(application=site_app)
    task = TaskFactory(application=site_app)
    page = words(desk.get(f"/tasks/{task.pk}/"))
    assert f"Number 2 in the queue : {said}" in page
    assert f"It will probably start {moment(LATER)}" in page
    assert f"{said}, until {moment(LATER)}" in words(desk.get("/queue/"))


def test_a_tasks_page_says_that_all_places_are_taken(desk, site_app):
    running(site_app, 10)
    task = TaskFactory(application=site_app)
    page = words(desk.get(f"/tasks/{task.pk}/"))
    assert "Number 1 in the queue : all 10 places for unfinished tasks are taken" in page
    assert "It will probably start" in page


def test_a_tasks_page_says_when_it_is_tried_again_and_what_went_wrong(desk, site_app):
    task = TaskFactory(application=site_app, due_at=LATER, deferrals=2, reason="Nobody was there.")
    page = words(desk.get(f"/tasks/{task.pk}/"))
    assert "Last try: Nobody was there." in page
    assert f"Next try {moment(LATER)}" in page


# What needs a person


def test_nothing_needs_a_person(desk, site_app):
    running(site_app, 1, platform_task_id="t-1")
    assert "Nothing does" in words(desk.get("/attention/"))


def test_what_is_in_doubt_is_told_with_what_is_known(desk, site_app):
    task = doubtful(site_app)
    CallbackFactory(task=task)
    CallbackFactory(task=task)
    (nameless,) = running(site_app, 1)
    page = words(desk.get("/attention/"))
    for said in (
        task.name,
        "No answer came.",
        "2 answers so far",
        "Sending it again is possible from",
        "Running, but the taskID is not known",
        nameless.name,
    ):
        assert said in page
    assert f'href="/tasks/{task.pk}/#doubt"' in text_of(desk.get("/attention/"))


def test_three_hundred_in_doubt_are_listed_in_part(desk, site_app):
    author = TaskFactory(application=site_app).author
    for _ in range(300):
        TaskFactory(application=site_app, author=author, state=State.UNCONFIRMED)
        TaskFactory(application=site_app, author=author, state=State.RUNNING)
    page = text_of(desk.get("/attention/"))
    assert page.count("#doubt") == 200
    assert page.count("<li><a") >= 200


# What a person knows


def settled(browser, task, **posted):
    """What the page said after this was posted."""
    answer = browser.post(f"/tasks/{task.pk}/settle/", posted)
    assert (answer.status_code, answer.get("Location")) == (302, f"/tasks/{task.pk}/")
    *_, message = get_messages(answer.wsgi_request)
    task.refresh_from_db()
    return message.level_tag, str(message)


def test_a_task_id_is_confirmed(desk, application, sandbox):
    task = doubtful(application, name="lost")
    task_id = sandbox.create(taskName="lost").json()["taskID"]
    said = settled(desk, task, verb="confirm", task_id=task_id)
    assert said == ("success", "Confirmed: the platform has this task under that taskID.")
    assert (task.state, task.platform_task_id) == (State.RUNNING, task_id)
    assert task.transitions.get(from_state="UNCONFIRMED").actor.username == "operator"
    assert settled(desk, task, verb="confirm", task_id=task_id)[0] == "error"


def test_a_task_id_of_another_name_is_refused_in_words(desk, application, sandbox):
    """S39"""
    task = doubtful(application, name="lost")
    stranger = sandbox.create(taskName="<b>found</b>").json()["taskID"]
    level, said = settled(desk, task, verb="confirm", task_id=stranger)
    assert (level, task.state) == ("error", State.UNCONFIRMED)
    assert said == "The platform's task of this id is called “<b>found</b>”, not “lost”."
    assert "<b>found" not in text_of(desk.get(f"/tasks/{task.pk}/"))


def test_it_is_sent_again_when_no_worker_can_still_send_it(desk, site_app):
    early, quiet = doubtful(site_app), doubtful(site_app, quiet=True)
    level, said = settled(desk, early, verb="resubmit")
    assert (level, early.state) == ("error", State.UNCONFIRMED)
    assert said.startswith("A worker could still be sending it. Try again after ")
    assert settled(desk, quiet, verb="resubmit") == ("success", "Queued: the same request goes out again.")
    assert quiet.state == State.QUEUED


def test_it_is_given_up(desk, site_app):
    task = doubtful(site_app)
    assert settled(desk, task, verb="abandon") == ("success", "Given up. Its outcome stays unknown.")
    assert task.state == State.ABANDONED
    level, said = settled(desk, task, verb="abandon")
    assert (level, said) == ("error", "It is no longer unconfirmed. Reload to see where it stands.")


@pytest.mark.parametrize("verb", ["", "explode", "__class__"])
def test_what_is_no_answer_changes_nothing(desk, site_app, verb):
    task = doubtful(site_app)
    assert settled(desk, task, verb=verb) == ("error", "Choose what is known of the task.")
    assert task.state == State.UNCONFIRMED


@pytest.mark.parametrize("state", sorted(set(State) - {State.UNCONFIRMED}))
@pytest.mark.parametrize("verb", ["resubmit", "abandon"])
def test_only_what_is_in_doubt_can_be_settled(desk, site_app, state, verb):
    task = TaskFactory(application=site_app, state=state)
    assert settled(desk, task, verb=verb)[0] == "error"
    assert task.state == state


@pytest.mark.parametrize(
    ("role", "status"),
    [("anonymous", 302), ("nobody", 403), ("auditor", 403), ("operator", 302), ("admin", 302)],
)
def test_who_may_settle(browser_of, site_app, role, status):
    task = doubtful(site_app)
    browser = browser_of(role)
    assert browser.post(f"/tasks/{task.pk}/settle/", {"verb": "abandon"}).status_code == status
    task.refresh_from_db()
    assert (task.state == State.ABANDONED) is (role in ("operator", "admin"))


def test_an_auditor_is_not_offered_what_she_may_not_do(browser_of, site_app):
    task = doubtful(site_app)
    offered = {role: text_of(browser_of(role).get(f"/tasks/{task.pk}/")) for role in ("operator", "auditor")}
    assert "/settle/" in offered["operator"]
    assert "/settle/" not in offered["auditor"]
    assert "The devices may already have the command" in offered["auditor"]


def test_settling_is_posted_and_of_a_task_that_is_there(desk, site_app):
    assert desk.get(f"/tasks/{doubtful(site_app).pk}/settle/").status_code == 405
    assert desk.post("/tasks/999999/settle/", {"verb": "abandon"}).status_code == 404
