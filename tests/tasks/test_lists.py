"""Devices from the catalogue and from tasks; lists under a name, in versions that never change."""

import json

import pytest
from django.utils import timezone

from tasks import lists, sets
from tasks.fleet import Choice
from tasks.lifecycle import NotOffered
from tasks.lists import NotSaved
from tasks.models import DeviceList, NamedList
from tasks.sets import TooMany
from tests.factories import (
    ApplicationFactory,
    DeviceFactory,
    ResultFactory,
    TaskFactory,
    UserFactory,
    make_list,
)


@pytest.mark.django_db
def test_a_filter_over_the_catalogue_gives_the_ids_it_means_now():
    application = ApplicationFactory()
    for number in range(3):
        DeviceFactory(
            application=application, device_id=f"d-{number}", status="OFFLINE" if number else "ONLINE"
        )
    DeviceFactory(device_id="d-9", status="OFFLINE")
    assert lists.chosen(application, Choice(status="OFFLINE")) == "d-1\nd-2"


@pytest.mark.django_db
def test_more_devices_than_a_task_may_list_are_not_taken_from_the_catalogue(settings):
    settings.MOST_DEVICES = 2
    application = ApplicationFactory()
    for number in range(3):
        DeviceFactory(
            application=application, device_id=f"d-{number}", status="OFFLINE" if number else "ONLINE"
        )
    assert lists.chosen(application, Choice(status="OFFLINE")) == "d-1\nd-2"
    assert lists.chosen(application, Choice(status="SLEEPING")) == ""
    with pytest.raises(TooMany, match="More than 2 devices"):
        lists.chosen(application, Choice(text="d"))


@pytest.fixture
def task(db):
    task = TaskFactory(devices=["a", "b", "c", "d", "e"], state="COMPLETE")
    for device_id, status in (
        ("a", "SUCCESSFUL"),
        ("b", "FAILED"),
        ("c", "TIMEOUT"),
        ("d", "SUCCESSFUL"),
        ("e", "EXPIRED"),
    ):
        ResultFactory(task=task, device_id=device_id, status=status)
    ResultFactory(task=task, device_id="x", status="FAILED", unexpected=True)
    task.counts = {"SUCCESSFUL": 2, "FAILED": 1, "TIMEOUT": 1, "EXPIRED": 1}
    task.listed = True
    task.save()
    return task


@pytest.mark.parametrize(
    ("outcomes", "ids"),
    [
        (["every"], "abcde"),
        (["successful"], "ad"),
        (["failed"], "b"),
        (["failed", "timed-out"], "bc"),
        (["successful", "failed"], "abd"),
        (["every", "failed"], "abcde"),
    ],
)
def test_devices_of_a_task_are_had_by_what_came_of_them(task, outcomes, ids):
    assert sorted(lists.of_task(task, outcomes).split()) == list(ids)


def test_what_may_be_asked_of_a_task_is_told_with_its_number(task):
    asked = {each.outcome: (each.count, bool(each.refusal)) for each in lists.asked_of(task)}
    assert asked["every"] == (5, False)
    assert asked["successful"] == (2, False)
    assert asked["failed"] == (1, False)
    assert asked["cancelled"] == (0, True)
    for each in lists.asked_of(task):
        if not each.refusal:
            assert sets.count(lists.of_task(task, [each.outcome])) == each.count


def test_of_pruned_results_only_the_list_of_the_request_is_left(task):
    task.results_pruned_at = timezone.now()
    assert sets.count(lists.of_task(task, ["every"])) == 5
    for outcome in ("successful", "failed"):
        with pytest.raises(NotOffered, match="pruned"):
            lists.of_task(task, [outcome])


def test_devices_of_a_task_for_a_type_are_those_that_were_heard_of(db):
    task = TaskFactory(kind="DeviceType", state="COMPLETE")
    ResultFactory(task=task, device_id="a", status="FAILED")
    assert lists.of_task(task, ["every"]) == "a"


def _list(ids, **columns):
    return DeviceList.objects.create(author=UserFactory(), count=len(ids), text="\n".join(ids), **columns)


@pytest.mark.django_db
def test_each_change_is_a_version_that_says_what_is_new_and_leaves_the_others_alone():
    named = make_list(ApplicationFactory(), ["a", "b", "c"])
    lists.replace(named, _list(["b", "c", "d", "e"], source="more.csv"), UserFactory())
    first, second = named.versions.order_by("number")
    assert (first.devices.text, first.added, first.removed) == ("a\nb\nc", 3, 0)
    assert (second.devices.text, second.added, second.removed) == ("b\nc\nd\ne", 2, 1)
    assert second.changes == {"added": ["d", "e"], "removed": ["a"]}
    assert (second.origin, second.devices.source) == ("more.csv", "the list Valves, version 2")
    named.refresh_from_db()
    assert (named.version, named.count) == (2, 4)
    restored = lists.restore(named, 1, UserFactory())
    assert (restored.number, restored.devices.text) == (3, "a\nb\nc")
    assert restored.devices_id != first.devices_id
    first.refresh_from_db()
    assert first.devices.text == "a\nb\nc"


@pytest.mark.django_db
def test_a_list_made_from_a_rerun_is_no_rerun():
    task = TaskFactory()
    named = lists.create(
        task.application, "Failed ones", _list(["a"], rerun_of=task, rerun_outcomes=["failed"]), UserFactory()
    )
    assert named.newest.devices.rerun_of is None


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("name", "told"), [("", "Give"), (" \0 ", "Give"), ("x" * 129, "128"), (" Valves ", "already")]
)
def test_a_list_needs_a_name_of_its_own(name, told):
    application = ApplicationFactory()
    make_list(application, ["a"])
    with pytest.raises(NotSaved, match=told):
        lists.create(application, name, _list(["b"]), UserFactory())
    assert NamedList.objects.count() == 1
    assert lists.create(ApplicationFactory(), "Valves", _list(["b"]), UserFactory()).count == 1


@pytest.mark.django_db
def test_a_version_with_nothing_new_or_nothing_at_all_is_refused():
    named = make_list(ApplicationFactory(), ["a", "b"])
    with pytest.raises(NotSaved, match="exactly these"):
        lists.replace(named, _list(["b", "a"]), UserFactory())
    with pytest.raises(NotSaved, match="Choose"):
        lists.replace(named, _list([]), UserFactory())
    assert named.versions.count() == 1


@pytest.mark.django_db
def test_a_renamed_list_is_known_by_its_new_name_in_the_composer():
    named = make_list(ApplicationFactory(), ["a"])
    lists.rename(named, "  北厅 valves ")
    assert named.newest.devices.source == "the list 北厅 valves, version 1"
    other = make_list(named.application, ["a"], "Other")
    with pytest.raises(NotSaved, match="already"):
        lists.rename(other, "北厅 valves")
    other.refresh_from_db()
    assert other.name == "Other"


def test_lines_are_told_by_the_runs_that_were_kept():
    kept = DeviceList(lines=[[0, 2], [3, 7]])
    assert [kept.line_of(place) for place in range(5)] == [2, 3, 4, 7, 8]
    assert DeviceList(lines=json.loads("[]")).line_of(4) == 5
