"""One call to the platform, written before it is made: what the budget of all processes is counted from."""

from __future__ import annotations

from django.db import models

from .application import Application


class Call(models.Model):
    id = models.BigAutoField(primary_key=True)
    application = models.ForeignKey(
        Application, on_delete=models.CASCADE, related_name="calls", db_index=False
    )
    at = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["application", "at"], name="call_by_application")]  # the budget

    def __str__(self) -> str:
        return f"call of {self.application_id} at {self.at:%H:%M:%S}"
