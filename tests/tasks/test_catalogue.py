from dataclasses import replace

import pytest

from tasks import catalogue, lifecycle
from tasks.models import Danger, Profile
from tasks.profiles.archive import Unreadable
from tasks.profiles.schema import Command, DataType, Parameter, Service
from tasks.profiles.schema import Profile as Schema
from tasks.sandbox.catalogue import package, packages
from tests.factories import ProfileFactory, UserFactory, request

pytestmark = pytest.mark.django_db

SET = Command("SET_REPORT_PERIOD", (Parameter("period", DataType.INT),))


def test_an_archive_of_a_profile_is_imported_and_imported_again():
    data = next(iter(packages().values()))
    author = UserFactory()
    imported = catalogue.import_profiles("profiles.zip", data, author)
    assert len(imported) == Profile.objects.count() == 1
    assert all(profile.schema.services for profile in imported)
    assert {(profile.source, profile.imported_by) for profile in imported} == {("profiles.zip", author)}
    again = catalogue.import_profiles("again.zip", data)
    assert sorted(profile.pk for profile in again) == sorted(profile.pk for profile in imported)
    assert set(Profile.objects.values_list("source", flat=True)) == {"again.zip"}


def test_a_zip_of_zips_is_imported_whole():
    imported = catalogue.import_profiles("all.zip", package())
    assert {profile.device_type for profile in imported} == {
        "AirSensor",
        "SmartLock",
        "StreetLight",
        "WaterMeter",
    }
    assert all(profile.schema.notes == () for profile in imported)


@pytest.mark.parametrize("data", [b"", b"x", b"PK\x03\x04", b"[]", b"{}", b"\xff\xfe"])
def test_what_is_no_profile_is_refused_and_leaves_nothing(data):
    with pytest.raises(Unreadable, match=r"\w"):
        catalogue.import_profiles("x.zip", data)
    assert not Profile.objects.exists()


def test_a_command_is_dangerous_where_somebody_marked_it():
    marked, other = ProfileFactory(), ProfileFactory()
    Danger.objects.create(profile=marked, service_id="Valve", method="CLOSE")
    assert catalogue.is_dangerous(marked, "Valve", "CLOSE")
    assert catalogue.is_dangerous(None, "Valve", "CLOSE")
    assert not catalogue.is_dangerous(other, "Valve", "CLOSE")
    assert not catalogue.is_dangerous(marked, "Valve", "OPEN")


def test_a_changed_definition_is_a_new_version_and_the_old_one_stays():
    author, other = UserFactory(), UserFactory()
    schema = Schema(
        "Meter", "M", "Muster", "v1", "CoAP", services=(Service("Valve", "Valve"),), notes=("odd",)
    )
    first = catalogue.store(schema, source="one.zip", author=author)
    again = catalogue.store(replace(schema, notes=()), source="again.zip")
    assert (again.pk, again.version, again.source, again.versions.count()) == (first.pk, 1, "again.zip", 0)
    changed = catalogue.store(replace(schema, protocol="MQTT"), source="two.zip", author=other)
    assert (changed.pk, changed.version, changed.protocol) == (first.pk, 2, "MQTT")
    old = changed.at_version(1)
    assert (old.schema.protocol, old.source, old.imported_by, old.version) == ("CoAP", "again.zip", None, 1)
    assert changed.at_version(2) is changed
    assert changed.at_version(3) is None


def test_a_task_says_which_version_it_was_composed_with(application):
    ProfileFactory(version=3)
    profile = catalogue.store(
        replace(Profile.objects.get().schema, services=(Service("WaterMeter", "x", commands=(SET,)),)),
        source="b.zip",
    )
    task = lifecycle.compose(application, UserFactory(), request(), profile=profile)
    assert (task.profile, task.profile_version) == (profile, 4)
    assert lifecycle.compose(application, UserFactory(), request()).profile_version is None


def test_a_mark_outlives_new_versions_and_can_be_taken_away():
    author, profile = UserFactory(), ProfileFactory()
    for _ in range(2):
        catalogue.mark(profile, "Valve", "CLOSE", dangerous=True, author=author)
    assert profile.dangers.get().marked_by == author
    catalogue.store(replace(profile.schema, protocol="MQTT"), source="two.zip")
    assert catalogue.is_dangerous(profile, "Valve", "CLOSE")
    catalogue.mark(profile, "Valve", "CLOSE", dangerous=False, author=author)
    assert not catalogue.is_dangerous(None, "Valve", "CLOSE")
