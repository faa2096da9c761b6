"""What is known of the fleet: profiles and their versions, devices, groups and readings."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from tasks.models import Application, Danger, Device, Group, Profile, ProfileVersion, Sync

from .base import ReadOnly


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
