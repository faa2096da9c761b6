"""A family's page: sums, its tasks, cancelling, exports, and one rerun over all of them."""

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tasks import lifecycle
from tasks.models import Application, Family, Task
from tasks.states import State
from tests.factories import ResultFactory, TaskFactory, request

from .pages import fields, text_of, words

pytestmark = pytest.mark.django_db


@pytest.fixture
def family(site_app: Application, operator: User) -> Family:
    """Two tasks that are over, with a failed device each, and a third one that waits."""
    family = Family.objects.create(name="Night valves", author=operator)
    for number, (state, counts) in enumerate([
        (State.COMPLETE, {"SUCCESSFUL": 1, "FAILED": 1}),
        (State.COMPLETE, {"TIMEOUT": 1, "FAILED": 1}),
        (State.QUEUED, {}),
    ], 1):  # fmt: skip
        devices = [f"{status.lower()}-{number}" for status in counts] or ["new-1", "new-2"]
        task = TaskFactory(
            application=site_app, author=operator, family=family, name=f"Night valves ({number} of 3)", state=state,
            devices=devices, counts=counts, listed=bool(counts), ask={"command": {"paras": {"p": number, "same": 1}}},
        )  # fmt: skip
        for status, device in zip(counts, devices, strict=False):
            ResultFactory(task=task, device_id=device, status=status)
    return family


def test_the_page_sums_over_the_tasks_and_lists_them_with_what_differs(desk: Client, family: Family) -> None:
    page = desk.get(f"/families/{family.pk}/")
    said = words(page)
    for part in (
        "3 tasks",
        "2 Complete",
        "1 Queued",
        "4 of 6 devices gave a final answer",
    ):
        assert part in said
    for part in ("1 Successful", "2 Failed", "1 Timed out", "2 No answer yet", "p 1", "p 3", "(2 of 3)"):
        assert part in said
    assert "same 1" not in said


def test_reruns_are_summed_apart_so_that_no_device_counts_twice(
    desk: Client, family: Family, operator: User, site_app: Application
) -> None:
    parent = family.tasks.order_by("pk").first()
    TaskFactory(
        application=site_app, author=operator, family=family, rerun_of=parent, rerun_outcomes=["failed"],
        state=State.COMPLETE, devices=["failed-1"], counts={"SUCCESSFUL": 1},
    )  # fmt: skip
    said = words(desk.get(f"/families/{family.pk}/"))
    assert "3 tasks and 1 rerun" in said
    assert "4 of 6 devices gave a final answer the first time" in said
    assert "Reruns: 1 of 1 device commanded again gave a final answer" in said
    assert f"rerun of #{parent.pk} , devices: failed" in said


def test_devices_of_tasks_that_never_went_out_are_told_apart(
    desk: Client, family: Family, operator: User
) -> None:
    lifecycle.cancel_family(family, operator)
    assert "2 Not dispatched" in words(desk.get(f"/families/{family.pk}/"))


def test_the_fragment_renews_itself_more_rarely_without_news_and_stops_at_the_end(
    desk: Client, family: Family
) -> None:
    address = f"/families/{family.pk}/"
    page = desk.get(address)
    seen = page.context["version"]
    assert 'hx-trigger="every 2s, shown from:body"' in text_of(page)
    quiet = desk.get(address, {"seen": seen, "waited": 2}, HTTP_HX_REQUEST="true")
    assert 'hx-trigger="every 3s' in text_of(quiet)
    assert "HX-Trigger" not in quiet.headers
    assert "<html" not in text_of(quiet)
    Task.objects.filter(state=State.QUEUED).update(state=State.CANCELLED)
    over = desk.get(address, {"seen": seen, "waited": 2}, HTTP_HX_REQUEST="true")
    assert over.headers["HX-Trigger"] == "moved"
    assert "hx-trigger" not in text_of(over)
    assert "no longer renews itself" in words(over)


