"""What tasks are composed from: templates and saved lists, with their versions."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from tasks.models import ListVersion, NamedList, Template, TemplateVersion

from .base import History, ReadOnly


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
