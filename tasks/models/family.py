"""Tasks that belong together: parts of a long list, one for each set of values, a task and its reruns."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils import timezone

from tasks.platform import wire


class Origin(models.Model):
    """A task that a rerun takes devices from. One task may rerun several, all of them with the same command."""

    task = models.ForeignKey("tasks.Task", on_delete=models.CASCADE, related_name="origins", db_index=False)
    parent = models.ForeignKey("tasks.Task", on_delete=models.CASCADE, related_name="offspring")
    devices = models.PositiveIntegerField(null=True, blank=True, help_text="How many of its devices.")

    class Meta:
        ordering = ["parent_id"]
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["task", "parent"], name="one_origin_per_parent")]

    def __str__(self) -> str:
        return f"#{self.task_id} reruns #{self.parent_id}"


class Family(models.Model):
    """Made with the second of its tasks; gone with the last."""

    name = models.CharField(max_length=wire.NAME_MAX)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="families")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name_plural = "families"
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("family", args=[self.pk])
