"""What became of tasks: requests, attempts, transitions, results and callbacks; and which belong together."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.db.models.expressions import Combinable
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from tasks.models import Attempt, Callback, Family, Origin, Result, Task, Transition

from .base import History, ReadOnly


class TransitionInline(History):
    model = Transition
    fields = ["at", "from_state", "to_state", "reason", "actor", "evidence"]


class AttemptInline(History):
    model = Attempt
    fields = ["number", "started_at", "finished_at", "outcome", "http_status", "error_code", "worker"]


class OriginInline(History):
    """The tasks that it reruns, with how many devices of each."""

    model = Origin
    fk_name = "task"
    fields = ["parent", "devices"]
    verbose_name_plural = "rerun of"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Origin]:
        return super().get_queryset(request).select_related("task", "parent")

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return request.user.has_perm("tasks.view_task")


class OffspringInline(OriginInline):
    """Its reruns."""

    fk_name = "parent"
    fields = ["task", "devices"]
    verbose_name_plural = "reruns"


@admin.register(Task)
class TaskAdmin(ReadOnly):
    list_display = ["id", "name", "state", "application", "author", "target_type", "method", "created_at"]
    list_filter = ["state", "application", "author"]
    search_fields = ["id", "platform_task_id"]
    search_help_text = (
        "A task's number or its taskID. The Tasks page searches names, and by several filters at once."
    )
    list_select_related = ["application", "author"]
    exclude = ["callback_token"]
    readonly_fields = ["sent"]
    inlines = [OriginInline, OffspringInline, TransitionInline, AttemptInline]

    @admin.display(description="request as sent (callback secret masked)")
    def sent(self, task: Task) -> SafeString:
        shown = task.masked(task.request_body)
        cut = f" … ({len(shown):,} characters)" if len(shown) > SHOWN else ""
        return format_html("<pre class='request'>{}{}</pre>", shown[:SHOWN], cut)


SHOWN = 20_000


@admin.register(Family)
class FamilyAdmin(ReadOnly):
    list_display = ["id", "name", "author", "created_at"]
    list_select_related = ["author"]
    search_fields = ["id"]
    search_help_text = "A family's number."
    readonly_fields = ["members"]

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return request.user.has_perm("tasks.view_task")

    @admin.display(description="tasks")
    def members(self, family: Family) -> SafeString:
        """The first of them with what they rerun; the list of tasks has them all."""
        listed = reverse("admin:tasks_task_changelist", query={"family__id__exact": family.pk})
        tasks = family.tasks.prefetch_related("origins").only("name", "state").order_by("pk")[:MEMBERS]
        rows = (
            (reverse("admin:tasks_task_change", args=[task.pk]), str(task), task.state, _origins(task))
            for task in tasks
        )
        items = format_html_join("", '<li><a href="{}">{}</a> {}{}</li>', rows)
        count = f"{family.tasks.count():,}"
        return format_html('<ul>{}</ul><a href="{}">All {} in the list of tasks</a>', items, listed, count)


MEMBERS = 100
"""Tasks of a family that are shown with it."""


def _origins(task: Task) -> str:
    numbers = [f"#{origin.parent_id}" for origin in task.origins.all()]
    return f", rerun of {', '.join(numbers)}" if numbers else ""


@admin.register(Attempt)
class AttemptAdmin(ReadOnly):
    list_display = [
        "task",
        "number",
        "started_at",
        "finished_at",
        "outcome",
        "http_status",
        "error_code",
        "worker",
    ]
    ordering = ["-started_at", "-id"]
    search_fields = ["task"]
    search_help_text = "The number of a task."
    date_hierarchy = "started_at"
    list_select_related = ["task"]


@admin.register(Transition)
class TransitionAdmin(ReadOnly):
    list_display = ["at", "task", "from_state", "to_state", "reason", "actor"]
    list_filter = ["to_state", "actor"]
    ordering = ["-at", "-id"]
    search_fields = ["task"]
    search_help_text = "The number of a task."
    date_hierarchy = "at"
    list_select_related = ["task", "actor"]


@admin.register(Result)
class ResultAdmin(ReadOnly):
    list_display = [
        "device_id",
        "task_id",
        "status",
        "source",
        "error_code",
        "conflict",
        "unexpected",
        "finished_at",
    ]
    ordering = ["-id"]
    search_fields = ["task", "device_id"]
    search_help_text = "The number of a task, or a whole device id. A task's own page filters its devices."
    raw_id_fields = ["task"]


@admin.register(Callback)
class CallbackAdmin(ReadOnly):
    list_display = ["id", "task_number", "received_at", "state", "seen", "remote_address", "problem"]
    list_filter = ["state"]
    search_fields = ["task_id"]
    search_help_text = "The number of a task."
    date_hierarchy = "received_at"
    exclude = ["body"]
    readonly_fields = ["text"]

    @admin.display(description="task")
    def task_number(self, callback: Callback) -> int:
        return callback.task_id

    def get_ordering(self, request: HttpRequest) -> list[str | Combinable]:
        """Each an order that an index gives: the newest first, but of new ones the next to be settled."""
        if request.GET.get("state__exact") == Callback.State.NEW:
            return ["task_id", "id"]
        return ["-id"] if request.GET.get("q") else ["-received_at", "-id"]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Callback], search_term: str
    ) -> tuple[QuerySet[Callback], bool]:
        """No join: tasks are in another database."""
        number = search_term.strip().removeprefix("#")
        if not number:
            return queryset, False
        if not (number.isdecimal() and len(number) <= 18):
            return queryset.none(), False
        found = queryset.filter(task_id=number)
        # When nothing waits to be settled, as nearly always, an index has all of them in order.
        waits = found.filter(state=Callback.State.NEW).exists()
        return (found if waits else found.exclude(state=Callback.State.NEW)), False
