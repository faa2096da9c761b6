"""What is sent for a task, byte for byte."""

from __future__ import annotations

from django.db import models

from .task import Task


class Request(models.Model):
    """Apart from its task, whose row changes often: with SQLite every change writes the whole row again, and a
    million device ids are forty megabytes."""

    task = models.OneToOneField(Task, on_delete=models.CASCADE, primary_key=True, related_name="request")
    body = models.TextField()
    outline = models.TextField(
        default="",
        blank=True,
        help_text="A long body for reading: with the middle of its device list left out.",
    )

    def __str__(self) -> str:
        return f"request of task {self.task_id}"
