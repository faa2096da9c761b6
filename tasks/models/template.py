"""Saved compositions: what stays fixed and what is left to whoever uses them, in versions."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import models, transaction
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

NAME_MAX = 128


class TemplateQuerySet(models.QuerySet["Template"]):
    def usable(self) -> TemplateQuerySet:
        """Those that nobody deleted."""
        return self.filter(deleted_at=None)


class Template(models.Model):
    """A name for its versions, of which the newest is used. Deleting it only hides it: tasks remember it."""

    name = models.CharField(max_length=NAME_MAX)
    description = models.CharField(max_length=1000, blank=True)
    version = models.PositiveIntegerField(default=0, help_text="The number of the newest version.")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    changed_at = models.DateTimeField(default=timezone.now)
    deleted_at = models.DateTimeField(null=True, blank=True)

    objects = TemplateQuerySet.as_manager()

    class Meta:
        ordering = ["name", "id"]
        default_permissions = ("view",)
        permissions = [("write_template", "Can save, change and delete templates")]
        constraints = [
            models.UniqueConstraint(
                fields=["name"], condition=Q(deleted_at=None), name="one_usable_template_of_a_name"
            )
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("template", args=[self.pk])

    @property
    def newest(self) -> TemplateVersion:
        return self.versions.get(number=self.version)

    def add_version(self, author: User, **columns: Any) -> TemplateVersion:
        """The next version, which is used from now on."""
        with transaction.atomic():
            held = Template.objects.select_for_update().get(pk=self.pk)
            self.version = held.version + 1
            self.changed_at = timezone.now()
            self.save()
            return self.versions.create(number=self.version, author=author, **columns)


class TemplateVersion(models.Model):
    """A composition as it was saved. It is never changed."""

    template = models.ForeignKey(Template, on_delete=models.CASCADE, related_name="versions", db_index=False)
    number = models.PositiveIntegerField()
    values = models.JSONField(help_text="Field name -> list of values, as the composer posts them.")
    locked = models.JSONField(default=list, help_text="Parts of the form that nobody may change.")
    device_list = models.ForeignKey(
        "tasks.DeviceList",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="templates",
        help_text="The devices, where it is for a list of them.",
    )
    note = models.CharField(max_length=300, blank=True, help_text="What is new.")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-number"]
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["template", "number"], name="one_version_of_a_number")]

    def __str__(self) -> str:
        return f"{self.template} (version {self.number})"

    def first(self, name: str) -> str:
        """The value of a field that has one."""
        return (self.values.get(name) or [""])[0]
