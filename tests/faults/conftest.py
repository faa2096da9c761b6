"""Sites of real processes, shared by the tests of a module; their database is their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from . import servers
from .desk import Desk
from .site import Site, running_site


@pytest.fixture(autouse=True)
def bells() -> None:
    """Here the bells are heard."""


@pytest.fixture(autouse=True)
def _unblocked(django_db_blocker) -> Iterator[None]:
    with django_db_blocker.unblock():
        yield


@pytest.fixture(scope="module")
def redis() -> Iterator[servers.Server]:
    with servers.redis() as server:
        yield server


@pytest.fixture(scope="module")
def shared(django_db_blocker, redis) -> Iterator[Site]:
    with django_db_blocker.unblock(), running_site(broker_url=redis.url) as made:
        yield made


@pytest.fixture
def site(shared) -> Site:
    """Redis and SQLite, with one worker of two processes and no beat."""
    shared.proxy.spoils.clear()
    shared.sandbox.platform.faults.clear()
    if not shared.workers:
        shared.start_worker()
    return shared


@pytest.fixture
def desk(site) -> Desk:
    """The operator's browser, at the web process of that site."""
    if site.web is None:
        site.start_web()
    return Desk(site)
