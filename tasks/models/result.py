"""One device's share of a task."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from tasks.platform import wire

from .task import Task


class Result(models.Model):
    """``status`` is the platform's word, normalised; empty while nothing was heard of the device."""

    id = models.BigAutoField(primary_key=True)
    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="results", db_index=False)
    device_id = models.CharField(max_length=wire.DEVICE_ID_MAX)
    command_id = models.CharField(max_length=256, blank=True, default="")
    status = models.CharField(max_length=256, blank=True, default="")
    detail = models.JSONField(null=True, blank=True, help_text="What the device reported with its answer.")
    error_code = models.CharField(max_length=32, blank=True, default="")
    error_text = models.CharField(max_length=500, blank=True, default="")
    source = models.CharField(max_length=4, blank=True, default="", help_text="push or poll")
    unexpected = models.BooleanField(default=False, help_text="Not on the task's list.")
    anonymous = models.BooleanField(default=False, help_text="Some report of it did not name its command.")
    conflict = models.BooleanField(default=False, help_text="Final answers that contradict each other came.")
    sent_at = models.DateTimeField(null=True, blank=True)
    delivered_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["id"]
        indexes = [
            models.Index(fields=["task", "id"], name="result_by_task"),  # task page, all devices; exports
            models.Index(fields=["task", "status", "id"], name="result_by_status"),  # task page, by status
            models.Index(fields=["device_id", "id"], name="result_by_device"),  # one device across tasks
            models.Index(  # task page, by error code
                fields=["task", "error_code", "id"], name="result_by_error", condition=~Q(error_code="")
            ),
            models.Index(  # task page: devices that are not on the list
                fields=["task", "unexpected", "id"], name="result_unexpected", condition=Q(unexpected=True)
            ),
            models.Index(  # task page: devices whose answers contradict each other
                fields=["task", "conflict", "id"], name="result_conflict", condition=Q(conflict=True)
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["task", "device_id", "command_id"], name="one_result_per_device_and_command"
            )
        ]

    def __str__(self) -> str:
        return f"{self.device_id}: {self.status or 'no answer yet'}"
