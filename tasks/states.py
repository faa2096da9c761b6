"""Where a task stands, and which moves are legal. One table; FINAL is computed from it."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """Our word for where a task stands; the platform's word is its *status*."""

    QUEUED = "QUEUED"  # nothing has been sent; due at a time
    SUBMITTING = "SUBMITTING"  # one worker holds it and may be sending
    UNCONFIRMED = "UNCONFIRMED"  # the request may have reached the platform; never sent again blindly
    RUNNING = "RUNNING"  # the platform has it; devices are answering
    COMPLETE = "COMPLETE"  # every device has a final answer, or the platform says so
    TIMED_OUT = "TIMED_OUT"  # its time is over and some devices never answered
    REFUSED = "REFUSED"  # the platform said no; nothing was created
    CANCELLED = "CANCELLED"  # stopped before anything was sent
    ABANDONED = "ABANDONED"  # a person gave it up; whether the platform has it stays unknown


TRANSITIONS: dict[State, tuple[State, ...]] = {
    State.QUEUED: (State.SUBMITTING, State.CANCELLED, State.UNCONFIRMED),
    State.SUBMITTING: (State.RUNNING, State.QUEUED, State.UNCONFIRMED, State.REFUSED),
    State.UNCONFIRMED: (State.RUNNING, State.QUEUED, State.REFUSED, State.ABANDONED),
    State.RUNNING: (State.COMPLETE, State.TIMED_OUT),
    State.COMPLETE: (),
    State.TIMED_OUT: (),
    State.REFUSED: (),
    State.CANCELLED: (),
    State.ABANDONED: (),
}

FINAL: frozenset[State] = frozenset(state for state, following in TRANSITIONS.items() if not following)
"""States that no task leaves. Answers that come later still mend its results and counts."""

MEANING: dict[State, tuple[str, str]] = {
    State.QUEUED: ("Queued", "Nothing has been sent yet."),
    State.SUBMITTING: ("Submitting", "A worker is sending the request right now."),
    State.UNCONFIRMED: (
        "Unconfirmed",
        "The request may have reached the platform; what came of it is not known. "
        "Muster will not send it again by itself.",
    ),
    State.RUNNING: ("Running", "The platform has accepted the task; devices are answering."),
    State.COMPLETE: (
        "Complete",
        "Every device has a final answer, or the platform says that no more will come.",
    ),
    State.TIMED_OUT: ("Timed out", "The task's time is over; some devices gave no final answer."),
    State.REFUSED: ("Refused", "The platform refused the request; no device was commanded."),
    State.CANCELLED: ("Cancelled", "Stopped before anything was sent; no device was commanded."),
    State.ABANDONED: ("Abandoned", "Given up by a person; whether the devices got the command is not known."),
}
"""State -> (the label operators see, one sentence of what it means)."""


def diagram() -> str:
    """The transition table as a Mermaid state diagram, as it stands in the README."""
    lines = ["stateDiagram-v2", "    [*] --> QUEUED"]
    for state, following in TRANSITIONS.items():
        lines += [f"    {state} --> {target}" for target in following]
        if state in FINAL:
            lines.append(f"    {state} --> [*]")
    return "\n".join(lines)
