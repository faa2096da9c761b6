"""The auditors' view: everything readable, nothing changeable; applications are managed by admins."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.contrib import admin
from django.core.paginator import Paginator
from django.db import models
from django.db.models import Model, QuerySet
from django.db.models.expressions import Combinable
from django.http import HttpRequest
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.safestring import SafeString

from tasks.models import (
    Application,
    Attempt,
    Callback,
    Danger,
    Device,
    Group,
    ListVersion,
    NamedList,
    Profile,
    ProfileVersion,
    Result,
    Sync,
    Task,
    Template,
    TemplateVersion,
    Transition,
)


class UncountedPaginator(Paginator):
    """Counts no further than a person pages, so that a list of millions opens as fast as one of ten."""

    most = 10_000

    @cached_property
    def count(self) -> int:
        rows = cast(QuerySet[Any], self.object_list)
        return rows.order_by()[: self.most].count()


class ReadOnly(admin.ModelAdmin):
    """Seen by whoever may view the model; changed by nobody, superusers included."""

    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # each is a count of the whole table
    paginator = UncountedPaginator
    list_per_page = 50
    sortable_by = ()  # each list has the one order that an index gives

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Rows whose first searched column that knows the term is equal to it: each of them has an index."""
        term = search_term.strip()
        for name in self.search_fields if term else ():
            is_number = isinstance(self.opts.get_field(name), models.ForeignKey | models.AutoField)
            value = term.removeprefix("#") if is_number else term
            if is_number and not (value.isascii() and value.isdecimal() and len(value) < 19):
                continue
            found = queryset.filter(**{name: value})
            if found.exists():
                return found, False
        return (queryset.none() if term else queryset), False

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class History(admin.TabularInline):
    """Rows of a task that were written once; shown below it."""

    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class TransitionInline(History):
    model = Transition
    fields = ["at", "from_state", "to_state", "reason", "actor", "evidence"]


class AttemptInline(History):
    model = Attempt
    fields = ["number", "started_at", "finished_at", "outcome", "http_status", "error_code", "worker"]


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
    inlines = [TransitionInline, AttemptInline]

    @admin.display(description="request as sent (callback secret masked)")
    def sent(self, task: Task) -> SafeString:
        shown = task.masked(task.request_body)
        cut = f" … ({len(shown):,} characters)" if len(shown) > SHOWN else ""
        return format_html("<pre class='request'>{}{}</pre>", shown[:SHOWN], cut)


SHOWN = 20_000


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


@admin.register(Profile)
class ProfileAdmin(ReadOnly):
    list_display = [
        "device_type",
        "manufacturer_id",
        "model",
        "protocol",
        "source",
        "imported_by",
        "imported_at",
    ]
    list_filter = ["device_type", "protocol"]
    search_fields = ["device_type", "model"]
    search_help_text = "A whole device type or model."
    date_hierarchy = "imported_at"


@admin.register(ProfileVersion)
class ProfileVersionAdmin(ReadOnly):
    """Versions that others have replaced."""

    list_display = ["profile", "number", "source", "imported_by", "imported_at"]
    list_select_related = ["profile", "imported_by"]
    search_fields = ["source"]
    search_help_text = "A whole file name."
    date_hierarchy = "imported_at"


@admin.register(Danger)
class DangerAdmin(ReadOnly):
    list_display = ["profile", "service_id", "method", "marked_by", "marked_at"]
    list_select_related = ["profile", "marked_by"]
    search_fields = ["method"]
    search_help_text = "A whole command name."


@admin.register(Sync)
class SyncAdmin(ReadOnly):
    list_display = [
        "application",
        "started_at",
        "asked_by",
        "since",
        "ended",
        "finished_at",
        "cancelled_by",
        "problem",
    ]
    list_filter = ["application", "ended"]
    list_select_related = ["application", "asked_by", "cancelled_by"]


