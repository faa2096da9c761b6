"""The story of a task, in order: compose, submit, receive, settle, reconcile; and cancel.

Every door (form, command line, copy) and every job calls these verbs, and only these move a state.
"""

from .cancel import cancel
from .compose import Invalid, callback_url, check, compose, request_of
from .evidence import NotSettled, abandon, confirm, resubmit
from .evidence import seek as seek_evidence
from .receive import Arrival, receive, revoke
from .reconcile import reconcile
from .settle import settle
from .submit import submit
from .sweep import sweep

__all__ = [
    "Arrival",
    "Invalid",
    "NotSettled",
    "abandon",
    "callback_url",
    "cancel",
    "check",
    "compose",
    "confirm",
    "receive",
    "reconcile",
    "request_of",
    "resubmit",
    "revoke",
    "seek_evidence",
    "settle",
    "submit",
    "sweep",
]
