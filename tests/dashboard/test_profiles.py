"""Profiles: many files at once, versions that stay readable, and marks for what is dangerous."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from tasks import catalogue
from tasks.models import Danger, Profile
from tasks.sandbox.catalogue import packages
from tests.factories import UserFactory

from .pages import text_of, words

pytestmark = pytest.mark.django_db


def files(contents: dict[str, bytes]) -> dict[str, list[SimpleUploadedFile]]:
    return {"profiles": [SimpleUploadedFile(name, data) for name, data in contents.items()]}


def test_many_files_are_imported_at_once_and_bad_ones_are_named(desk: Client) -> None:
    zips = {f"{name}.zip": data for name, data in packages().items()}
    said = words(desk.post("/catalogue/profiles/", files(zips | {"broken.zip": b"PK\3\4"}), follow=True))
    assert Profile.objects.count() == len(zips) == 4
    assert said.count("Imported") == 1
    assert "broken.zip" in said
    assert "StreetLight" in said


def test_what_was_imported_is_one_click_away_and_named_once(desk: Client) -> None:
    [first, second, *_] = packages().values()
    page = desk.post(
        "/catalogue/profiles/", files({"a.zip": first, "again.zip": first, "b.zip": second}), follow=True
    )
    said = text_of(page).partition("Imported")[2].partition("</li>")[0]
    assert [f'href="/catalogue/profiles/{kept.pk}/"' in said for kept in Profile.objects.all()] == [
        True,
        True,
    ]
    assert said.count("<a ") == 2


def test_without_a_file_the_field_says_so(desk: Client) -> None:
    assert "Choose a profile file first" in words(desk.post("/catalogue/profiles/", follow=True))


def test_a_profile_is_readable(desk: Client, meter: Profile) -> None:
    said = words(desk.get(f"/catalogue/profiles/{meter.pk}/"))
    for part in ("Valve", "SET", "count", "1 to 10", "bar", "ECO, FULL", "No commands.", "meter.zip"):
        assert part in said


def test_properties_say_what_can_be_done_with_them(desk: Client) -> None:
    [profile] = catalogue.import_profiles("m.zip", packages()["WaterMeter_Muster_MW100"])
    assert "read, written" in words(desk.get(f"/catalogue/profiles/{profile.pk}/"))


def test_what_was_tolerated_is_said_in_words(desk: Client, meter: Profile) -> None:
    noted = replace(meter.schema, notes=("max 0 is below min 1, so no range is checked",))
    catalogue.store(noted, source="m.zip")
    assert "so no range is checked" in words(desk.get(f"/catalogue/profiles/{meter.pk}/"))


def test_an_earlier_version_stays_readable(desk: Client, meter: Profile) -> None:
    changed = replace(meter.schema, services=meter.schema.services[1:])
    catalogue.store(changed, source="two.zip", author=UserFactory(username="anna"))
    now = words(desk.get(f"/catalogue/profiles/{meter.pk}/"))
    assert "1 earlier version" in now
    assert "imported by anna" in now
    assert "Valve" not in now
    before = words(desk.get(f"/catalogue/profiles/{meter.pk}/?version=1"))
    assert "Valve" in before
    assert "another one has replaced" in before
    assert desk.get(f"/catalogue/profiles/{meter.pk}/?version=3").status_code == 404
    assert desk.get(f"/catalogue/profiles/{meter.pk}/?version=x").status_code == 200


def test_a_command_is_marked_as_dangerous_by_who_may(
    browser_of: Callable[..., Client], meter: Profile
) -> None:
    chief, path = browser_of("admin"), f"/catalogue/profiles/{meter.pk}/"
    asked = {"service_id": "Valve", "method": "CLOSE", "dangerous": "1"}
    assert "Mark as dangerous" in words(chief.get(path))
    chief.post(f"{path}danger/", asked)
    mark = Danger.objects.get()
    assert (mark.profile, mark.method, mark.marked_by.username) == (meter, "CLOSE", "admin")
    desk = browser_of("operator")
    assert "Dangerous" in words(desk.get(path))
    assert "Mark as dangerous" not in words(desk.get(path))
    assert "1 dangerous" in words(desk.get("/catalogue/profiles/"))
    chief.post(f"{path}danger/", {name: asked[name] for name in ("service_id", "method")})
    assert not Danger.objects.exists()


def test_a_command_that_the_profile_does_not_have_cannot_be_marked(
    browser_of: Callable[..., Client], meter: Profile
) -> None:
    asked = {"service_id": "Valve", "method": "EXPLODE", "dangerous": "1"}
    page = browser_of("admin").post(f"/catalogue/profiles/{meter.pk}/danger/", asked, follow=True)
    assert "no such command" in words(page)
    assert not Danger.objects.exists()


def test_the_list_leads_to_the_devices_of_a_kind(desk: Client, meter: Profile) -> None:
    assert "device_type=Meter&amp;manufacturer_id=m-1&amp;model=X1" in text_of(
        desk.get(f"/catalogue/profiles/{meter.pk}/")
    )
