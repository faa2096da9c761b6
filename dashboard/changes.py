"""What two create requests have different, member by member; long lists by how many came and went."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from django.core.cache import cache

from tasks.models import DeviceList, Task

NAMED = 3
"""Members of a list that are named; of more than these only their number is told."""

SECRET = "a secret address of its own"  # noqa: S105

KEPT_SECONDS = 600


class Change(NamedTuple):
    """One member of the request: where it stands, and what it was and is in words; empty where there was none."""

    path: str
    before: str
    after: str


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """All changes but those of ``deviceList``, in the order of ``after``; what is gone comes last."""
    old, new = dict(_members(before)), dict(_members(after))
    found = []
    for path in [*new, *(path for path in old if path not in new)]:
        was, now = old.get(path), new.get(path)
        if isinstance(was, list) and isinstance(now, list):
            if words := of_lists(was, now):
                found.append(Change(path, f"{len(was):,} of them", words))
        elif was != now:
            found.append(Change(path, _words(was), _words(now)))
    return found


def of_lists(before: Sequence[str], after: Sequence[str]) -> str:
    """How many there are now, what went and what came; "" when both hold the same, whatever the order."""
    old, new = set(before), set(after)
    gone, come = [item for item in before if item not in new], [item for item in after if item not in old]
    if not gone and not come:
        return ""
    return f"{len(new):,} of them: " + ", ".join(filter(None, (_few("−", gone), _few("+", come))))


def of_devices(task: Task, kept: DeviceList) -> Change | None:
    """How the device list of ``task`` and ``kept`` differ. Neither ever changes, so it is found out once."""
    key = f"changes:{task.pk}:{kept.pk}"
    words: str | None = cache.get(key)
    if words is None:
        words = of_lists(json.loads(task.request_body)["param"]["deviceList"], kept.ids)
        cache.set(key, words, KEPT_SECONDS)
    return Change("param.deviceList", f"{task.expected:,} of them", words) if words else None


def _members(request: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in request.items():
        path = prefix + name
        if path == "param.deviceList":
            continue
        if path == "param.callbackUrl":
            yield path, SECRET
        elif path == "tags":
            yield from _tags(value)
        elif isinstance(value, Mapping) and value:
            yield from _members(value, f"{path}.")
        elif path == "param.groupList":
            yield path, list(value)
        else:
            yield path, json.dumps(value, ensure_ascii=False)


def _tags(tags: Sequence[Mapping[str, str]]) -> Iterator[tuple[str, str]]:
    values: dict[str, list[str]] = {}
    for tag in tags:
        values.setdefault(tag["tagName"], []).append(tag["tagValue"])
    for name, each in values.items():
        yield f"tags.{name}", ", ".join(each)


def _words(value: str | list[str] | None) -> str:
    return ", ".join(value) if isinstance(value, list) else value or ""


def _few(sign: str, items: Sequence[str]) -> str:
    if len(items) <= NAMED:
        return ", ".join(f"{sign}{item}" for item in items)
    return f"{sign}{len(items):,}"
