"""What was tried and what changed: written once, kept for ever."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from tasks.states import MEANING, State

from .task import Task


class Attempt(models.Model):
    """One try to send a task's request. The row is committed before the first byte leaves; open while no answer."""

    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="attempts", db_index=False)
    number = models.PositiveIntegerField()
    fence = models.PositiveIntegerField()
    worker = models.CharField(max_length=200, blank=True)
    request_sha256 = models.CharField(max_length=64)
    started_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(
        max_length=40, blank=True, help_text="created, or the consequence of the error."
    )
    http_status = models.PositiveSmallIntegerField(null=True, blank=True)
    error_code = models.CharField(max_length=32, blank=True)
    explanation = models.CharField(max_length=1000, blank=True)
    answer = models.TextField(blank=True, help_text="The start of the platform's answer, as received.")

    class Meta:
        ordering = ["task", "number"]
        indexes = [models.Index(fields=["started_at"], name="attempt_by_time")]  # admin's list and dates
        constraints = [
            models.UniqueConstraint(fields=["task", "number"], name="attempts_are_numbered"),
            models.UniqueConstraint(
                fields=["task"], condition=Q(finished_at__isnull=True), name="one_open_attempt_per_task"
            ),
        ]

    def __str__(self) -> str:
        return f"attempt {self.number} of task {self.task_id}"


class Transition(models.Model):
    """One change of state, with who or what caused it and on what evidence. No actor means Muster itself."""

    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="transitions")
    from_state = models.CharField(max_length=12, blank=True)
    to_state = models.CharField(max_length=12, choices=[(value, MEANING[value][0]) for value in State])
    reason = models.CharField(max_length=500)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, db_index=False
    )
    evidence = models.JSONField(default=dict, blank=True)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["id"]
        indexes = [
            models.Index(fields=["at"], name="transition_by_time"),  # admin's list and dates
            models.Index(fields=["to_state", "at"], name="transition_by_state"),  # admin's list, by state
            models.Index(fields=["actor", "at"], name="transition_by_actor"),  # admin's list, by person
        ]

    def __str__(self) -> str:
        return f"{self.from_state or 'new'} → {self.to_state}"
