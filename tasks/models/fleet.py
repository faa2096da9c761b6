"""The fleet as the platform reports it: devices, groups, who is in which, and how it is read and counted."""

from __future__ import annotations

import datetime as dt
from collections import Counter

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from tasks.platform import wire

from .application import Application


class Device(models.Model):
    """One device of an application, as the platform last reported it."""

    application = models.ForeignKey(
        Application, on_delete=models.CASCADE, related_name="devices", db_index=False
    )
    device_id = models.CharField(max_length=wire.DEVICE_ID_MAX)
    name = models.CharField(max_length=256, blank=True)
    node_id = models.CharField(
        max_length=256,
        blank=True,
        default="",
        help_text="What is printed on it: its IMEI, MAC or serial number.",
    )
    device_type = models.CharField(max_length=256, blank=True)
    manufacturer_id = models.CharField(max_length=256, blank=True)
    model = models.CharField(max_length=256, blank=True)
    protocol = models.CharField(max_length=64, blank=True, default="")
    location = models.CharField(max_length=1024, blank=True)
    status = models.CharField(max_length=32, blank=True)
    status_detail = models.CharField(max_length=64, blank=True, default="")
    gateway_id = models.CharField(
        max_length=wire.DEVICE_ID_MAX, blank=True, default="", help_text="Empty when it is its own gateway."
    )
    registered_at = models.DateTimeField(null=True, blank=True)
    modified_at = models.DateTimeField(null=True, blank=True)
    read_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["id"]
        indexes = [
            models.Index(fields=["application", "id"], name="device_by_application"),  # devices, all of them
            models.Index(fields=["application", "name"], name="device_by_name"),  # devices, search
            models.Index(fields=["application", "node_id"], name="device_by_node"),  # devices, search
            models.Index(
                fields=["application", "device_type", "manufacturer_id", "model", "id"], name="device_of_kind"
            ),  # devices, by kind; reach of DeviceType
            models.Index(
                fields=["application", "location", "id"], name="device_at_location"
            ),  # devices, by location; reach of DeviceArea
            models.Index(
                fields=["application", "status", "id"], name="device_by_status"
            ),  # devices, by status
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
    known = models.PositiveIntegerField(
        db_default=0, help_text="Members that are in the catalogue, as last read."
    )
    read_at = models.DateTimeField(default=timezone.now)
    devices = models.ManyToManyField(Device, through="Membership", related_name="groups")

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["application", "group_id"], name="one_row_per_group")]

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """A device in a group. ``seen_in`` is the reading that last reported it."""

    pk = models.CompositePrimaryKey("group_id", "device_id")
    group = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="memberships", db_index=False)
    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="memberships")
    seen_in = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.device_id} in {self.group_id}"


class Sync(models.Model):
    """One reading of an application's fleet. Where it stands is committed with what was read of each page.

    ``due_at`` is when it goes on; a worker that takes its turn sets it ahead, so that a dead one is followed.
    """

    class Section(models.TextChoices):
        DEVICES = "devices", "Devices"
        GONE = "gone", "Devices that are gone"
        COUNT = "count", "Counting"
        PROFILES = "profiles", "Profiles"
        GROUPS = "groups", "Groups"
        MEMBERS = "members", "Members of groups"

    class Ended(models.TextChoices):
        COMPLETE = "complete", "complete"
        CANCELLED = "cancelled", "cancelled"
        FAILED = "failed", "failed"

    application = models.ForeignKey(Application, on_delete=models.CASCADE, related_name="syncs")
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    since = models.DateTimeField(
        null=True, blank=True, help_text="Only devices that were registered from then on; empty for all."
    )
    section = models.CharField(max_length=8, choices=Section, default=Section.DEVICES)
    page = models.PositiveIntegerField(default=0, help_text="Where the section goes on.")
    group = models.BigIntegerField(default=0, help_text="The last group whose members were read.")
    total = models.PositiveIntegerField(default=0, help_text="Of the section, as the platform counts.")
    done = models.PositiveIntegerField(default=0, help_text="Of the section.")
    counts = models.JSONField(default=dict, blank=True, help_text="What each section came to.")
    started_at = models.DateTimeField(default=timezone.now)
    due_at = models.DateTimeField(default=timezone.now)
    is_waiting = models.BooleanField(default=True, help_text="Nobody has the turn until due_at.")
    failures = models.PositiveIntegerField(
        default=0, help_text="Times in a row that the platform did not answer."
    )
    problem = models.CharField(max_length=1000, blank=True, default="", help_text="Why it does not go on.")
    remarks = models.JSONField(default=list, blank=True, help_text="What was left out, and why.")
    finished_at = models.DateTimeField(null=True, blank=True)
    ended = models.CharField(max_length=10, choices=Ended, blank=True, default="")
    cancelled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )

    taken_at: dt.datetime
    """When the worker that has it took its turn: what it reads is as of then. Not kept."""

    class Meta:
        ordering = ["-id"]
        verbose_name = "reading of the catalogue"
        verbose_name_plural = "readings of the catalogue"
        constraints = [
            models.UniqueConstraint(
                fields=["application"], name="one_reading_at_a_time", condition=Q(finished_at__isnull=True)
            )
        ]
        indexes = [
            models.Index(
                fields=["due_at"], name="sync_due", condition=Q(finished_at__isnull=True)
            )  # the sweep
        ]

    def __str__(self) -> str:
        return f"reading #{self.pk} of {self.application}"


class Census(models.Model):
    """How many devices there are of each kind, at each location and of each status, as counted after a reading."""

    application = models.OneToOneField(
        Application, on_delete=models.CASCADE, primary_key=True, related_name="census"
    )
    at = models.DateTimeField(default=timezone.now)
    devices = models.PositiveIntegerField(default=0)
    parts = models.JSONField(
        default=list,
        help_text="[[deviceType, manufacturerId, model, status, devices, the id of one of them], ...]",
    )
    locations = models.JSONField(default=list, help_text="[[location, devices], ...], the largest ones.")
    other_locations = models.PositiveIntegerField(default=0, help_text="How many more locations there are.")

    def __str__(self) -> str:
        return f"{self.devices} devices of {self.application}"

    @property
    def kinds(self) -> list[tuple[str, str, str, int]]:
        """Device type, manufacturer id, model, number of devices; in their order."""
        sums: Counter[tuple[str, str, str]] = Counter()
        for device_type, manufacturer_id, model, _, count, _ in self.parts:
            sums[device_type, manufacturer_id, model] += count
        return [(*kind, count) for kind, count in sorted(sums.items())]

    @property
    def statuses(self) -> list[tuple[str, int]]:
        """Status and number of devices, the most first."""
        sums: Counter[str] = Counter()
        for _, _, _, status, count, _ in self.parts:
            sums[status] += count
        return sorted(sums.items(), key=lambda item: (-item[1], item[0]))
