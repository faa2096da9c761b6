"""A stored request for reading: indented, its secret masked, a long device list cut short without being parsed."""

from __future__ import annotations

import json
from typing import Any

from tasks.models import DeviceList, Task

LIST = '"deviceList":['
LIST_END = '"],"'
"""Quotes inside a text are escaped, so this cannot stand in an id."""


def readable(task: Task) -> str:
    """The request as it is sent, with the middle of its device list left out."""
    return json.dumps(json.loads(task.masked(_cut(task.request_body))), ensure_ascii=False, indent=2)


def paras_of(task: Task) -> dict[str, Any]:
    """The parameters as they were sent. PostgreSQL keeps those in the column in its own order, and 1e22 as a whole."""
    paras: dict[str, Any] = json.loads(_cut(task.request_body))["param"]["command"].get("paras", {})
    return paras


def _cut(body: str) -> str:
    """The body with the first ids and the number of the others; it is parsed at this length, not at megabytes."""
    start = body.find(LIST)
    end = body.find(LIST_END, start)
    if start < 0 or end < 0:
        return body
    at = start + len(LIST)
    first: list[str] = []
    while at <= end and len(first) < DeviceList.FIRST:
        device_id, at = json.JSONDecoder().raw_decode(body, at)
        first.append(device_id)
        at += 1
    if at > end:
        return body
    others = body.count('","', at, end) + 1
    shown = json.dumps([*first, f"… and {others:,} more"], ensure_ascii=False)
    return f"{body[:start]}{LIST[:-1]}{shown}{body[end + 2 :]}"
