"""The devices an operator gave the composer so far: a list kept on the server, or what was read just now."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib.auth.models import User

from tasks.models import DeviceList, NamedList

from . import device_ids

BadLine = tuple[int, str, str]
"""Line number, text, problem."""


class GivenDevices:
    """``kept`` is the list the form carries by its id; ``parsed`` what was pasted or uploaded with this post.

    What ``is_edited`` stands in its field, to be read with the next post.
    """

    is_edited = False

    def __init__(self, user: User, key: str) -> None:
        self.user = user
        self.parsed: device_ids.Parsed | None = None
        self.kept = kept_list(user, key)

    def read(self, text: str, file: Any = None, column: str = "") -> None:
        """Parse what was pasted or uploaded; keep it when it is good, or too long to go back into the browser."""
        if file is not None:
            self.parsed = device_ids.parse_file(file.name or "The file", file.file, column)
        elif text.strip():
            self.parsed = device_ids.parse_text(text)
        if self.parsed is None or self.parsed.problem or not (self.parsed.ids or self.parsed.bad):
            return
        if self.parsed.bad and len(self.parsed.ids) + self.parsed.bad_count <= device_ids.LONG:
            self.kept = None
            return
        self.kept = device_ids.keep(self.parsed, self.user, file.name or "" if file else "")

    def accept_good(self) -> None:
        """Go on with the good ids and without the bad lines."""
        if self.kept is None and self.parsed and self.parsed.ids:
            self.kept = device_ids.keep(self.parsed, self.user, "")
        if self.kept and self.kept.count:
            self.kept.bad_accepted = True
            self.kept.save(update_fields=["bad_accepted"])

    @property
    def ids(self) -> list[str] | None:
        """All ids that would be sent, megabytes of them; None while they cannot be used."""
        return self.kept.ids if self.kept and self.kept.is_usable else None

    @property
    def first_ids(self) -> list[str] | None:
        """The first of ``ids``. The others were checked when they were read."""
        return self.kept.first_ids if self.kept and self.kept.is_usable else None

    @property
    def count(self) -> int:
        """How many would be sent."""
        return self.kept.count if self.kept and self.kept.is_usable else 0

    @property
    def is_short(self) -> bool:
        """May its ids go back into their field?"""
        return 0 < self.count <= device_ids.LONG

    @property
    def can_go_back(self) -> bool:
        """Is there a list that this one was made of?"""
        return self.kept is not None and self.kept.before is not None

    @property
    def problem(self) -> str:
        """Why the devices cannot be used; empty when they can."""
        if self.kept is not None:
            return "" if self.kept.is_usable else _partly(self.kept.count, self.bad_count)
        if self.parsed is None:
            return "Paste device ids or choose a file."
        if self.parsed.problem:
            return self.parsed.problem
        if not self.parsed.ids and not self.parsed.bad:
            return "There is no device id in it."
        return _partly(len(self.parsed.ids), self.parsed.bad_count)

    @property
    def bad_lines(self) -> list[BadLine]:
        """What was found that is no device id."""
        if self.kept is not None:
            return [] if self.kept.bad_accepted else self.kept.bad
        return [(line.number, line.text, line.problem) for line in self.parsed.bad] if self.parsed else []

    @property
    def bad_count(self) -> int:
        if self.kept is not None:
            return self.kept.bad_count or len(self.kept.bad)
        return self.parsed.bad_count if self.parsed else 0

    @property
    def good_count(self) -> int:
        return self.kept.count if self.kept else len(self.parsed.ids) if self.parsed else 0


def read_posted(devices: GivenDevices, data: Any, files: Any) -> None:
    """Read what a post brought. A file that is still in the browser's form does not undo what was done since."""
    file = files.get("device_file") if devices.kept is None else None
    devices.read(data.get("device_ids", ""), file, data.get("from_column", ""))


def kept_list(user: User, key: str) -> DeviceList | None:
    """The list of this id, when it is one's own or saved for all: in a template, or under a name."""
    try:
        wanted = uuid.UUID(key)
    except ValueError:
        return None
    found = DeviceList.objects.defer("text").filter(pk=wanted).first()
    if (
        found is None
        or found.author_id == user.pk
        or found.templates.filter(template__deleted_at=None).exists()
    ):
        return found
    saved = NamedList.objects.usable().filter(versions__devices=found)
    return found if saved.exists() else None


def _partly(good: int, bad: int) -> str:
    return f"{bad:,} of the lines cannot be used; {good:,} device{'s' if good != 1 else ''} can."
