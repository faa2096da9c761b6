"""Lists of devices under a name: each change is a version of its own, and no version ever changes."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from .application import Application
from .draft import DeviceList

NAME_MAX = 128


class NamedListQuerySet(models.QuerySet["NamedList"]):
    def usable(self) -> NamedListQuerySet:
        """Those that nobody deleted."""
        return self.filter(deleted_at=None)


class NamedList(models.Model):
    """A name for its versions, of which the newest is used. Deleting it only hides it."""

    application = models.ForeignKey(
        Application, on_delete=models.CASCADE, related_name="named_lists", db_index=False
    )
    name = models.CharField(max_length=NAME_MAX)
    version = models.PositiveIntegerField(default=0, help_text="The number of the newest version.")
    count = models.PositiveIntegerField(default=0, help_text="Devices in the newest version.")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    changed_at = models.DateTimeField(default=timezone.now)
    changed_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    deleted_at = models.DateTimeField(null=True, blank=True)

    objects = NamedListQuerySet.as_manager()

    class Meta:
        ordering = ["name", "id"]
        default_permissions = ("view",)
        permissions = [("write_namedlist", "Can save, change and delete lists of devices")]
        constraints = [
            models.UniqueConstraint(
                fields=["application", "name"],
                condition=Q(deleted_at=None),
                name="one_usable_list_of_a_name",
            )
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("list", args=[self.pk])

    @property
    def newest(self) -> ListVersion:
        return self.versions.select_related("devices").defer("devices__text").get(number=self.version)


class ListVersion(models.Model):
    """The devices of a list as they were saved once, and how they differ from the version before."""

    named_list = models.ForeignKey(
        NamedList, on_delete=models.CASCADE, related_name="versions", db_index=False
    )
    number = models.PositiveIntegerField()
    devices = models.OneToOneField(DeviceList, on_delete=models.PROTECT, related_name="list_version")
    origin = models.CharField(max_length=300, blank=True, help_text="Where the devices came from.")
    added = models.PositiveIntegerField(default=0)
    removed = models.PositiveIntegerField(default=0)
    changes = models.JSONField(default=dict, help_text="The first ids that were added and removed.")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-number"]
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["named_list", "number"], name="one_list_version_of_a_number")
        ]

    def __str__(self) -> str:
        return f"{self.named_list}, version {self.number}"
