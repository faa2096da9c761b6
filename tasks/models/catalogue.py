"""What kinds of devices understand: profiles, their earlier versions, and the commands marked as dangerous."""

from __future__ import annotations

import datetime as dt
import functools

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils import timezone

from tasks.platform import wire
from tasks.profiles import schema


class Profile(models.Model):
    """What a kind of device understands. ``definition`` is ``profiles.schema.to_dict`` of it.

    The row is the newest version and keeps its id, so that what points at it never points at the past.
    """

    device_type = models.CharField(max_length=256)
    manufacturer_id = models.CharField(max_length=256)
    manufacturer_name = models.CharField(max_length=256, blank=True)
    model = models.CharField(max_length=256)
    protocol = models.CharField(max_length=64, blank=True)
    version = models.PositiveIntegerField(default=1)
    definition = models.JSONField()
    source = models.CharField(max_length=300, help_text="The file or the application it was read from.")
    imported_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True
    )
    imported_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["device_type", "manufacturer_id", "model"]
        constraints = [
            models.UniqueConstraint(
                fields=["device_type", "manufacturer_id", "model"], name="one_profile_per_kind_of_device"
            )
        ]
        indexes = [
            models.Index(fields=["imported_at"], name="profile_newest")
        ]  # reach: is there a newer one?
        permissions = [("mark_dangerous", "Can mark commands as dangerous")]

    def __str__(self) -> str:
        return f"{self.device_type} · {self.manufacturer_name or self.manufacturer_id} · {self.model}"

    def get_absolute_url(self) -> str:
        return reverse("profile", args=[self.pk])

    @property
    def schema(self) -> schema.Profile:
        """Reading a large one takes longer than all else that a keystroke asks for, so it is read once."""
        return _schema(self.pk, self.imported_at) if self.pk else schema.from_dict(self.definition)

    def at_version(self, number: int) -> Profile | ProfileVersion | None:
        """This profile as it was when ``number`` was its newest version; None when there never was one."""
        return self if number == self.version else self.versions.filter(number=number).first()


@functools.lru_cache(maxsize=64)
def _schema(profile: int, _imported_at: dt.datetime) -> schema.Profile:
    """As it stands in the database; a newer import is read anew."""
    return schema.from_dict(Profile.objects.values_list("definition", flat=True).get(pk=profile))


class ProfileVersion(models.Model):
    """A version of a profile that another one has replaced."""

    profile = models.ForeignKey(Profile, on_delete=models.CASCADE, related_name="versions", db_index=False)
    number = models.PositiveIntegerField()
    definition = models.JSONField()
    source = models.CharField(max_length=300)
    imported_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    imported_at = models.DateTimeField()

    class Meta:
        ordering = ["-number"]
        constraints = [models.UniqueConstraint(fields=["profile", "number"], name="one_row_per_version")]

    def __str__(self) -> str:
        return f"{self.profile}, version {self.number}"

    @property
    def version(self) -> int:
        return self.number

    @property
    def schema(self) -> schema.Profile:
        return schema.from_dict(self.definition)


class Danger(models.Model):
    """A command that somebody marked as dangerous, in whatever version of the profile."""

    profile = models.ForeignKey(Profile, on_delete=models.CASCADE, related_name="dangers", db_index=False)
    service_id = models.CharField(max_length=wire.SERVICE_ID_MAX)
    method = models.CharField(max_length=wire.METHOD_MAX)
    marked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    marked_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["service_id", "method"]
        verbose_name = "dangerous command"
        constraints = [
            models.UniqueConstraint(fields=["profile", "service_id", "method"], name="one_mark_per_command")
        ]
        indexes = [models.Index(fields=["service_id", "method"], name="danger_by_command")]

    def __str__(self) -> str:
        return f"{self.service_id} · {self.method}"
