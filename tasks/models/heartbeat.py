"""A sign of life: which kind of process wrote last, and when."""

from __future__ import annotations

from django.db import models


class Heartbeat(models.Model):
    """One row for workers, written by each sweep; one for the web process, which proves that it can write."""

    WORKER = "worker"
    WEB = "web"

    name = models.CharField(max_length=16, primary_key=True)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name} at {self.at:%H:%M:%S}"
