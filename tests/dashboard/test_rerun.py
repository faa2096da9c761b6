"""Rerun in the browser: the choice with its counts, the review, the chain, and two operators at once."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tasks.models import Application, DeviceList, Draft, Profile, Task
from tasks.states import State
from tests.factories import ResultFactory, TaskFactory, UserFactory

from .pages import fields, text_of, words

pytestmark = pytest.mark.django_db


@pytest.fixture
def task(site_app: Application) -> Task:
    """Three succeeded, two failed, one is silent; a stranger failed."""
    counts = {"SUCCESSFUL": 3, "FAILED": 2, "": 1}
    devices = ["ok-1", "ok-2", "ok-3", "bad-1", "bad-2", "silent"]
    ask = {"param": {"maxRetransmit": 3}, "command": {"paras": {"speed": 3}}}
    task = TaskFactory(
        application=site_app, name="Night valves", state=State.COMPLETE, devices=devices, counts=counts, ask=ask,
        listed=True, tags=[["why", "frost"]], max_retransmit=3,
    )  # fmt: skip
    for device in devices:
        status = {"ok": "SUCCESSFUL", "ba": "FAILED"}.get(device[:2], "")
        ResultFactory(
            task=task, device_id=device, status=status, error_text="Off line" if status == "FAILED" else ""
        )
    ResultFactory(task=task, device_id="stranger", status="FAILED", unexpected=True)
    return task


def review(desk: Client, task: Task, query: str = "", **posted: Any) -> Any:
    return desk.post(f"/tasks/{task.pk}/rerun/{query}", posted, follow=True)


def listed(task: Task) -> list[str]:
    return json.loads(task.request_body)["param"]["deviceList"]


def test_failed_devices_are_rerun_after_a_review_and_the_tasks_know_each_other(
    desk: Client, task: Task
) -> None:
    page = desk.get(f"/tasks/{task.pk}/")
    assert "Rerun on 2 failed devices…" in words(page)
    review_page = review(desk, task, outcome="failed")
    said = words(review_page)
    for part in ("2 devices", f"Rerun of #{task.pk} its devices: failed", "Send to 2 devices", "WaterMeter"):
        assert part in said
    assert Task.objects.count() == 1
    address = review_page.redirect_chain[-1][0]
    sent = desk.post(address, {"known": fields(review_page).value("known")}, follow=True)
    new = Task.objects.get(rerun_of=task)
    assert listed(new) == ["bad-1", "bad-2"]
    old_body, new_body = json.loads(task.request_body), json.loads(new.request_body)
    assert new_body["param"]["command"] == old_body["param"]["command"]
    assert new_body["param"]["maxRetransmit"] == 3
    assert new_body["timeout"] == old_body["timeout"]
    assert new.name.startswith(f"Night valves · rerun of #{task.pk} · ")
    assert new.rerun_outcomes == ["failed"]
    assert f"Rerun of #{task.pk} devices: failed" in words(sent)
    assert f"Reruns: #{new.pk}" in words(desk.get(f"/tasks/{task.pk}/"))


def test_any_set_of_outcomes_can_be_chosen_and_the_button_counts_along(desk: Client, task: Task) -> None:
    asked = {"chosen": "1", "outcome": ["failed", "no-answer"]}
    fragment = desk.get(f"/tasks/{task.pk}/rerun/", asked, HTTP_HX_REQUEST="true")
    assert "Rerun on 3 devices: failed, without an answer…" in words(fragment)
    assert text_of(fragment).count("checked") == 2
    none = desk.get(f"/tasks/{task.pk}/rerun/", {"chosen": "1"}, HTTP_HX_REQUEST="true")
    assert '<button type="submit" disabled>Rerun</button>' in text_of(none)
    assert "3 devices" in words(review(desk, task, **asked))
    assert set(DeviceList.objects.get().ids) == {"bad-1", "bad-2", "silent"}


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (State.QUEUED, "The task has not been sent yet."),
        (State.RUNNING, "The task is still running: a device without an answer may yet get its command"),
        (State.UNCONFIRMED, "its devices could get the command twice"),
        (State.ABANDONED, "its devices could get the command twice"),
    ],
)
def test_a_rerun_that_is_not_possible_says_why(
    state: State, said: str, desk: Client, site_app: Application
) -> None:
    task = TaskFactory(application=site_app, state=state, devices=["a"], listed=True, counts={"": 1})
    page = desk.get(f"/tasks/{task.pk}/")
    assert said in words(page)
    assert "A new task with the same command" not in words(page)
    refused = review(desk, task, outcome="no-answer")
    assert "Nothing was composed" in words(refused)
    assert not Draft.objects.exists()


def test_a_task_in_which_all_went_well_has_nothing_to_rerun(desk: Client, site_app: Application) -> None:
    task = TaskFactory(application=site_app, state=State.COMPLETE, counts={"SUCCESSFUL": 3}, listed=True)
    page = desk.get(f"/tasks/{task.pk}/")
    assert "there is nothing to rerun" in words(page)
    assert "A new task with the same command" not in words(page)


def test_a_refused_task_is_rerun_on_its_whole_list(desk: Client, site_app: Application) -> None:
    task = TaskFactory(application=site_app, state=State.REFUSED, devices=["a", "b"])
    assert "Rerun on 2 devices not dispatched…" in words(desk.get(f"/tasks/{task.pk}/"))
    assert "Send to 2 devices" in words(review(desk, task, outcome="not-dispatched"))


def test_what_the_filter_shows_is_rerun_without_strangers(desk: Client, task: Task) -> None:
    query = "?text=off+line&status="
    page = desk.get(f"/tasks/{task.pk}/{query}")
    assert "Rerun on the 2 devices…" in words(page)
    assert "Rerun on the 3 devices…" in words(desk.get(f"/tasks/{task.pk}/?status=FAILED"))
    said = words(review(desk, task, query, shown="1"))
    assert "2 devices" in said
    assert "its devices shown by a filter" in said
    kept = DeviceList.objects.get()
    assert (kept.ids, kept.rerun_filter) == (["bad-1", "bad-2"], "text=off+line")


def test_while_a_task_runs_a_filter_reruns_only_devices_with_a_final_answer(desk: Client, task: Task) -> None:
    Task.objects.update(state=State.RUNNING)
    review(desk, task, "?status=none&status=FAILED", shown="1")
    assert DeviceList.objects.get().ids == ["bad-1", "bad-2"]
    assert "None of these devices may be commanded again" in words(
        review(desk, task, "?status=none", shown="1")
    )


def test_a_big_rerun_wants_its_number_typed(desk: Client, task: Task) -> None:
    Application.objects.update(confirm_above=1)
    page = review(desk, task, outcome="failed")
    assert "type the number of devices: 2" in words(page)
    address = page.redirect_chain[-1][0]
    assert "Nothing was sent" in words(desk.post(address, {"known": "0", "typed": "3"}))
    desk.post(address, {"known": "0", "typed": "2"})
    assert Task.objects.filter(rerun_of=task).count() == 1


def test_a_second_rerun_of_the_same_devices_is_warned_of_before_it_is_sent(
    desk: Client, browser_of: Callable[..., Client], task: Task
) -> None:
    mine = review(desk, task, outcome="failed")
    colleague = browser_of("admin")
    theirs = review(colleague, task, outcome="failed")
    assert "commanded again already" not in words(mine) + words(theirs)
    colleague.post(theirs.redirect_chain[-1][0], {"known": fields(theirs).value("known")})
    first = Task.objects.get(rerun_of=task)
    stopped = desk.post(mine.redirect_chain[-1][0], {"known": fields(mine).value("known")})
    assert stopped.status_code == 422
    said = words(stopped)
    assert "Somebody was faster; nothing was sent." in said
    assert f"#{first.pk} Queued by admin, " in said
    assert Task.objects.filter(rerun_of=task).count() == 1
    desk.post(mine.redirect_chain[-1][0], {"known": fields(stopped).value("known")})
    assert Task.objects.filter(rerun_of=task).count() == 2
    assert "commanded again already" in words(review(desk, task, outcome="failed"))


def test_a_draft_whose_devices_were_changed_is_no_rerun_any_more(desk: Client, task: Task) -> None:
    page = review(desk, task, outcome="failed")
    draft = Draft.objects.get()
    composer = desk.get(f"/compose/?draft={draft.pk}")
    posted = dict(fields(composer).posted)
    changed = desk.post("/compose/", posted | {"timeout": "77", "review": "1"}, follow=True)
    assert f"Rerun of #{task.pk}" in words(changed)
    others = desk.post(
        "/compose/", posted | {"device_list": "", "device_ids": "ok-1", "review": "1"}, follow=True
    )
    assert f"Rerun of #{task.pk}" not in words(others)
    assert page.status_code == 200


def test_a_rerun_goes_through_the_profile_of_its_parent(
    desk: Client, site_app: Application, meter: Profile
) -> None:
    paras = {"count": 4, "ratio": 1.25, "text": "0012", "mode": "ECO", "open": True, "names": ["a", "b"]}
    task = TaskFactory(
        application=site_app, state=State.COMPLETE, profile=meter, counts={"FAILED": 1},
        ask={"command": {"serviceId": "Valve", "method": "SET", "paras": paras}},
    )  # fmt: skip
    ResultFactory(task=task, device_id="a", status="FAILED")
    page = review(desk, task, outcome="failed")
    desk.post(page.redirect_chain[-1][0], {"known": "0"})
    new = Task.objects.get(rerun_of=task)
    assert json.loads(new.request_body)["param"]["command"]["paras"] == paras
    assert new.profile == meter


def test_an_auditor_sees_the_chain_but_is_not_offered_a_rerun(
    browser_of: Callable[..., Client], task: Task
) -> None:
    page = text_of(browser_of("auditor").get(f"/tasks/{task.pk}/?status=FAILED"))
    assert 'id="rerun"' not in page
    assert "Rerun on" not in page


def test_another_persons_list_of_devices_is_of_no_use(desk: Client, task: Task, operator: User) -> None:
    review(desk, task, outcome="failed")
    DeviceList.objects.update(author=UserFactory())
    address = f"/compose/{Draft.objects.get().pk}/"
    assert desk.post(address, {"known": "0"}).status_code == 422
    assert not Task.objects.filter(rerun_of=task).exists()
