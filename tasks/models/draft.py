"""What an operator is composing: kept on the server, so that long lists travel once and nothing is lost."""

from __future__ import annotations

import uuid
from bisect import bisect_right
from collections.abc import Sequence
from operator import itemgetter
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, models, transaction
from django.db.models import F, Q
from django.urls import reverse
from django.utils import timezone

from tasks.targets import LABELS

from .task import Task


class DeviceList(models.Model):
    """Device ids as an operator gave them, checked and without duplicates, one a line, in their order."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    source = models.CharField(max_length=300, blank=True, help_text="The file's name; empty when pasted.")
    count = models.PositiveIntegerField()
    duplicates = models.PositiveIntegerField(default=0)
    bad = models.JSONField(
        default=list,
        help_text="[[line, text, problem], ...] of what is no device id; of very many the first.",
    )
    bad_count = models.PositiveIntegerField(default=0)
    bad_accepted = models.BooleanField(
        default=False, help_text="The operator chose to go on without the bad lines."
    )
    rerun_of = models.ForeignKey(
        Task,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
        help_text="The task whose devices these are: a task for exactly this list is its rerun.",
    )
    rerun_outcomes = models.JSONField(default=list, blank=True)
    rerun_filter = models.TextField(blank=True, default="")
    before = models.UUIDField(
        null=True, blank=True, help_text="The list this was made of, to go back to as long as it is there."
    )
    step = models.CharField(max_length=300, blank=True, default="", help_text="What was done to it.")
    query = models.TextField(
        blank=True, default="", help_text="The filter over the catalogue that chose exactly these."
    )
    lines = models.JSONField(
        default=list,
        help_text="[[place, line], ...]: from each place on, ids stand on consecutive lines of what was given.",
    )
    created_at = models.DateTimeField(default=timezone.now)
    first = models.JSONField(
        default=list, help_text="The first ids, for reading; empty means: look into the text."
    )
    text = models.TextField()

    FIRST = 5

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.count:,} devices"

    @classmethod
    def of(cls, author: User, ids: Sequence[str], **columns: Any) -> DeviceList:
        """A list of these ids, not saved yet."""
        return cls.of_text(author, "\n".join(ids), **columns)

    @classmethod
    def of_text(cls, author: User, text: str, **columns: Any) -> DeviceList:
        """The same of ids that are one text already, one a line."""
        first = text.split("\n", cls.FIRST)[: cls.FIRST] if text else []
        return cls(author=author, count=text.count("\n") + bool(text), first=first, text=text, **columns)

    @property
    def is_usable(self) -> bool:
        return self.count > 0 and (not self.bad or self.bad_accepted)

    def line_of(self, place: int) -> int:
        """The line on which the id at this place, counted from 0, was given."""
        at = bisect_right(self.lines, place, key=itemgetter(0)) - 1
        return self.lines[at][1] + place - self.lines[at][0] if at >= 0 else place + 1

    @property
    def ids(self) -> list[str]:
        return self.text.split("\n") if self.text else []

    @property
    def first_ids(self) -> list[str]:
        """Some to show, without reading megabytes where that can be helped."""
        return self.first or self.ids[: self.FIRST]


class Overtaken(Exception):
    """Somebody else, or another tab, has changed, discarded or sent the draft since this page was shown."""

    def __init__(self, draft: Draft | None, task: Task | None) -> None:
        super().__init__()
        self.draft, self.task = draft, task


class DraftQuerySet(models.QuerySet["Draft"]):
    def open(self) -> DraftQuerySet:
        """Those that nobody discarded, the newest first."""
        return self.filter(discarded_at=None).order_by("-saved_at", "pk")

    def keep(
        self, author: User, key: uuid.UUID, values: dict[str, list[str]], *, revision: int, page: uuid.UUID
    ) -> Draft:
        """Save what a page holds, unless another one has saved since the revision it knows; then ``Overtaken``."""
        mine = self.filter(pk=key, author=author)
        saved = {"values": values, "page": page, "saved_at": timezone.now(), "discarded_at": None}
        if mine.filter(Q(revision=revision) | Q(page=page)).update(revision=F("revision") + 1, **saved):
            return mine.defer("values").get()
        if task := Task.objects.filter(compose_key=key, author=author).first():
            raise Overtaken(None, task)
        try:
            with transaction.atomic():
                return self.create(pk=key, author=author, **saved)
        except IntegrityError:
            raise Overtaken(mine.first(), None) from None

    def discard(self) -> int:
        """Out of the list, but not lost; a page that still shows it is told when it saves."""
        return self.update(discarded_at=timezone.now(), revision=F("revision") + 1, page=None)


class Draft(models.Model):
    """The composer's form as it was last typed. Its id is the one-time key of the task it becomes."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, db_index=False)
    values = models.JSONField(help_text="Field name -> list of posted values.")
    revision = models.PositiveIntegerField(default=1, help_text="One more with every change.")
    page = models.UUIDField(null=True, blank=True, help_text="The page that saved it last.")
    created_at = models.DateTimeField(default=timezone.now)
    saved_at = models.DateTimeField(default=timezone.now)
    discarded_at = models.DateTimeField(null=True, blank=True)

    objects = DraftQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        indexes = [models.Index(fields=["author", "-saved_at"], name="draft_by_author")]  # one's drafts

    def __str__(self) -> str:
        return f"draft of {self.created_at:%Y-%m-%d %H:%M}"

    def get_absolute_url(self) -> str:
        return reverse("confirm", args=[self.pk])

    @property
    def title(self) -> str:
        """What its author may know it by: the task's name, or else the command."""
        return self.first("name") or self.first("method") or "Without a name"

    @property
    def words(self) -> str:
        """What it would do, as far as it is known."""
        command = " · ".join(filter(None, (self.first("service_id"), self.first("method"))))
        target = LABELS.get(self.first("target_type"), "")  # type: ignore[call-overload]
        return " to ".join(filter(None, (command or "no command yet", target)))

    def first(self, name: str) -> str:
        """The value of a field that has one."""
        values = self.values.get(name) or [""]
        return values[0].strip()
