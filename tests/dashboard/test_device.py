"""A device's own page: every task that commanded it, and what is known of it."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tasks.models import Application
from tests.factories import ApplicationFactory, DeviceFactory, ResultFactory, TaskFactory

from .pages import text_of, words

pytestmark = pytest.mark.django_db

ODD_IDS = [
    "a/b?c=d&e#f",
    "设备-1",
    " leading",
    'x"><script>alert(1)</script>',
    "100%",
    "a+b",
    "..",
    "é" * 100,
]


@pytest.mark.parametrize("device_id", ODD_IDS)
def test_every_device_id_leads_from_the_task_to_its_page(
    device_id: str, desk: Client, site_app: Application
) -> None:
    task = TaskFactory(application=site_app, name="the only one")
    ResultFactory(task=task, device_id=device_id, status="SUCCESSFUL", detail={"ok": 1})
    link = text_of(desk.get(f"/tasks/{task.pk}/")).partition('href="/devices/?id=')[2].partition('"')[0]
    page = desk.get(f"/devices/?id={link}")
    assert page.context["device_id"] == device_id
    said = words(page)
    for part in ("the only one", "Successful", '{"ok": 1}', task.method):
        assert part in said
    assert "<script>alert" not in text_of(page)


def test_a_device_shows_all_its_tasks_newest_first_page_by_page(desk: Client, site_app: Application) -> None:
    for number in range(60):
        task = TaskFactory(application=site_app, name=f"task {number:02}")
        ResultFactory(task=task, device_id="d-1")
        ResultFactory(task=task, device_id="d-10")
    first = desk.get("/devices/?id=d-1")
    names = [row.result.task.name for row in first.context["rows"]]
    assert names == [f"task {number:02}" for number in range(59, 9, -1)]
    more = desk.get("/devices/", {"id": "d-1", "before": first.context["paging"].before})
    assert [row.result.task.name for row in more.context["rows"]] == [
        f"task {n:02}" for n in range(9, -1, -1)
    ]


def test_a_device_shows_what_each_catalogue_knows_of_it(desk: Client, site_app: Application) -> None:
    DeviceFactory(application=site_app, device_id="d-1", name="Meter in hall A", location="Hall A")
    DeviceFactory(application=ApplicationFactory(name="Lamps"), device_id="d-1", name="Lamp 7")
    DeviceFactory(application=site_app, device_id="d-2", name="Another")
    said = words(desk.get("/devices/?id=d-1"))
    for part in ("Meter in hall A", "Lamp 7", "Waterworks", "No task has commanded this device"):
        assert part in said
    assert "Another" not in said


def test_a_device_that_nothing_is_known_of_says_so(desk: Client, site_app: Application) -> None:
    ResultFactory(task=TaskFactory(application=site_app), device_id="d-1")
    assert "Nothing is known of this device" in words(desk.get("/devices/?id=D-1"))
    assert "Type its id" in words(desk.get("/devices/"))
    assert desk.get("/devices/?id=%00&before=x").status_code == 200


def test_blanks_around_a_pasted_id_do_not_matter(desk: Client, site_app: Application) -> None:
    ResultFactory(task=TaskFactory(application=site_app), device_id="d-1")
    assert desk.get("/devices/", {"id": " d-1\t"}).context["device_id"] == "d-1"


def test_the_page_asks_the_same_for_one_task_and_for_fifty(desk: Client, site_app: Application) -> None:
    asked = []
    for many in (1, 49):
        for _ in range(many):
            ResultFactory(task=TaskFactory(application=site_app), device_id="d-1", error_code="100428")
        with CaptureQueriesContext(connection) as queries:
            desk.get("/devices/?id=d-1")
        assert not any("request_body" in query["sql"] for query in queries)
        asked.append(len(queries))
    assert asked[0] == asked[1] <= 7
