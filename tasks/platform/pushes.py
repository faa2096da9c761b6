"""Pushes: what the platform says of one command, in any shape seen so far, and how much each status tells.

Source: the vendor's page on command status changes, and bodies seen on the wire. Pushes come twice, late
and out of order: ``lifecycle.findings`` joins them by rank.
"""

from __future__ import annotations

from typing import NamedTuple

from tasks.platform.jsontext import BadJSON, storable

RANK: dict[str, int] = {
    "PENDING": 0,
    "SENT": 1,
    "DELIVERED": 2,
    "EXPIRED": 3,
    "TIMEOUT": 3,
    "CANCELED": 3,
    "SUCCESSFUL": 4,
    "FAILED": 4,
}
"""Status of a command -> how much it tells: what a device says outranks the platform's clock."""

SYNONYMS: dict[str, str] = {
    "SUCCESS": "SUCCESSFUL",
    "FAIL": "FAILED",
    "DEFAULT": "PENDING",
    "WAITRESULT": "SENT",
    "CANCELLED": "CANCELED",
}
"""Other words for the same, upper-case: older pages, taskDetails, and one spelling."""

FINAL_STATUSES: frozenset[str] = frozenset(status for status, rank in RANK.items() if rank >= 3)

LONGEST = 256
"""Characters of an id or a status; longer ones are nobody's."""


class Malformed(ValueError):
    """A body that is not a push; ``reason`` is a short sentence."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Push(NamedTuple):
    """One device's news of one command; ``command_id`` is "" and ``detail`` None where the body has none."""

    device_id: str
    command_id: str
    status: str
    raw_code: str
    detail: object = None


def normal(code: str) -> str:
    """The status in our one spelling; an unknown code stays as it is and ranks lowest."""
    if code in RANK:
        return code
    upper = code.strip().upper()
    status = SYNONYMS.get(upper, upper)
    return status if status in RANK else code


def parse(raw: bytes) -> Push:
    """Read a push's body, or raise Malformed; nothing else is ever raised.

    One rule for hostile text: the body must be strict JSON (see ``jsontext.loads``), and NUL and lone
    surrogates in it are replaced by U+FFFD. ``deviceId`` and a result are needed; ``commandId`` and the
    result's detail are not.
    """
    try:
        body = storable(raw)
    except BadJSON as error:
        raise Malformed(f"The body {_sentence(error)}.") from error
    if not isinstance(body, dict):
        raise Malformed("The body is not a JSON object.")
    result = body.get("result")
    if not isinstance(result, dict):
        raise Malformed("The member result is not an object.")
    device_id = _word(body, "deviceId")
    if not device_id:
        raise Malformed("The member deviceId is missing.")
    code = _word(result, "resultCode") or _word(result, "status")
    detail = result.get("resultDetail") if "resultDetail" in result else result.get("result")
    return Push(device_id, _word(body, "commandId"), normal(code), code, None if detail == "" else detail)


def _word(members: dict[str, object], name: str) -> str:
    value = members.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Malformed(f"The member {name} is not text.")
    if len(value) > LONGEST:
        raise Malformed(f"The member {name} has more than {LONGEST} characters.")
    return value


def _sentence(error: BadJSON) -> str:
    return error.message if error.message.startswith(("is ", "has ")) else f"is not JSON: {error.message}"
