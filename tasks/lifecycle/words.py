"""What an operator is told of an attempt: what came of it, what Muster does now, and what can be done about it."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.models import Task
from tasks.platform.errors import PlatformError, look_up
from tasks.states import State


@dataclass(frozen=True)
class Words:
    happened: str
    muster: str
    you: str


OUTCOMES: dict[str, Words] = {
    "": Words("On its way.", "Muster waits for the answer, a minute at most.", "Nothing to do."),
    "created": Words(
        "The platform accepted it.", "Muster takes the answers of the devices.", "Nothing to do."
    ),
    "already there": Words(
        "The platform has a task of this name, so the request before this one had arrived.",
        "Nothing is sent again; Muster takes the answers of the devices.",
        "If the platform's portal shows its taskID, name it under “What needs a person”.",
    ),
    "not accepted, try later": Words(
        "Certainly nothing was created.",
        "The same request goes out again by itself: after seconds at first, after ten minutes at most.",
        "Nothing to do, unless it recurs.",
    ),
    "refused": Words(
        "Certainly nothing was created.",
        "Nothing is sent again.",
        "Correct what the platform names, then repeat the task.",
    ),
    "outcome unknown": Words(
        "The request was sent, and whether it arrived is not known.",
        "It is never sent again blindly. Muster looks for evidence: answers at the task's own address, and what "
        "the application's switches allow.",
        "Look for the task in the platform's portal; then name its taskID, have it sent again, or give it up.",
    ),
}
"""Outcome of an attempt, as it is kept -> its words; "" while there is none."""

_ADDRESS = "If it recurs, check the application's address, and the network between here and there."
_STAFF = "If it recurs, tell the platform's staff; the answer as received is in the timeline."
_LIMITS = (
    "Nothing to do. If other programs use this application, lower its limits, so that they have their share."
)

REMEDIES: dict[str, str] = {
    "unreachable": _ADDRESS,
    "resting": _ADDRESS,
    "no answer": _ADDRESS,
    "redirect": "Correct the application's address: the request was not sent on to the other one.",
    "tls": "Check the CA bundle, certificate and key of the application, and that they have not expired.",
    "token": "If it recurs, check that nobody else logs in with this application.",
    "login": "Correct the application's appId and secret; its tasks wait until then.",
    "throttled": _LIMITS,
    "call budget": _LIMITS,
    "full": _LIMITS,
    "server error": _STAFF,
    "bad answer": _STAFF,
    "too large": _STAFF,
    "refused": "The error code is none that the API page lists: ask the platform's staff what it means.",
    "name taken": "Change the task name.",
    "tag taken": "Change or remove the tag.",
    "no such task": "Check the taskID and the application.",
}
"""Reason of a failure -> what can be done, where no row of the catalogue says it better."""


def remedy(task: Task) -> str:
    """What can be done about the last failure of a task that has one and is not over it."""
    if task.state not in (State.QUEUED, State.UNCONFIRMED, State.REFUSED):
        return ""
    if row := look_up(task.error_status, task.error_code):
        return row.advice
    evidence = task.transitions.order_by("-id").values_list("evidence", flat=True).first() or {}
    return REMEDIES.get(evidence.get("reason", ""), "")


def what_to_do(error: PlatformError) -> str:
    """What can be done about a call that failed; empty where nothing is known to help."""
    row = look_up(error.status, error.code) if error.code else None
    return row.advice if row else REMEDIES.get(error.reason, "")
