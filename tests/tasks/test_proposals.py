"""What every door does: one look at what is proposed, and nothing sent that somebody should have read first."""

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.utils import timezone

from tasks.lifecycle import Invalid, Lineage, Proposal
from tasks.models import Application, Danger, Task
from tasks.proposals import Unacknowledged, look, send
from tasks.states import State
from tests.factories import (
    ApplicationFactory,
    DeviceFactory,
    ProfileFactory,
    TaskFactory,
    UserFactory,
    request,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def author(db: None) -> User:
    cache.clear()
    return UserFactory()


@pytest.fixture
def ours(db: None) -> Application:
    return ApplicationFactory(name="Plant")


def test_nothing_is_sent_with_a_caution_that_nobody_acknowledged(ours, author):
    proposals = [Proposal(ours, request("Broadcast"))]
    prospect = look(proposals)
    assert [caution.key for caution in prospect.cautions] == ["broadcast"]
    for acknowledged in ([], ["dangerous"]):
        with pytest.raises(Unacknowledged, match="Every device of Plant gets the command") as raised:
            send(author, proposals, prospect, acknowledged=acknowledged)
        assert raised.value.cautions == prospect.cautions
    assert not Task.objects.exists()
    (task,) = send(author, proposals, prospect, acknowledged=["broadcast"])
    assert (task.author, task.target_type) == (author, "Broadcast")


def test_notes_are_told_and_need_no_acknowledgement(ours, author):
    proposals = [Proposal(ours, request(), callback=False)]
    prospect = look(proposals)
    assert ([concern.rule for concern in prospect.concerns], prospect.cautions) == (["no callback"], [])
    assert send(author, proposals, prospect)


def test_what_is_wrong_is_refused_whatever_was_acknowledged(ours, author):
    proposals = [Proposal(ours, request("Broadcast", timeout=1))]
    with pytest.raises(Invalid, match="timeout"):
        send(author, proposals, look(proposals), acknowledged=["broadcast"])
    assert not Task.objects.exists()


def again(parent: Task, *devices: str, **changes) -> Proposal:
    asked = request(param={"deviceList": list(devices)}, **changes)
    return Proposal(parent.application, asked, rerun=Lineage((parent,)))


def test_reruns_with_one_command_are_looked_at_as_one_and_their_parents_are_not_counted(ours, author):
    ours.catalogue_at = timezone.now()
    ours.save()
    for number in (1, 2):
        DeviceFactory(application=ours, device_id=f"d-{number}")
    parents = [
        TaskFactory(application=ours, state=State.RUNNING, devices=[f"d-{number}", "other"])
        for number in (1, 2)
    ]
    proposals = [
        again(parent, f"d-{number}", command={"paras": {"period": number}})
        for number, parent in enumerate(parents, 1)
    ]
    prospect = look(proposals)
    assert [(reach.count, reach.known) for reach in prospect.reaches] == [(2, 2)]
    assert (prospect.count, prospect.reach) == (2, prospect.reaches[0])
    assert prospect.concerns == []


def test_reruns_with_several_commands_are_looked_at_one_by_one(ours, author):
    parent = TaskFactory(application=ours, state=State.REFUSED)
    Danger.objects.create(profile=ProfileFactory(), service_id="WaterMeter", method="OPEN")
    proposals = [
        again(parent, "d-1"),
        again(parent, "d-2", "d-3", command={"method": "OPEN"}),
        again(parent, "d-4", timeout=60),
    ]
    prospect = look(proposals)
    assert [reach.count for reach in prospect.reaches] == [1, 2, 1]
    assert (prospect.count, prospect.reach) == (4, None)
    assert [caution.sentence for caution in prospect.cautions] == [
        "WaterMeter · OPEN is marked as dangerous."
    ]


def test_where_the_number_of_devices_is_not_known_the_sum_is_not_either(ours, author):
    assert look([Proposal(ours, request("DeviceArea"))]).count is None
