"""The admin site's door: auditors and admins, by permission rather than by the staff flag."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.admin.apps import AdminConfig
from django.http import HttpRequest


class MusterAdminSite(admin.AdminSite):
    site_header = "Muster audit"
    site_title = "Muster audit"
    index_title = "What was done, by whom, and what came of it"

    def has_permission(self, request: HttpRequest) -> bool:
        return request.user.is_active and request.user.has_perm("tasks.view_transition")


class MusterAdminConfig(AdminConfig):
    default_site = "dashboard.admin.MusterAdminSite"
