"""No page asks the database more often because there is more to show."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tasks.models import Application, Device, Result, Task
from tasks.states import State
from tests.factories import (
    AttemptFactory,
    CallbackFactory,
    GroupFactory,
    ResultFactory,
    TaskFactory,
    TransitionFactory,
)

pytestmark = pytest.mark.django_db

PAGES = (
    "/tasks/", "/tasks/?state=open", "/tasks/?state=COMPLETE", "/tasks/?text=task", "/tasks/?text=%231",
    "/tasks/?author={author}", "/tasks/?state=RUNNING&author={author}&text=task", "/tasks/?failures=on",
    "/tasks/?since=2020-01-01&until=2099-01-01", "/tasks/?method=SET_REPORT_PERIOD", "/tasks/?before={task}",
    "/tasks/{task}/", "/tasks/{task}/progress/", "/tasks/{task}/timeline/", "/tasks/{task}/results/",
    "/tasks/{task}/results/?status=FAILED", "/tasks/{task}/results/?device=device-1",
    "/tasks/{task}/results/?text=none", "/tasks/{task}/results/?flag=unexpected", "/tasks/{task}/answers/",
    "/tasks/{task}/report/", "/tasks/{task}/rerun/", "/devices/?id=device-1", "/queue/", "/attention/",
    "/catalogue/", "/catalogue/?device=d", "/compose/", "/admin/", "/admin/tasks/task/",
    "/admin/tasks/task/?state__exact=RUNNING", "/admin/tasks/result/", "/admin/tasks/result/?q={task}",
    "/admin/tasks/transition/", "/admin/tasks/transition/?to_state__exact=QUEUED", "/admin/tasks/attempt/",
    "/admin/tasks/attempt/?started_at__year=2026", "/admin/tasks/callback/", "/admin/tasks/device/",
)  # fmt: skip

MOST = 20


@pytest.fixture
def grow(site_app: Application, superuser: User) -> Callable[[int], Task]:
    """More of everything: tasks of each state, and for one of them results, attempts, transitions and callbacks."""
    busy = TaskFactory(application=site_app, author=superuser, state=State.RUNNING, counts={"FAILED": 1})
    TaskFactory.create_batch(10, application=site_app, author=superuser, state=State.RUNNING)  # all its slots

    def grow(many: int) -> Task:
        for state in (State.QUEUED, State.RUNNING, State.COMPLETE, State.UNCONFIRMED):
            for _ in range(max(many // 4, 1)):
                task = TaskFactory(application=site_app, author=superuser, state=state, counts={"FAILED": 1})
                AttemptFactory(task=task, finished_at=timezone.now())
        Result.objects.bulk_create(
            ResultFactory.build(task=busy, status=status, device_id=f"device-{busy.results.count()}-{number}")
            for number, status in enumerate(["FAILED", "", "SUCCESSFUL"] * (many // 3))
        )
        for number in range(many):
            CallbackFactory(task=busy)
            TransitionFactory(task=busy)
            Device.objects.create(application=site_app, device_id=f"d-{many}-{number}")
        return busy

    return grow


def test_three_rows_and_three_hundred_cost_the_same_queries(
    browser_of: Callable[..., Client], grow: Callable[[int], Task], superuser: User
) -> None:
    browser = browser_of("superuser")
    counts = []
    for many in (3, 297):
        task = grow(many)
        found = {}
        for path in PAGES:
            address = path.format(task=task.pk, author=superuser.pk)
            browser.get(address)
            with CaptureQueriesContext(connection) as queries:
                assert browser.get(address).status_code == 200
            found[path] = len(queries)
        counts.append(found)
    assert Task.objects.count() > 290
    assert counts[0] == counts[1]
    assert {path: count for path, count in counts[1].items() if count > MOST} == {}


SWAPS = (
    {"target_type": "DeviceList"}, {"target_type": "DeviceType"}, {"target_type": "DeviceArea"},
    {"target_type": "GroupList"}, {"target_type": "GroupList", "groups_like": "3"}, {"target_type": "Broadcast"},
    {"target_type": "Broadcast", "last": "period"},
)  # fmt: skip


def test_a_choice_in_the_composer_costs_the_same_queries_however_much_there_is(
    browser_of: Callable[..., Client], grow: Callable[[int], Task], site_app: Application
) -> None:
    browser = browser_of("superuser")
    posted = {
        "application": site_app.pk,
        "device_ids": "d-1",
        "service_id": "S",
        "method": "M",
        "timeout": 60,
    }
    counts = []
    for many in (3, 297):
        grow(many)
        GroupFactory.create_batch(many, application=site_app)
        found = []
        for change in SWAPS:
            browser.post("/compose/", posted | change)
            with CaptureQueriesContext(connection) as queries:
                assert browser.post("/compose/", posted | change).status_code == 200
            found.append(len(queries))
        counts.append(found)
    assert counts[0] == counts[1]
    assert max(counts[1]) <= 30