def test_a_thousand_tasks_cost_as_many_queries_as_three(
    desk: Client, family: Family, site_app: Application, operator: User
) -> None:
    asked = []
    for many in (0, 997):
        Task.objects.bulk_create(
            TaskFactory.build(application=site_app, author=operator, family=family, state=State.COMPLETE,
                              counts={"FAILED": 1}, listed=True)
            for _ in range(many)
        )  # fmt: skip
        for path in (f"/families/{family.pk}/", f"/tasks/?family={family.pk}"):
            with CaptureQueriesContext(connection) as queries:
                page = desk.get(path)
            assert page.status_code == 200
            asked.append(len(queries))
    assert asked[:2] == asked[2:]
    assert asked[0] <= 14
    said = words(desk.get(f"/families/{family.pk}/"))
    assert "1,000 tasks" in said
    assert "Rerun on 999 failed devices" in said
    assert "More →" in said


def test_cancelling_says_how_many_were_and_how_many_go_on(desk: Client, family: Family) -> None:
    Task.objects.filter(pk=family.tasks.order_by("pk").first().pk).update(state=State.RUNNING)
    assert "Cancel the 1 task that waits" in words(desk.get(f"/families/{family.pk}/"))
    said = words(desk.post(f"/families/{family.pk}/cancel/", follow=True))
    assert "1 task cancelled. Nothing was sent of them." in said
    assert "1 task went out already and cannot be stopped" in said
    assert "No task waits any more" in words(
        desk.post(
            f"/families/{Family.objects.create(name='x', author=family.author).pk}/cancel/", follow=True
        )
    )


def test_a_task_and_the_history_lead_to_the_family_and_the_history_shows_it_alone(
    desk: Client, family: Family, make_task: Callable[..., Task]
) -> None:
    other = make_task(name="Somebody else's")
    task = family.tasks.order_by("pk").first()
    link = f'href="/families/{family.pk}/"'
    assert link in text_of(desk.get(f"/tasks/{task.pk}/"))
    assert "/families/" not in text_of(desk.get(f"/tasks/{other.pk}/"))
    history = desk.get("/tasks/")
    assert text_of(history).count(link) == 3
    alone = desk.get("/tasks/", {"family": family.pk})
    assert "Somebody else" not in words(alone)
    assert "Only tasks of the family Night valves" in words(alone)
    assert "No task passes these filters" not in words(alone)
    assert "Somebody else" in words(desk.get("/tasks/", {"family": "x"}))


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_the_results_of_all_tasks_are_exported_with_task_and_parameters(
    form: str, desk: Client, family: Family
) -> None:
    text = desk.get(f"/families/{family.pk}/results.{form}").getvalue().decode("utf-8-sig")
    rows = (
        list(csv.DictReader(io.StringIO(text)))
        if form == "csv"
        else [json.loads(x) for x in text.splitlines()]
    )
    assert [row["device_id"] for row in rows] == ["successful-1", "failed-1", "timeout-2", "failed-2"]
    assert {row["task_name"] for row in rows} == {"Night valves (1 of 3)", "Night valves (2 of 3)"}
    paras = rows[0]["parameters"]
    assert (json.loads(paras) if form == "csv" else paras) == {"p": 1, "same": 1}


# Rerun


def choose(desk: Client, family: Family, *outcomes: str) -> Any:
    return desk.post(f"/families/{family.pk}/rerun/", {"outcome": outcomes}, follow=True)


def send(desk: Client, family: Family, page: Any, **more: Any) -> Any:
    posted = {name: values[0] for name, values in fields(page).posted.items()}
    return desk.post(f"/families/{family.pk}/rerun/review/", posted | more, follow=True)


def reruns() -> list[Task]:
    return list(Task.objects.filter(rerun_of__isnull=False).order_by("pk"))


def test_a_rerun_over_all_tasks_is_counted_reviewed_and_sent_once(desk: Client, family: Family) -> None:
    page = desk.get(f"/families/{family.pk}/")
    assert "Rerun on 2 failed devices…" in words(page)
    assert "1 task has not ended" in words(page)
    review = choose(desk, family, "failed", "timed-out")
    for part in (
        "2 tasks for 3 devices",
        "its devices: failed, timed out",
        "p 1 · same 1",
        "Send to 3 devices",
        '"callbackUrl": "http://127.0.0.1:8000/callbacks/…/"',
    ):
        assert part in words(review)
    assert not reruns()
    sent = send(desk, family, review)
    assert "2 tasks composed." in words(sent)
    lists = [json.loads(task.request_body)["param"]["deviceList"] for task in reruns()]
    assert lists == [["failed-1"], ["failed-2", "timeout-2"]]
    assert [task.paras["p"] for task in reruns()] == [1, 2]
    seen = json.loads(review.context["preview"])
    assert seen | {"param": ""} == json.loads(reruns()[0].request_body) | {"param": ""}
    assert {task.family for task in reruns()} == {family}
    assert send(desk, family, review).redirect_chain
    assert len(reruns()) == 2
    assert "was commanded again, and counts where it was commanded last" in words(
        desk.get(f"/families/{family.pk}/")
    )


