"""A push as we received it: raw, kept before it is answered, settled later.

With SQLite, callbacks live in a file of their own, the database ``inbox``: whoever settles or edits never holds up
the receiver. So no query joins them with anything else, and nothing is deleted with them by itself.
"""

from __future__ import annotations

from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections, models
from django.db.models import Q
from django.utils import timezone

from .task import Task


class Callback(models.Model):
    """A body that comes to a task again soon shares the row of the first; ``seen`` counts them.

    No index of bodies sees to that, but what the receiver remembers: such an index cost half of its speed, and a body
    that is kept twice changes nothing. So each index here grows at its end.
    """

    class State(models.TextChoices):
        NEW = "NEW"
        SETTLED = "SETTLED"
        QUARANTINED = "QUARANTINED"

    id = models.BigAutoField(primary_key=True)
    task = models.ForeignKey(
        Task, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="callbacks"
    )
    body = models.BinaryField()
    remote_address = models.CharField(max_length=64, blank=True)
    received_at = models.DateTimeField(default=timezone.now)
    seen = models.PositiveIntegerField(default=1)
    state = models.CharField(max_length=12, choices=State, default=State.NEW)
    problem = models.CharField(max_length=300, blank=True, default="")

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["task", "id"], name="callback_new", condition=Q(state="NEW")),  # settling
            models.Index(fields=["task", "id"], name="callback_of_task"),  # trimming, pruning, admin's search
            models.Index(  # pruning, admin's dates, bodies that come again
                fields=["received_at"], name="callback_by_time"
            ),
            models.Index(  # admin, callbacks set aside
                fields=["-received_at", "-id"], name="callback_set_aside", condition=Q(state="QUARANTINED")
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["NEW", "SETTLED", "QUARANTINED"]), name="callback_state_is_known"
            ),
        ]

    def __str__(self) -> str:
        return f"callback {self.pk} of task {self.task_id}"

    @property
    def text(self) -> str:
        """The body for display: UTF-8, with what is not shown as its escape."""
        return bytes(self.body).decode("utf-8", "backslashreplace")


INBOX = "inbox"


def inbox() -> str:
    """The database of the callbacks: one of their own where there is one, else that of everything."""
    return INBOX if INBOX in connections.databases else DEFAULT_DB_ALIAS


class Router:
    """Callbacks go to the inbox and nothing else does; see ``DATABASE_ROUTERS``."""

    def db_for_read(self, model: type[models.Model], **hints: Any) -> str:
        return inbox() if model._meta.label_lower == CALLBACK else DEFAULT_DB_ALIAS

    db_for_write = db_for_read

    def allow_relation(self, one: models.Model, other: models.Model, **hints: Any) -> bool:
        return True

    def allow_migrate(self, db: str, app_label: str, model_name: str | None = None, **hints: Any) -> bool:
        return db == (inbox() if f"{app_label}.{model_name}" == CALLBACK else DEFAULT_DB_ALIAS)


CALLBACK = Callback._meta.label_lower
