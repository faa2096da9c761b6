"""Reading the fleet, as operators see it: begun by a click, watched, stopped, and explained when it does not go on."""

import datetime as dt

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tasks import clock
from tasks.models import Application, Sync
from tasks.sync import census

from .pages import text_of, words

pytestmark = pytest.mark.django_db

RENEWS = 'hx-trigger="every 2s"'


def fragment(desk: Client, application: Application) -> str:
    return text_of(desk.get(f"/catalogue/{application.pk}/reading/", headers={"HX-Request": "true"}))


def test_a_click_begins_a_reading_and_a_second_one_joins_it(
    desk: Client, site_app: Application, operator: User
) -> None:
    for _ in range(2):
        answer = desk.post(f"/catalogue/{site_app.pk}/refresh/")
        assert answer["Location"] == f"/catalogue/?application={site_app.pk}"
    reading = Sync.objects.get()
    assert (reading.asked_by, reading.since, reading.section) == (operator, None, "devices")
    assert "Reading devices" in words(desk.get("/catalogue/"))


def test_only_new_devices_can_be_read_once_all_were_read(desk: Client, site_app: Application) -> None:
    assert "Read new devices" not in words(desk.get("/catalogue/"))
    Application.objects.update(catalogue_at=clock.now())
    census.take(site_app)
    page = desk.get("/catalogue/")
    assert "Read new devices" in words(page)
    assert "show in a reading of all" in text_of(page), "what it does not see"
    desk.post(f"/catalogue/{site_app.pk}/refresh/", {"new": "1"})
    assert Sync.objects.get().since is not None


def test_a_reading_is_watched_until_it_is_over(desk: Client, site_app: Application) -> None:
    reading = Sync.objects.create(application=site_app, total=100_000, done=12_500, page=50)
    text = fragment(desk, site_app)
    assert text.strip().startswith('<section id="reading"')
    assert RENEWS in text
    assert "12,500" in text
    assert 'max="100000" value="12500"' in " ".join(text.split())
    assert "About 5 minutes left" in " ".join(text.split())
    Sync.objects.filter(pk=reading.pk).update(finished_at=clock.now(), ended="complete")
    assert RENEWS not in fragment(desk, site_app)


def test_without_htmx_it_is_a_page(desk: Client, site_app: Application) -> None:
    Sync.objects.create(application=site_app)
    assert "Reading devices" in words(desk.get(f"/catalogue/{site_app.pk}/reading/"))


def test_waiting_for_calls_is_explained(desk: Client, site_app: Application) -> None:
    later = clock.now() + dt.timedelta(seconds=50)
    reading = Sync.objects.create(application=site_app, due_at=later)
    assert "are used up" in fragment(desk, site_app)
    Sync.objects.filter(pk=reading.pk).update(is_waiting=False)
    assert "are used up" not in fragment(desk, site_app), "a worker is at it"


def test_a_problem_is_shown_with_what_happens_next(desk: Client, site_app: Application) -> None:
    later = clock.now() + dt.timedelta(minutes=5)
    Sync.objects.create(
        application=site_app, due_at=later, problem="The platform is down. Check it.", failures=3
    )
    said = " ".join(fragment(desk, site_app).split())
    assert "The platform is down. Check it. It tries again by itself at" in said


@pytest.mark.parametrize(
    ("columns", "part"),
    [
        ({"ended": "failed", "problem": "No such application."}, "No such application. Then read again."),
        ({"ended": "cancelled"}, "was stopped"),
        ({"ended": "complete", "remarks": ["Groups were not read: no right."]}, "Groups were not read"),
    ],
)
def test_how_the_last_one_ended_is_said(
    desk: Client, site_app: Application, columns: dict, part: str
) -> None:
    Sync.objects.create(application=site_app, finished_at=clock.now(), **columns)
    assert part in " ".join(fragment(desk, site_app).split())


def test_a_reading_is_stopped_once(desk: Client, site_app: Application, operator: User) -> None:
    reading = Sync.objects.create(application=site_app)
    said = words(desk.post(f"/catalogue/readings/{reading.pk}/cancel/", follow=True))
    assert "What was read stays" in said
    reading.refresh_from_db()
    assert (reading.ended, reading.cancelled_by) == ("cancelled", operator)
    assert "had ended already" in words(desk.post(f"/catalogue/readings/{reading.pk}/cancel/", follow=True))
