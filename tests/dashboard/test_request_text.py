"""The request as the task page shows it."""

import json
import time
from typing import Any

import pytest

from dashboard.request_text import readable
from tasks.models import Request
from tasks.platform import outline
from tasks.targets import TargetType
from tests.factories import TaskFactory

pytestmark = pytest.mark.django_db

TRICKY = ['a","b', 'c"],"command":{', "deviceList", "\\", "设备", "x" * 256]


@pytest.mark.parametrize("kind", TargetType)
def test_a_short_request_is_shown_as_it_is_sent(kind: TargetType) -> None:
    task = TaskFactory(kind=kind)
    assert json.loads(readable(task)) == json.loads(task.masked(task.request_body))


@pytest.mark.parametrize("long", [0, outline.LONG])
@pytest.mark.parametrize("count", [1, 4, 5, 6, 7, 300])
def test_of_a_long_list_the_first_ids_and_the_number_of_the_others_are_shown(
    count: int, long: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outline, "LONG", long)
    ids = [*TRICKY, *(f"device-{number}" for number in range(300))][:count]
    task = TaskFactory(devices=ids, ask={"command": {"paras": {"deviceList": ["x", "y"], "b": ['"],"']}}})
    shown = json.loads(readable(task))
    stored: dict[str, Any] = json.loads(task.masked(task.request_body))
    others = count - 5
    wanted = ids[:5] + ([f"… and {others:,} more"] if others > 0 else [])
    assert shown["param"].pop("deviceList") == wanted
    assert stored["param"].pop("deviceList") == ids
    assert shown == stored


def test_a_million_ids_are_cut_short_in_no_time() -> None:
    task = TaskFactory(devices=[f"3fd1a6c2-{number:08d}-4c44-9a0c-8ac3f7a2b5de" for number in range(200_000)])
    start = time.perf_counter()
    assert "… and 199,995 more" in readable(task)
    assert time.perf_counter() - start < 0.5


def test_a_million_ids_are_not_even_read() -> None:
    task = TaskFactory(devices=[f"device-{number}" for number in range(20_000)])
    Request.objects.filter(task=task).update(body="whatever it was")
    assert "… and 19,995 more" in readable(task)


def test_a_request_of_before_outlines_were_kept_is_shown_too() -> None:
    task = TaskFactory(devices=[f"device-{number}" for number in range(20_000)])
    Request.objects.filter(task=task).update(outline="")
    assert "… and 19,995 more" in readable(task)
