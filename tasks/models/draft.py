"""What an operator is composing: kept on the server, so that long lists travel once and nothing is lost."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils import timezone

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

    @property
    def is_usable(self) -> bool:
        return self.count > 0 and (not self.bad or self.bad_accepted)

    @property
    def ids(self) -> list[str]:
        return self.text.split("\n") if self.text else []

    @property
    def first_ids(self) -> list[str]:
        """Some to show, without reading megabytes where that can be helped."""
        return self.first or self.ids[: self.FIRST]


class Draft(models.Model):
    """The composer's form as posted, waiting to be confirmed. Its id is the one-time key of the task it becomes."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    values = models.JSONField(help_text="Field name -> list of posted values.")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"draft of {self.created_at:%Y-%m-%d %H:%M}"

    def get_absolute_url(self) -> str:
        return reverse("confirm", args=[self.pk])
