"""Silence is explained: asked instead, what to check, and never called stuck when devices only sleep."""

import datetime as dt
from typing import Any

import pytest
from django.utils import timezone

from dashboard.silence import silence_of
from tasks.models import Task
from tasks.states import State
from tests.factories import TaskFactory

pytestmark = pytest.mark.django_db

MINUTE = dt.timedelta(minutes=1)


def running(sent: int, pushed: int | None, **columns: Any) -> Task:
    """A running task of 100 devices, sent and last pushed so many minutes ago."""
    now = timezone.now()
    return TaskFactory(
        **{
            "state": State.RUNNING,
            "timeout": 60,
            "expected": 100,
            "counts": {"SUCCESSFUL": 40, "SENT": 60},
            "platform_task_id": "p-1",
            "submitted_at": now - sent * MINUTE,
            "last_push_at": None if pushed is None else now - pushed * MINUTE,
        }
        | columns
    )


def silence(task: Task) -> Any:
    return silence_of(task, timezone.now())


@pytest.mark.parametrize(
    "task",
    [
        lambda: running(9, None),
        lambda: running(50, 9),
        lambda: running(50, 30, counts={"SUCCESSFUL": 99, "FAILED": 1}),
        lambda: running(50, 30, state=State.TIMED_OUT),
        lambda: running(50, 30, state=State.UNCONFIRMED),
        lambda: running(50, None, callback=False),
    ],
    ids=["just sent", "just pushed", "all answered", "over", "in doubt", "no pushes wanted"],
)
def test_no_silence_is_seen_where_nothing_is_missing(task: Any) -> None:
    assert silence(task()) is None


def test_a_task_that_never_had_a_push_is_worrying() -> None:
    found = silence(running(12, None))
    assert (found.words, found.never, found.is_worrying, found.asks) == ("12 minutes", True, True, True)


def test_a_pause_after_pushes_is_not_worrying_while_the_platform_knows_no_more() -> None:
    counts = {"total": 100, "success": 40, "fail": 0, "timeout": 0, "expired": 0}
    found = silence(running(90, 75, timeout=120, platform_counts=counts))
    assert (found.words, found.never, found.lost) == ("1 hour 15 minutes", False, 0)
    assert not found.is_worrying


def test_pushes_that_the_platform_knows_of_and_muster_does_not_are_lost() -> None:
    found = silence(running(50, 30, platform_counts={"success": 50, "fail": 7}))
    assert found.lost == 17
    assert found.is_worrying


def test_a_task_whose_taskid_is_not_known_cannot_be_asked_for() -> None:
    assert not silence(running(12, None, platform_task_id="")).asks


@pytest.mark.parametrize(
    ("url", "local"), [("http://127.0.0.1:8000", True), ("https://desk.example:443", False)]
)
def test_the_address_of_pushes_is_named_without_its_secret(url: str, local: bool, settings: Any) -> None:
    settings.PUBLIC_URL = url
    found = silence(running(12, None))
    assert (found.address, found.is_local) == (url, local)
