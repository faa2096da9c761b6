"""One batch command that an operator composed, and where it stands."""

from __future__ import annotations

import datetime as dt
from typing import Any, cast

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Expression, Q
from django.db.models.functions import Length
from django.db.models.lookups import GreaterThanOrEqual, LessThanOrEqual
from django.urls import reverse
from django.utils import timezone

from tasks.platform import counters, wire
from tasks.platform.answers import OVER
from tasks.platform.pushes import FINAL_STATUSES
from tasks.states import FINAL, MEANING, State
from tasks.targets import LABELS, TargetType

from .application import Application
from .catalogue import Profile
from .family import Family

ASKED_ABOUT = (State.RUNNING, State.COMPLETE, State.TIMED_OUT)

FAILURES = sorted(FINAL_STATUSES - {"SUCCESSFUL"})
"""The final statuses of devices that did not do what they were told."""


class TaskQuerySet(models.QuerySet["Task"]):
    def due(self, now: dt.datetime) -> TaskQuerySet:
        """Queued tasks whose time to be sent has come."""
        return self.filter(state=State.QUEUED, due_at__lte=now)

    def abandoned(self, now: dt.datetime) -> TaskQuerySet:
        """Tasks whose worker did not come back within its lease."""
        return self.filter(state=State.SUBMITTING, lease_until__lt=now)

    def to_reconcile(self, now: dt.datetime) -> TaskQuerySet:
        """Tasks that the platform should be asked about: running ones, and ended ones it has not confirmed."""
        return self.filter(state__in=ASKED_ABOUT, poll_at__lte=now)

    def in_doubt(self, now: dt.datetime) -> TaskQuerySet:
        """Unconfirmed tasks for which evidence should be looked for."""
        return self.filter(state=State.UNCONFIRMED, poll_at__lte=now)

    def for_lists(self) -> TaskQuerySet:
        """What a list of tasks shows: not what grows, nothing to decrypt, no JSON but the counts."""
        return self.select_related("application", "author").only(
            "name", "state", "reason", "deferrals", "method", "service_id", "target_type", "expected", "counts",
            "created_at", "family_id", "application__name", "author__username",
        )  # fmt: skip


