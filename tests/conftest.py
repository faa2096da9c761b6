"""What every test may ask for: a sandbox, an application that points at it, users in their roles, and the bells."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import celery
import pytest
from django.apps import apps
from django.contrib.auth.models import Group, User
from django.db import connection

from tasks import bells as bell_tower
from tasks import jobs
from tasks.lifecycle import health
from tasks.models import Application
from tests.factories import ApplicationFactory, UserFactory
from tests.sandbox import Sandbox, running_sandbox

MOST_BELLS = 500


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings: None) -> None:
    """SQLite in a file, as in production: threads have connections of their own and wait for each other."""
    from django.conf import settings

    for alias, database in settings.DATABASES.items():
        if database["ENGINE"] == "django.db.backends.sqlite3":
            name = Path(settings.DATA_DIR) / f"test-{alias}.sqlite3"
            database.setdefault("TEST", {})["NAME"] = str(name)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test that may use the database may use all of them: callbacks have their own."""
    for item in items:
        marker = item.get_closest_marker("django_db") or pytest.mark.django_db().mark
        fixtures = getattr(item, "fixturenames", ())
        if item.get_closest_marker("django_db") or {"db", "transactional_db", "live_server"} & {*fixtures}:
            every = pytest.mark.django_db(*marker.args, **{"databases": "__all__"} | marker.kwargs)
            item.add_marker(every, append=False)


class Bells(list[tuple[str, int]]):
    """The bells that were rung, as (job, id); no broker hears them."""

    def ring(self, name: str, args: list[int], **_: Any) -> None:
        self.append((name.removeprefix("tasks.jobs."), *args))

    def run(self) -> None:
        """Run what was rung for, and what that rings for, until it is quiet."""
        for _ in range(MOST_BELLS):
            if not self:
                return
            job, pk = self.pop(0)
            getattr(jobs, job)(pk)
        raise AssertionError(f"the bells never stop: {self[:5]}")


@pytest.fixture(autouse=True)
def bells(monkeypatch: pytest.MonkeyPatch) -> Bells:
    """No test needs a broker: what would be sent to one is only written down, and at once."""
    rung = Bells()
    monkeypatch.setattr(bell_tower._waiting, "put_nowait", lambda bell: bell_tower.send(*bell))
    monkeypatch.setattr(celery.current_app, "send_task", rung.ring)
    return rung


@pytest.fixture
def run_bells(bells: Bells) -> Callable[[], None]:
    """Run what was rung for, as workers would, until it is quiet. Needs ``transaction=True`` to hear anything."""
    return bells.run


@pytest.fixture
def worker_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker is there, whatever the clock says: what waits does not wait for one."""
    monkeypatch.setattr(health, "is_gone", lambda seen: False)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A platform of a hundred devices that goes by the API page to the letter; every device succeeds."""
    with running_sandbox(mix=(1, 0, 0, 0, 0), strict=True) as sandbox:
        yield sandbox


@pytest.fixture
def application(db: None, sandbox: Sandbox) -> Application:
    """An application of the sandbox."""
    return ApplicationFactory(name="Sandbox", url=sandbox.url, app_id=sandbox.app_id, secret=sandbox.secret)


@pytest.fixture
def operator(db: None) -> User:
    return _member("operator")


@pytest.fixture
def auditor(db: None) -> User:
    return _member("auditor")


@pytest.fixture
def admin(db: None) -> User:
    return _member("admin")


@pytest.fixture
def superuser(db: None) -> User:
    return UserFactory(username="root", is_superuser=True, is_staff=True)


def _member(role: str) -> User:
    group = Group.objects.filter(name=role).first()
    if group is None:  # a test with real transactions has emptied the tables
        schema_editor = SimpleNamespace(connection=connection)
        importlib.import_module("tasks.migrations.0002_roles").make_roles(apps, schema_editor)
        importlib.import_module("tasks.migrations.0012_fleet").give_permissions(apps, schema_editor)
        group = Group.objects.get(name=role)
    user = UserFactory(username=role)
    user.groups.add(group)
    return user
