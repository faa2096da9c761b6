import json

import pytest
from django.db.models import Count

from tasks import catalogue
from tasks.models import Application, Danger, Device, Profile
from tasks.profiles.archive import Unreadable
from tasks.sandbox.catalogue import packages
from tests.factories import (
    ApplicationFactory,
    DeviceFactory,
    GroupFactory,
    ProfileFactory,
    UserFactory,
)
from tests.tasks.platform.servers import saying

pytestmark = pytest.mark.django_db


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


@pytest.mark.parametrize("data", [b"", b"x", b"PK\x03\x04", b"[]", b"{}", b"\xff\xfe"])
def test_what_is_no_profile_is_refused_and_leaves_nothing(data):
    with pytest.raises(Unreadable, match=r"\w"):
        catalogue.import_profiles("x.zip", data)
    assert not Profile.objects.exists()


def test_devices_groups_and_profiles_are_read_from_the_platform(sandbox, application, monkeypatch):
    monkeypatch.setattr(catalogue, "DEVICE_PAGE", 30)
    gone = DeviceFactory(application=application, device_id="gone")
    GroupFactory(application=application, group_id="gone")
    other = DeviceFactory()
    catalogue.read(application.pk)
    application.refresh_from_db()
    assert (application.catalogue_problem, application.catalogue_at is not None) == ("", True)
    devices = application.devices
    assert set(devices.values_list("device_id", flat=True)) == set(sandbox.devices(100))
    assert not Device.objects.filter(pk=gone.pk).exists()
    assert Device.objects.filter(pk=other.pk).exists()
    assert set(application.groups.values_list("name", flat=True)) == set(sandbox.state()["groups"])
    kinds = devices.exclude(device_type="").values("device_type", "manufacturer_id", "model")
    assert Profile.objects.count() == kinds.annotate(Count("pk")).count() >= 1
    calls = sum(sandbox.ledger()["calls"].values())
    catalogue.read(application.pk)
    assert devices.count() == 100
    assert sum(sandbox.ledger()["calls"].values()) == calls + 5  # neither a login nor known profiles again


def test_a_reading_that_fails_is_explained_and_forgets_nothing(sandbox, application):
    catalogue.read(application.pk)
    before = Application.objects.get().catalogue_at
    sandbox.faults({"route": "devices", "action": "html"}, {"route": "any", "action": "html"})
    catalogue.read(application.pk)
    application.refresh_from_db()
    assert application.catalogue_problem
    assert application.catalogue_at == before
    assert application.devices.count() == 100


def test_a_token_that_was_refused_is_not_used_again(sandbox, application):
    catalogue.read(application.pk)
    sandbox.login()
    catalogue.read(application.pk)
    assert "token" in Application.objects.get().catalogue_problem
    catalogue.read(application.pk)
    assert Application.objects.get().catalogue_problem == ""


def test_a_platform_that_counts_wrongly_is_asked_no_further_than_it_answers(lifecycle_server):
    devices = [{"deviceId": "d1"}, {"deviceId": "d1", "deviceInfo": {"name": "later"}}]
    server = lifecycle_server(
        {
            "login": {"accessToken": "t", "expiresIn": 3600},
            "pageNo=0&": {"totalCount": 10**12, "devices": devices, "list": []},
            "": {"totalCount": 10**12, "devices": [], "list": []},
        }
    )
    application = ApplicationFactory(url=server.url)
    catalogue.read(application.pk)
    application.refresh_from_db()
    assert application.catalogue_problem == ""
    assert application.devices.get().name == "later"
    assert len(server.requests) <= 5


@pytest.fixture
def lifecycle_server():
    from tests.tasks.platform.servers import Server

    servers = []

    def start(answers):
        def script(sock, over):
            line = servers[0].requests[-1].split(b"\r\n")[0].decode()
            body = next(answer for part, answer in answers.items() if part in line)
            saying(200, json.dumps(body).encode())(sock, over)

        servers.append(Server(script))
        return servers[0]

    yield start
    for server in servers:
        server.close()


def test_a_command_is_dangerous_where_somebody_marked_it():
    marked, other = ProfileFactory(), ProfileFactory()
    Danger.objects.create(profile=marked, service_id="Valve", method="CLOSE")
    assert catalogue.is_dangerous(marked, "Valve", "CLOSE")
    assert catalogue.is_dangerous(None, "Valve", "CLOSE")
    assert not catalogue.is_dangerous(other, "Valve", "CLOSE")
    assert not catalogue.is_dangerous(marked, "Valve", "OPEN")
