"""What the platform counts of a task, beside what our results count.

Only its five plain counters are believed; its rates and ``completeCnt`` contradict each other on its own pages.
Time-outs and expiries are one kind here: its details have one word for both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tasks.platform.answers import TaskStatus


@dataclass(frozen=True)
class Kind:
    """One kind of final answer: the counters and our statuses that count it, and the words for it."""

    counters: tuple[str, ...]
    statuses: tuple[str, ...]
    words: str


KINDS: dict[str, Kind] = {
    "Fail": Kind(("fail",), ("FAILED", "CANCELED"), "failed"),
    "Timeout": Kind(("timeout", "expired"), ("TIMEOUT", "EXPIRED"), "timed out or expired"),
    "Success": Kind(("success",), ("SUCCESSFUL",), "successful"),
}
"""The platform's word for a list of details -> what is in it."""


def counts_of(status: TaskStatus) -> dict[str, int]:
    """The counters by the names under which they are kept."""
    return {
        "total": status.total,
        "success": status.succeeded,
        "fail": status.failed,
        "timeout": status.timed_out,
        "expired": status.expired,
    }


def pairs(theirs: Mapping[str, int], ours: Mapping[str, int]) -> dict[str, tuple[int, int]]:
    """For each kind: how many the platform counts, and how many results of ours there are."""
    return {
        name: (
            sum(theirs.get(counter, 0) for counter in kind.counters),
            sum(ours.get(status, 0) for status in kind.statuses),
        )
        for name, kind in KINDS.items()
    }


def difference(theirs: Mapping[str, int], ours: Mapping[str, int], devices: int | None) -> str:
    """In one sentence, where the platform's counters and our results differ; "" where they agree."""
    differing = {KINDS[name].words: pair for name, pair in pairs(theirs, ours).items() if pair[0] != pair[1]}
    total = theirs.get("total", 0)
    if devices is not None and total != devices:
        differing = {"devices": (total, devices)} | differing
    if not differing:
        return ""
    said = ", ".join(f"{pair[0]:,} {words}" for words, pair in differing.items())
    found = ", ".join(f"{pair[1]:,} {words}" for words, pair in differing.items())
    return f"The platform counts {said}; the results here are {found}."
