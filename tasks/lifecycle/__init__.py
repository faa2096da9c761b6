"""The story of a task, in order: compose, submit, receive, settle, reconcile; cancel and rerun.

Every door (form, command line, copy) and every job calls these verbs, and only these move a state.
"""

from .cancel import cancel
from .compose import Invalid, callback_url, check, compose, request_of
from .evidence import NotSettled, abandon, confirm, resubmit
from .evidence import seek as seek_evidence
from .families import Proposal, cancel_family, check_all, compose_family
from .lineage import AlreadyRerun, Lineage, Outcome
from .prune import prune
from .receive import Arrival, receive, revoke
from .reconcile import reconcile
from .rerun import NotOffered
from .restored import restored
from .settle import settle
from .submit import submit
from .sweep import sweep

__all__ = [
    "AlreadyRerun",
    "Arrival",
    "Invalid",
    "Lineage",
    "NotOffered",
    "NotSettled",
    "Outcome",
    "Proposal",
    "abandon",
    "callback_url",
    "cancel",
    "cancel_family",
    "check",
    "check_all",
    "compose",
    "compose_family",
    "confirm",
    "prune",
    "receive",
    "reconcile",
    "request_of",
    "restored",
    "resubmit",
    "revoke",
    "seek_evidence",
    "settle",
    "submit",
    "sweep",
]
