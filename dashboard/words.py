"""The platform's statuses and lengths of time, in the words operators see."""

from __future__ import annotations

import datetime as dt
import math
import unicodedata
from itertools import accumulate

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
"""Status -> (the words operators see, its tone). Also the order in which shares are drawn, and of the filter."""

NO_ANSWER = "none"
"""How the empty status is written in addresses."""

STATUS_ADVICE: dict[str, str] = {
    "FAILED": "The device got the command and could not carry it out; what it reported stands in its answer.",
    "TIMEOUT": "The command was sent, but the device did not acknowledge it in time. Check its connection, then rerun.",
    "EXPIRED": "The device did not report before the task's time was over. Rerun with a longer timeout.",
    "CANCELED": "The command was withdrawn on the platform. Ask its operators why, then rerun.",
    "DELIVERED": "The device has the command and did not say what came of it. Check its state before a rerun.",
    "SENT": "The platform sent the command and heard nothing. The device may still carry it out.",
    "PENDING": "The platform kept the command for the device, which has not reported since.",
    "": "Nothing was heard of these devices. Check that the platform knows them.",
}
"""Status -> what a person can do when it is the last one of a device and no error says more."""

DEVICE_STATUS: dict[str, tuple[str, str, str]] = {
    "ONLINE": ("Online", "good", "It is connected, or has reported of late."),
    "OFFLINE": (
        "Offline",
        "bad",
        "It is not connected; one that reports over NB-IoT was silent for 49 hours.",
    ),
    "ABNORMAL": ("Abnormal", "warn", "It reports over NB-IoT and was silent for 25 hours."),
    "INACTIVE": ("Inactive", "calm", "It has never reported."),
}
"""Status of a device, as the platform says -> (the words operators see, its tone, what it means)."""

UNITS = ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


def words_of(status: str) -> tuple[str, str]:
    """The words and the tone of any status; one that nobody knows is shown as it came."""
    return STATUS_WORDS.get(status, (status, "calm"))


def device_status(status: str) -> tuple[str, str, str]:
    """Words, tone and meaning of a device's status; one that nobody knows is shown as it came."""
    return DEVICE_STATUS.get(status, (status or "unknown", "calm", "The platform's word."))


def spoken(length: dt.timedelta) -> str:
    """A length of time in its two largest units: ``1 hour 5 minutes``."""
    left = max(math.floor(length.total_seconds()), 0)
    parts = []
    for seconds, unit in UNITS:
        count, left = divmod(left, seconds)
        if count:
            parts.append(f"{count:,} {unit}{'' if count == 1 else 's'}")
        elif parts:
            break  # an hour and nine seconds is an hour
        if len(parts) == 2:
            break
    return " ".join(parts) or "0 seconds"


END = 16
"""Columns of a long name's end that stay: ``(12 of 12)`` is among them."""


def shortened(name: str, most: int) -> str:
    """The name in at most so many columns: its beginning, an ellipsis and its end. Wide letters take two columns."""
    columns = list(accumulate(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in name))
    if not columns or columns[-1] <= most:
        return name
    head = sum(column <= most - END - 1 for column in columns)
    tail = sum(column > columns[-1] - END for column in columns)
    return f"{name[:head].rstrip()}…{name[len(name) - tail :].lstrip()}"
