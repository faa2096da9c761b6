"""What operators read for each status that the platform reports of a device."""

from __future__ import annotations

STATUS_WORDS: dict[str, tuple[str, str]] = {
    "SUCCESSFUL": ("Successful", "good"),
    "FAILED": ("Failed", "bad"),
    "TIMEOUT": ("Timed out", "bad"),
    "EXPIRED": ("Expired", "warn"),
    "CANCELED": ("Cancelled", "warn"),
    "DELIVERED": ("Delivered", "busy"),
    "SENT": ("Sent", "busy"),
    "PENDING": ("Waiting for the device", "calm"),
    "": ("No answer yet", "calm"),
}
"""Status -> (the words operators see, its tone). Also the order of the progress bar and of the filter."""

NO_ANSWER = "none"
"""How the empty status is written in addresses."""


def words_and_tone(status: str) -> tuple[str, str]:
    """A status that is not known is shown as the platform wrote it."""
    return STATUS_WORDS.get(status, (status, "calm"))
