"""What every page of the audit has in common: read, never changed, at any number of rows."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import admin
from django.core.paginator import Paginator
from django.db import models
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property


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
