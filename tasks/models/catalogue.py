"""What is known of the fleet: profiles, and devices and groups as the platform reports them."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils import timezone

from tasks.platform import wire
from tasks.profiles import schema

from .application import Application


class Profile(models.Model):
    """What a kind of device understands. ``definition`` is ``profiles.schema.to_dict`` of it."""

    device_type = models.CharField(max_length=256)
    manufacturer_id = models.CharField(max_length=256)
    manufacturer_name = models.CharField(max_length=256, blank=True)
    model = models.CharField(max_length=256)
    protocol = models.CharField(max_length=64, blank=True)
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

    def __str__(self) -> str:
        return f"{self.device_type} · {self.manufacturer_name or self.manufacturer_id} · {self.model}"

    def get_absolute_url(self) -> str:
        return reverse("profile", args=[self.pk])

    @property
    def schema(self) -> schema.Profile:
        return schema.from_dict(self.definition)


class Device(models.Model):
    """One device of an application, as the platform last reported it."""

    application = models.ForeignKey(
        Application, on_delete=models.CASCADE, related_name="devices", db_index=False
    )
    device_id = models.CharField(max_length=wire.DEVICE_ID_MAX)
    name = models.CharField(max_length=256, blank=True)
    device_type = models.CharField(max_length=256, blank=True)
    manufacturer_id = models.CharField(max_length=256, blank=True)
    model = models.CharField(max_length=256, blank=True)
    location = models.CharField(max_length=1024, blank=True)
    status = models.CharField(max_length=32, blank=True)
    read_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["id"]
        indexes = [
            models.Index(fields=["application", "id"], name="device_by_application"),  # catalogue
            models.Index(fields=["application", "name"], name="device_by_name"),  # catalogue, search
            models.Index(
                fields=["application", "device_type", "manufacturer_id", "model"], name="device_by_kind"
            ),  # reach of DeviceType
            models.Index(
                fields=["application", "location"], name="device_by_location"
            ),  # reach of DeviceArea
            models.Index(  # reach: how many of each kind are in which status, told by the index alone
                fields=["application", "device_type", "manufacturer_id", "model", "status"],
                name="device_reach",
            ),
        ]
        constraints = [
            models.UniqueConstraint(fields=["application", "device_id"], name="one_row_per_device")
        ]

    def __str__(self) -> str:
        return self.device_id


class Group(models.Model):
    """One device group of an application, as the platform last reported it."""

    application = models.ForeignKey(
        Application, on_delete=models.CASCADE, related_name="groups", db_index=False
    )
    group_id = models.CharField(max_length=128)
    name = models.CharField(max_length=256)
    description = models.CharField(max_length=1024, blank=True)
    size = models.PositiveIntegerField(default=0)
    read_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["application", "group_id"], name="one_row_per_group")]

    def __str__(self) -> str:
        return self.name
