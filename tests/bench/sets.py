"""Set operations on lists of a million ids: two lists, and a list without the devices that failed in a task.

Each figure comes from a process of its own, which does what one page does: read both, and count what every operation
would give, or combine them and store the list. Beside it, in the same run, the plain way: lists and sets of strings.
The time of its CPU stands beside the seconds, which on a busy machine say little; of PostgreSQL it is the client's.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tests.bench.ids import _peak, _timed
from tests.bench.report import line, spread

IDS = 1_000_000
ROUNDS = 3
SECONDS, MEGABYTES = 3.0, 200
ACTS = {
    "numbers": "the number of each, shown before",
    "without": "A without B",
    "add": "A and B together",
    "both": "those in both",
    "failed": "A without what failed in a task of 1,000,000",
}
LEFT = {"without": IDS // 2, "add": IDS // 2 * 3, "both": IDS // 2, "failed": IDS // 2}


def run() -> None:
    from django.db import connection

    from tests.bench.databases import kept

    wrapper = kept("sets", _make, __file__)
    name = wrapper.settings_dict["NAME"]
    line(
        f"lists of 1,000,000 ids, {connection.vendor}",
        "CPU, wall clock, memory",
        "the same with sets of strings",
    )
    for act, words in ACTS.items():
        ours, plain = [], []
        for _ in range(ROUNDS):
            ours.append(_measured(act, "ours", name))
            plain.append(_measured(act, "plain", name))
        met = statistics.median(_of(ours, "seconds")) <= SECONDS and _memory(ours) <= MEGABYTES
        line(words, _figures(ours), _figures(plain), met=met)


def _figures(measured: Sequence[Mapping[str, float]]) -> str:
    cpu = statistics.median(_of(measured, "cpu"))
    return f"{cpu:.2f} s, {spread(_of(measured, 'seconds'), ' s')}, {_memory(measured):.0f} MB"


def _of(measured: Sequence[Mapping[str, float]], name: str) -> list[float]:
    return [each[name] for each in measured]


def _memory(measured: Sequence[Mapping[str, float]]) -> float:
    return max(each["peak"] - each["before"] for each in measured)


def _measured(act: str, way: str, name: str) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.sets", act, way, name],
        capture_output=True, text=True, check=False, env=os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def _make(wrapper: Any) -> None:
    """Two lists that have half of their ids in common, the second in any order; half of a task's devices failed."""
    from django.contrib.auth.models import User

    from tasks.models import DeviceList, Result
    from tests.bench.databases import load, without_indexes
    from tests.bench.rows import device_id
    from tests.factories import TaskFactory

    author = User.objects.create(username="root", is_superuser=True)
    ids = [device_id(n, 2 * IDS) for n in range(IDS // 2 * 3)]
    others = ids[IDS // 2 :]
    random.Random(1).shuffle(others)
    for source, listed in (("A", ids[:IDS]), ("B", others)):
        DeviceList.of(author, listed, source=source).save()
    task = TaskFactory(state="COMPLETE", listed=True, counts={"FAILED": IDS // 2, "SUCCESSFUL": IDS // 2})
    results = ((task.pk, each, "SUCCESSFUL" if n % 2 else "FAILED") for n, each in enumerate(ids[:IDS]))
    with without_indexes(wrapper):
        load(wrapper, Result, ("task_id", "device_id", "status"), results)


# What happens in a process of its own


def _child(act: str, way: str, name: str) -> None:
    import django

    django.setup()
    from django.conf import settings
    from django.db import transaction

    from tests.bench.databases import opened, using

    settings.MOST_DEVICES = 2 * IDS
    with using(opened(name)), transaction.atomic():
        click = _clicked(act, _ours() if way == "ours" else _plain())
        before, cpu = _peak(), time.process_time()
        seconds = _timed(click)
        cpu = time.process_time() - cpu
        print(json.dumps({"seconds": seconds, "cpu": cpu, "peak": _peak(), "before": before}))
        transaction.set_rollback(True)


def _clicked(act: str, way: tuple[Callable[..., Any], ...]) -> Callable[[], None]:
    from django.contrib.auth.models import User

    from tasks.models import DeviceList, Task

    author, task = User.objects.get(username="root"), Task.objects.get()
    lists = {each.source: each.pk for each in DeviceList.objects.defer("text")}
    read, failed, numbers, combine, stored = way
    operation = "without" if act == "failed" else act

    def others() -> Any:
        return failed(task) if act == "failed" else read(DeviceList.objects.get(pk=lists["B"]))

    def click() -> None:
        kept = DeviceList.objects.defer("text").get(pk=lists["A"])
        if act == "numbers":
            numbers(read(kept), others())
            return
        made = stored(author, combine(operation, read(kept), others()))
        made.save()
        assert made.count == LEFT[act], made.count

    return click


def _ours() -> tuple[Callable[..., Any], ...]:
    from tasks import lists, sets
    from tasks.models import DeviceList

    return (
        lambda kept: kept.text,
        lambda task: lists.of_task(task, ["failed"]),
        sets.numbers,
        lambda operation, *both: sets.combine(sets.Operation(operation), *both),
        DeviceList.of_text,
    )


def _plain() -> tuple[Callable[..., Any], ...]:
    from tasks.lifecycle import Outcome, rerun
    from tasks.models import DeviceList

    def numbers(ids: list[str], others: list[str]) -> tuple[int, int, int]:
        mine, theirs = set(ids), set(others)
        return len(mine & theirs), len(mine), len(theirs)

    def combine(operation: str, ids: list[str], others: list[str]) -> list[str]:
        if operation == "add":
            return list(dict.fromkeys([*ids, *others]))
        known, is_kept = set(others), operation == "both"
        return [each for each in dict.fromkeys(ids) if (each in known) == is_kept]

    return (
        lambda kept: kept.ids,
        lambda task: rerun.devices_with(task, [Outcome.FAILED]),
        numbers,
        combine,
        DeviceList.of,
    )


if __name__ == "__main__":
    _child(*sys.argv[1:])
