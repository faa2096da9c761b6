"""A request for reading: the middle of a long device list left out, without parsing megabytes."""

from __future__ import annotations

import json

LONG = 100_000
"""Characters from which an outline is kept beside a request."""

SHOWN = 5
"""Device ids that are left in."""

LIST = '"deviceList":['
LIST_END = '"],"'
"""Quotes inside a text are escaped, so this cannot stand in an id."""


def kept(body: str) -> str:
    """What is stored beside a long request; "" for one that can be read itself."""
    return outline(body) if len(body) > LONG else ""


def outline(body: str) -> str:
    """The body with the first ids and the number of the others."""
    start = body.find(LIST)
    end = body.find(LIST_END, start)
    if start < 0 or end < 0:
        return body
    at = start + len(LIST)
    first: list[str] = []
    while at <= end and len(first) < SHOWN:
        device_id, at = json.JSONDecoder().raw_decode(body, at)
        first.append(device_id)
        at += 1
    if at > end:
        return body
    others = body.count('","', at, end) + 1
    shown = json.dumps([*first, f"… and {others:,} more"], ensure_ascii=False)
    return f"{body[:start]}{LIST[:-1]}{shown}{body[end + 2 :]}"