class Task(models.Model):
    """``state`` is moved by ``lifecycle.transitions.move`` alone. What is sent is in its ``request``."""

    application = models.ForeignKey(
        Application, on_delete=models.PROTECT, related_name="tasks", db_index=False
    )
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="tasks", db_index=False
    )
    copied_from = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, blank=True, related_name="copies"
    )
    rerun_of = models.ManyToManyField(
        "self",
        through="tasks.Origin",
        through_fields=("task", "parent"),
        symmetrical=False,
        related_name="reruns",
        blank=True,
    )
    rerun_outcomes = models.JSONField(
        default=list,
        blank=True,
        help_text="Which devices of rerun_of it was made for: failed, timed-out, ...",
    )
    rerun_filter = models.TextField(
        blank=True, default="", help_text="Or the filter that showed them, as a query string."
    )
    template = models.ForeignKey(
        "tasks.TemplateVersion",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="tasks",
        db_index=False,
        help_text="What it was composed from.",
    )
    family = models.ForeignKey(
        Family, on_delete=models.PROTECT, null=True, blank=True, related_name="tasks", db_index=False
    )
    compose_key = models.UUIDField(null=True, blank=True, unique=True, editable=False)

    name = models.CharField(max_length=wire.NAME_MAX)
    target_type = models.CharField(max_length=16, choices=[(value, LABELS[value]) for value in TargetType])
    target = models.JSONField(
        default=dict, blank=True, help_text="The members of param that say where; no device ids."
    )
    profile = models.ForeignKey(Profile, on_delete=models.SET_NULL, null=True, blank=True)
    profile_version = models.PositiveIntegerField(
        null=True, blank=True, help_text="The version of the profile it was composed with."
    )
    service_id = models.CharField(max_length=wire.SERVICE_ID_MAX)
    method = models.CharField(max_length=wire.METHOD_MAX)
    paras = models.JSONField(null=True, blank=True)
    timeout = models.PositiveIntegerField(
        validators=[MinValueValidator(wire.TIMEOUT_MIN), MaxValueValidator(wire.TIMEOUT_MAX)],
        help_text="Minutes.",
    )
    max_retransmit = models.PositiveSmallIntegerField(
        null=True, blank=True, validators=[MaxValueValidator(wire.RETRANSMIT_MAX)]
    )
    group_tag = models.CharField(max_length=wire.TEXT_MAX, blank=True, default="")
    tags = models.JSONField(default=list, blank=True, help_text="[[name, value], ...]")
    callback_token = models.CharField(max_length=64, null=True, blank=True, unique=True)
    revoked_at = models.DateTimeField(
        null=True, blank=True, help_text="From then on nothing is taken at its callback address."
    )
    duplicates_removed = models.PositiveIntegerField(default=0)

    state = models.CharField(max_length=12, choices=[(value, MEANING[value][0]) for value in State])
    reason = models.CharField(
        max_length=500, blank=True, default="", help_text="Why it stands where it stands."
    )
    priority = models.PositiveSmallIntegerField(default=0, help_text="Higher goes first.")
    probed = models.BooleanField(default=False, help_text="The guarded probe was used; there is only one.")
    due_at = models.DateTimeField(null=True, blank=True)
    deferrals = models.PositiveIntegerField(default=0, help_text="Times in a row it was put off.")
    lease_until = models.DateTimeField(null=True, blank=True)
    fence = models.PositiveIntegerField(default=0)
    platform_task_id = models.CharField("taskID", max_length=128, blank=True, default="")
    platform_status = models.CharField(max_length=32, blank=True, default="")
    platform_counts = models.JSONField(
        default=dict,
        blank=True,
        help_text="What the platform counted when last asked: total, success, fail, timeout, expired; and when: at.",
    )
    poll_at = models.DateTimeField(null=True, blank=True)
    poll_page = models.PositiveIntegerField(default=0, help_text="Where reading the details goes on.")
    poll_lists = models.JSONField(
        default=list, blank=True, help_text="The platform's lists of details that are still to be read."
    )
    heard_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When asking last brought news: an answer, or the platform's last word.",
    )
    error_code = models.CharField(max_length=32, blank=True, default="")
    error_status = models.PositiveSmallIntegerField(null=True, blank=True)
    error_text = models.CharField(max_length=1000, blank=True, default="")

    expected = models.PositiveIntegerField(
        null=True, blank=True, help_text="Devices, where their number is known."
    )
    counts = models.JSONField(default=dict, blank=True, help_text="Results by status, kept by settling.")
    has_failures = models.GeneratedField(
        expression=cast(Expression, Q(counts__has_any_keys=FAILURES)),
        output_field=models.BooleanField(),
        db_persist=True,
    )
    last_push_at = models.DateTimeField(
        null=True, blank=True, help_text="When the newest settled push was received."
    )
    settling_until = models.DateTimeField(
        null=True, blank=True, help_text="Until then a worker has the turn to settle."
    )
    settle_tries = models.PositiveSmallIntegerField(
        default=0, help_text="Times in a row that settling came to nothing."
    )
    pushes_dropped = models.PositiveIntegerField(
        default=0, help_text="Settled pushes that were dropped: more came than 200 for each device."
    )
    listed = models.BooleanField(default=False, help_text="Every device of the list has its result row.")

    created_at = models.DateTimeField(default=timezone.now)
    submitted_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    results_pruned_at = models.DateTimeField(
        "results pruned",
        null=True,
        blank=True,
        help_text="Counts and tallies stay; answers no longer change them.",
    )

    objects = TaskQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        permissions = [
            ("cancel_task", "Can cancel a task"),
            ("settle_task", "Can settle an unconfirmed task"),
            ("prioritise_task", "Can put a task before others"),
        ]
        indexes = [
            models.Index(fields=["state", "-id"], name="task_by_state"),  # history, by state; the sweep
            models.Index(  # history, by application
                fields=["application", "-id"], name="task_by_application"
            ),
            models.Index(fields=["author", "-id"], name="task_by_author"),  # history, by operator
            models.Index(fields=["target_type", "-id"], name="task_by_target_type"),  # history, by target
            models.Index(fields=["method", "-id"], name="task_by_method"),  # history, by command
            models.Index(fields=["created_at"], name="task_by_time"),  # history, by day; admin's dates
            models.Index(  # history, by words of the name and by several filters at once: all are read from it
                fields=[
                    "-id", "state", "application", "author", "target_type", "has_failures", "created_at", "method",
                    "name",
                ],
                name="task_facets",
            ),
            models.Index(  # the slots of an application
                fields=["application", "state"], name="task_by_application_state"
            ),
            models.Index(  # the queue of an application
                fields=["application", "-priority", "id"], name="task_queue", condition=Q(state=State.QUEUED)
            ),
            models.Index(  # history and the family's page, by family
                fields=["family", "-id"], name="task_by_family", condition=Q(family__isnull=False)
            ),
            models.Index(fields=["platform_task_id"], name="task_by_task_id"),  # history, by taskID
            models.Index(  # the sweep: whom to ask about
                fields=["state", "poll_at"], name="task_to_ask", condition=Q(poll_at__isnull=False)
            ),
            models.Index(  # pruning, which begins with what ended first
                fields=["finished_at"], name="task_by_end", condition=Q(finished_at__isnull=False)
            ),
            models.Index(  # the tasks of a template's version
                fields=["template"], name="task_by_template", condition=Q(template__isnull=False)
            ),
        ]  # fmt: skip
        constraints = [
            models.CheckConstraint(
                condition=Q(timeout__gte=wire.TIMEOUT_MIN, timeout__lte=wire.TIMEOUT_MAX),
                name="timeout_within_the_platforms_range",
            ),
            models.CheckConstraint(
                condition=Q(max_retransmit__isnull=True) | Q(max_retransmit__lte=wire.RETRANSMIT_MAX),
                name="max_retransmit_within_range",
            ),
            models.CheckConstraint(
                condition=GreaterThanOrEqual(Length("name"), 1)
                & LessThanOrEqual(Length("name"), wire.NAME_MAX),
                name="name_within_length",
            ),
            models.CheckConstraint(
                condition=GreaterThanOrEqual(Length("service_id"), 1)
                & LessThanOrEqual(Length("service_id"), wire.SERVICE_ID_MAX),
                name="service_id_within_length",
            ),
            models.CheckConstraint(
                condition=GreaterThanOrEqual(Length("method"), 1)
                & LessThanOrEqual(Length("method"), wire.METHOD_MAX),
                name="method_within_length",
            ),
            models.CheckConstraint(condition=Q(state__in=list(State)), name="state_is_known"),
            models.CheckConstraint(
                condition=Q(target_type__in=list(TargetType)), name="target_type_is_known"
            ),
            models.CheckConstraint(
                condition=~Q(state=State.QUEUED) | Q(due_at__isnull=False), name="queued_has_a_due_time"
            ),
            models.CheckConstraint(
                condition=~Q(state=State.SUBMITTING) | Q(lease_until__isnull=False),
                name="submitting_has_a_lease",
            ),
        ]

    def __str__(self) -> str:
        return f"#{self.pk} {self.name}"

    def get_absolute_url(self) -> str:
        return reverse("task", args=[self.pk])

    def masked(self, text: str) -> str:
        """``text`` without the secret of the task's callback address."""
        token = self.callback_token
        return text.replace(token, token[:6] + "…") if token else text

    @property
    def request_body(self) -> str:
        """What is sent, byte for byte."""
        return self.request.body

    @property
    def is_final(self) -> bool:
        return self.state in FINAL

    @property
    def answered(self) -> int:
        """Devices with a final answer."""
        return sum(self.counts.get(status, 0) for status in FINAL_STATUSES)

    @property
    def went_out(self) -> bool:
        """Does the platform have it, as far as is known? Until then nothing can be said of its devices."""
        return self.state in ASKED_ABOUT or any(n for status, n in self.counts.items() if status)

    @property
    def counted_at(self) -> dt.datetime | None:
        """When the platform was last asked for its counters."""
        at = self.platform_counts.get("at")
        return dt.datetime.fromisoformat(at) if at else None

    @property
    def disagreement(self) -> str:
        """Once it has ended: in words, where the platform's counters and our results differ; "" otherwise."""
        if not self.is_final or self.platform_status not in OVER or not self.platform_counts:
            return ""
        return counters.difference(self.platform_counts, self.counts, self.expected)

    @property
    def deadline(self) -> dt.datetime | None:
        """When the platform gives up on devices that have not answered."""
        return self.submitted_at and self.submitted_at + dt.timedelta(minutes=self.timeout)

    def summary(self) -> dict[str, Any]:
        """What scripts read: id, state, taskID, error_code, reason, counts."""
        return {
            "id": self.pk,
            "state": self.state,
            "taskID": self.platform_task_id or None,
            "error_code": self.error_code or None,
            "reason": self.reason,
            "counts": {
                "expected": self.expected,
                **{status: n for status, n in self.counts.items() if status},
            },
        }
