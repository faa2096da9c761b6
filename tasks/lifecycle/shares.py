"""Shares: the rows of one device in one task, and what news of it make of them. No database in here.

Nearly always it is one row. But a device may answer for several commands, and a report may not name its command.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from typing import Any, NamedTuple

from .findings import Finding, join, rank


class Share(NamedTuple):
    """A row of results; ``id`` is None while it has none."""

    id: int | None
    device_id: str
    command_id: str
    unexpected: bool = False
    anonymous: bool = False
    finding: Finding = Finding()


COLUMNS = ("command_id", "unexpected", "anonymous", *Finding._fields)
"""What may change of a row."""


def columns_of(share: Share) -> tuple[Any, ...]:
    """The values of ``COLUMNS``."""
    return (share.command_id, share.unexpected, share.anonymous, *share.finding)


def settled(
    shares: Sequence[Share], device_id: str, news: Mapping[str, Finding], *, by_list: bool
) -> list[Share]:
    """The device's shares after ``news`` of its commands ("" for one that was not named).

    Each command has its share. When some report named none, nobody knows whose it is: then all are one share.
    Of a task ``by_list`` each listed device has a share from the start, so a device without one is not on the
    list. One share of a listed device counts, the one that tells most, so that a device answering twice cannot
    stand for another.
    """
    if "" in news or any(share.anonymous for share in shares):
        return [_all_in_one(shares, device_id, news, by_list=by_list)]
    of_command = {share.command_id: share for share in shares}
    for command_id, finding in news.items():
        known = of_command.get(command_id) or of_command.pop("", None)
        of_command[command_id] = (
            known._replace(command_id=command_id, finding=join(known.finding, finding))
            if known
            else Share(None, device_id, command_id, unexpected=by_list, finding=finding)
        )
    after = list(of_command.values())
    if by_list and len(after) > 1 and not all(share.unexpected for share in after):
        counted = min(after, key=_telling)
        return [share._replace(unexpected=share is not counted) for share in after]
    return after


def _all_in_one(
    shares: Sequence[Share], device_id: str, news: Mapping[str, Finding], *, by_list: bool
) -> Share:
    listed = [share for share in shares if not share.unexpected]
    kept = min(listed or shares, key=lambda share: share.id or 0, default=None)
    named: Iterable[str] = filter(None, (*(share.command_id for share in shares), *news))
    return Share(
        kept.id if kept else None,
        device_id,
        min(named, default=""),
        unexpected=kept.unexpected if kept else by_list,
        anonymous=True,
        finding=reduce(join, (*(share.finding for share in shares), *news.values())),
    )


def _telling(share: Share) -> tuple[int, str, str]:
    return -rank(share.finding.status), share.finding.status, share.command_id
