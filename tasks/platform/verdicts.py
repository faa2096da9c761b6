"""What an answer says: its members if it is a success, else the exception that tells what to do next.

Source: the API page, "Error Codes"; four of its rows come with HTTP 200, so the error_code is looked at
before the status.
"""

from __future__ import annotations

from collections.abc import Mapping

from tasks.platform.errors import (
    Consequence,
    Full,
    NotAccepted,
    OutcomeUnknown,
    PlatformError,
    Refused,
    Throttled,
    TokenRejected,
    classify,
    excerpt,
    look_up,
    reason_for,
)
from tasks.platform.jsontext import BadJSON, clean, cleaned, loads
from tasks.platform.transport import Answer

_CLASSES: dict[Consequence, type[PlatformError]] = {
    Consequence.NOT_ACCEPTED: NotAccepted,
    Consequence.UNKNOWN: OutcomeUnknown,
    Consequence.REFUSED: Refused,
}
_BY_REASON: dict[str, type[PlatformError]] = {"token": TokenRejected, "throttled": Throttled, "full": Full}

_SENTENCES: dict[str, str] = {
    "redirect": "The platform points to another address ({status}): correct the connection's address.",
    "throttled": "The platform says that it is called too often ({status}).",
    "token": "The platform did not accept the access token ({status}).",
    "no answer": "The platform gave up waiting for the request ({status}).",
    "server error": "The platform failed ({status}) without saying why.",
    "bad answer": "The platform's answer ({status}) is not the one that the API page describes.",
}


def members(answer: Answer, *secrets: str) -> dict[str, object]:
    """The members of a successful answer: HTTP 200, a JSON object, and no error_code.

    Raises the PlatformError that the error_code calls for, or else the status. ``secrets`` are kept out
    of the excerpt that the exception carries.
    """
    body = _object(answer.body)
    code, description = error_of(body or {})
    if body is None or code or answer.status != 200:
        raise failure(answer, code, description, *secrets)
    return body


def error_of(body: Mapping[str, object]) -> tuple[str, str]:
    """The ``error_code`` ("" if there is none) and ``error_desc`` of an answer, as texts."""
    code, description = body.get("error_code"), body.get("error_desc")
    text = "" if code is None or code is False else clean(str(code)).strip()[:64]
    return text, clean(description)[:1024] if isinstance(description, str) else ""


def failure(answer: Answer, code: str, description: str, *secrets: str) -> PlatformError:
    """The exception for an answer that is no success."""
    reason = reason_for(answer.status, code)
    kind = _BY_REASON.get(reason) or _CLASSES[classify(answer.status, code)]
    return kind(
        _sentence(answer.status, code, description, reason),
        reason=reason,
        status=answer.status,
        code=code,
        description=description,
        answer=excerpt(answer.body, *secrets),
        sent=True,
    )


def bad_answer(answer: Answer, sentence: str, *secrets: str) -> OutcomeUnknown:
    """The exception for a success whose content is not what the page describes."""
    return OutcomeUnknown(
        sentence, reason="bad answer", status=answer.status, answer=excerpt(answer.body, *secrets), sent=True
    )


def _sentence(status: int, code: str, description: str, reason: str) -> str:
    if row := look_up(status, code):
        return f"{row.meaning} ({code})"
    if code:
        return f"The platform answered {code}: {description or 'no description'} (HTTP {status})"
    return _SENTENCES[reason].format(status=status)


def _object(body: bytes) -> dict[str, object] | None:
    try:
        value = cleaned(loads(body))
    except BadJSON:
        return None
    return value if isinstance(value, dict) else None