def test_a_review_of_many_tasks_costs_as_many_queries_as_one_of_two(
    desk: Client, family: Family, site_app: Application, operator: User
) -> None:
    asked = []
    for many in (0, 40):
        for number in range(many):
            task = TaskFactory(
                application=site_app, author=operator, family=family, state=State.COMPLETE, counts={"FAILED": 1},
                ask={"command": {"paras": {"p": number // 2 + 10, "same": 1}}},
            )  # fmt: skip
            ResultFactory(task=task, status="FAILED")
        with CaptureQueriesContext(connection) as queries:
            assert f"{many // 2 + 2} tasks" in words(choose(desk, family, "failed"))
        asked.append(len(queries))
    assert asked[0] == asked[1]


def test_the_choice_counts_along(desk: Client, family: Family) -> None:
    asked = {"chosen": "1", "outcome": ["failed", "timed-out"]}
    fragment = desk.get(f"/families/{family.pk}/rerun/", asked, HTTP_HX_REQUEST="true")
    assert "Rerun on 3 devices: failed, timed out…" in words(fragment)
    assert "<html" in text_of(desk.get(f"/families/{family.pk}/rerun/", asked))


def test_a_rerun_that_somebody_sent_meanwhile_is_shown_and_nothing_is_sent(
    desk: Client, family: Family
) -> None:
    mine, other = choose(desk, family, "failed"), choose(desk, family, "failed")
    send(desk, family, other)
    assert len(reruns()) == 2
    late = send(desk, family, mine)
    assert late.status_code == 422
    assert "Somebody was faster; nothing was sent." in words(late)
    assert len(reruns()) == 2


def test_a_big_rerun_wants_its_number_typed(desk: Client, family: Family) -> None:
    Application.objects.update(confirm_above=1)
    review = choose(desk, family, "failed")
    assert "type the number of devices: 2" in words(review)
    wrong = send(desk, family, review, typed="3")
    assert wrong.status_code == 422
    assert "That is not 2. Nothing was sent." in words(wrong)
    send(desk, family, wrong, typed="2")
    assert len(reruns()) == 2


@pytest.mark.parametrize("outcomes", [[], ["expired"], ["no-answer"]])
def test_what_cannot_be_rerun_is_refused_in_words(outcomes: list[str], desk: Client, family: Family) -> None:
    assert "Nothing was composed." in words(choose(desk, family, *outcomes))


@pytest.mark.parametrize("spoiled", [{"key": "x"}, {"lists": ""}, {"lists": "9c2f"}, {"lists": None}])
def test_a_review_that_is_not_ones_own_sends_nothing(
    spoiled: dict[str, Any], desk: Client, browser_of: Callable[..., Client], family: Family
) -> None:
    review = choose(desk, family, "failed")
    if spoiled["lists" if "lists" in spoiled else "key"] is None:
        desk, spoiled = browser_of("admin"), {}
    assert "choose the devices once more" in words(send(desk, family, review, **spoiled))
    assert not reruns()


def test_a_family_that_does_not_exist_is_not_found(desk: Client) -> None:
    for path in ("", "rerun/", "results.csv"):
        assert desk.get(f"/families/999/{path}").status_code == 404


def test_what_was_composed_as_several_is_shown_as_a_family(
    desk: Client, site_app: Application, operator: User, settings: Any
) -> None:
    settings.FAMILY_DEVICES = 2
    tasks = lifecycle.compose_family(operator, [lifecycle.Proposal(site_app, request())])
    assert "night valves (2 of 2)" in words(desk.get(tasks[0].family.get_absolute_url()))