@admin.register(Device)
class DeviceAdmin(ReadOnly):
    list_display = [
        "device_id",
        "name",
        "application",
        "device_type",
        "model",
        "location",
        "status",
        "read_at",
    ]
    list_filter = ["application"]
    search_fields = ["device_id"]
    search_help_text = "A whole device id. The catalogue finds devices by the beginning of their id."
    list_select_related = ["application"]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Device], search_term: str
    ) -> tuple[QuerySet[Device], bool]:
        """The index of device ids begins with the application."""
        applications = list(Application.objects.values_list("pk", flat=True))
        among = queryset.filter(application__in=applications) if search_term.strip() else queryset
        return super().get_search_results(request, among, search_term)


@admin.register(Group)
class GroupAdmin(ReadOnly):
    list_display = ["name", "application", "group_id", "size", "read_at"]
    list_filter = ["application"]
    search_fields = ["group_id", "name"]
    search_help_text = "A whole id or name."
    list_select_related = ["application"]


class TemplateVersionInline(History):
    model = TemplateVersion
    fields = ["number", "note", "author", "created_at", "locked", "values"]


@admin.register(Template)
class TemplateAdmin(ReadOnly):
    list_display = ["name", "version", "author", "changed_at", "deleted_at"]
    list_select_related = ["author"]
    search_fields = ["name"]
    search_help_text = "A whole name."
    inlines = [TemplateVersionInline]


class ListVersionInline(History):
    model = ListVersion
    fields = ["number", "origin", "added", "removed", "author", "created_at"]

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return request.user.has_perm("tasks.view_namedlist")


@admin.register(NamedList)
class NamedListAdmin(ReadOnly):
    list_display = ["name", "application", "count", "version", "changed_by", "changed_at", "deleted_at"]
    list_select_related = ["application", "changed_by"]
    search_fields = ["name"]
    search_help_text = "A whole name."
    inlines = [ListVersionInline]


class SecretInput(forms.PasswordInput):
    """Never shows what is stored."""

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__({"autocomplete": "new-password", **(attrs or {})}, render_value=False)


class ApplicationForm(forms.ModelForm):
    """Secrets are written, never shown: an empty field keeps what is stored, unless the address changed."""

    SECRETS = ("secret", "key_passphrase")

    class Meta:
        model = Application
        fields = [
            "name", "url", "app_id", "secret", "ca", "certificate", "key", "key_passphrase",
            "calls_per_minute", "unfinished_limit", "confirm_above", "query_commands", "lasting_names",
        ]  # fmt: skip
        widgets = {"secret": SecretInput, "key_passphrase": SecretInput}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in self.SECRETS:
            if self.instance.pk and name in self.fields:  # whoever may only look has no fields
                self.fields[name].required = False
                self.fields[name].help_text = "Leave empty to keep the stored one."

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if not self.instance.pk:
            return cleaned
        stored = Application.objects.get(pk=self.instance.pk)
        if "url" in self.changed_data and not cleaned.get("secret"):
            self.add_error("secret", "Type the secret again: the stored one is not sent to another address.")
        for name in self.SECRETS:
            cleaned[name] = cleaned.get(name) or getattr(stored, name)
        return cleaned


@admin.register(Application)
class ApplicationAdmin(admin.ModelAdmin):
    form = ApplicationForm
    list_display = ["name", "url", "app_id", "calls_per_minute", "unfinished_limit", "login_problem"]
    search_fields = ["name", "app_id", "url"]

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> list[Any]:
        """A field that cannot be changed shows its value: the secrets' fields are for those who may."""
        secret = () if self.has_add_permission(request) else ApplicationForm.SECRETS
        return [name for name in ApplicationForm.Meta.fields if name not in secret]

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:  # noqa: FBT001
        if {"url", "app_id", "secret"} & set(form.changed_data):
            obj.access_token, obj.token_expires_at = "", None
        super().save_model(request, obj, form, change)
