"""Which devices of an application are meant, as a page asks for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum

from tasks.lifecycle.rerun import STATUSES


class LastOutcome(StrEnum):
    """What came of the newest command that a device got; those of a rerun are spelled as there."""

    SUCCESSFUL = "successful"
    FAILED = "failed"
    TIMED_OUT = "timed-out"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    NO_ANSWER = "no-answer"
    NEVER = "never"


WORDS: dict[LastOutcome, str] = {
    LastOutcome.SUCCESSFUL: "successful",
    LastOutcome.FAILED: "failed",
    LastOutcome.TIMED_OUT: "timed out",
    LastOutcome.EXPIRED: "expired",
    LastOutcome.CANCELLED: "cancelled",
    LastOutcome.NO_ANSWER: "without a final answer",
    LastOutcome.NEVER: "never commanded",
}

FINAL: dict[LastOutcome, str] = {
    LastOutcome.SUCCESSFUL: "SUCCESSFUL",
    **{LastOutcome(outcome): status for outcome, status in STATUSES.items()},
}


@dataclass(frozen=True)
class Choice:
    """Which devices of an application are meant; an empty text asks for nothing. ``group`` is an id or a name."""

    text: str = ""
    device_type: str = ""
    manufacturer_id: str = ""
    model: str = ""
    status: str = ""
    location: str = ""
    group: str = ""
    outcome: str = ""

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> Choice:
        """From the parameters of a page; unknown ones and an unknown outcome ask for nothing."""
        given = {field.name: query.get(field.name, "").replace("\0", "")[:1024] for field in fields(cls)}
        given["text"] = given["text"].strip()
        if given["outcome"] not in set(LastOutcome):
            given["outcome"] = ""
        return cls(**given)

    def to_query(self) -> dict[str, str]:
        """What ``from_query`` reads, without what is not asked for."""
        return {name: value for name, value in asdict(self).items() if value}

    def __bool__(self) -> bool:
        return bool(self.to_query())
