"""Final answers of a task by when they came: what its curve and its histogram are drawn from."""

from __future__ import annotations

from django.db import models

from .task import Task

SECONDS = 10
"""Width of a bucket."""


class Tally(models.Model):
    """How many results of a task have this status and a ``finished_at`` within the bucket that begins at ``at``.

    Kept by settling in the transaction that changes the results, so it always equals a recount of them.
    """

    id = models.BigAutoField(primary_key=True)
    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="tallies", db_index=False)
    at = models.DateTimeField()
    status = models.CharField(max_length=256)
    count = models.PositiveIntegerField()

    class Meta:
        verbose_name_plural = "tallies"
        ordering = ["at", "status"]
        indexes = [
            models.Index(  # the curve of a task's page: its sums are read in the index alone
                fields=["task", "at", "status", "count"], name="tally_curve"
            )
        ]
        constraints = [
            models.UniqueConstraint(fields=["task", "at", "status"], name="one_tally_per_bucket_and_status")
        ]

    def __str__(self) -> str:
        return f"{self.count:,} × {self.status} at {self.at:%H:%M:%S}"
