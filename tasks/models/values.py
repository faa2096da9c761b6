"""Values that differ from device to device, as an operator gave them with a list of devices."""

from __future__ import annotations

from django.db import models

from .draft import DeviceList


class ValueTable(models.Model):
    """The devices of its list stand in the order of ``sets``: so many of the first, then those of the second."""

    devices = models.OneToOneField(
        DeviceList, on_delete=models.CASCADE, primary_key=True, related_name="values"
    )
    columns = models.JSONField(help_text="Names of parameters, in the order of the table.")
    unused = models.JSONField(default=list, help_text="Other columns, which are not sent.")
    sets = models.JSONField(
        help_text="[[{parameter: value}, devices], ...]; null is a value that is left out."
    )
    checked_for = models.CharField(
        max_length=400,
        blank=True,
        help_text="The profile's command they were checked for; empty without one.",
    )
    text = models.TextField(help_text="As it was given, to be checked again for another command.")

    def __str__(self) -> str:
        return f"{len(self.sets):,} set{'' if len(self.sets) == 1 else 's'} of values"

    @classmethod
    def of(cls, devices: DeviceList | None) -> ValueTable | None:
        """The table whose devices these are; None when they come without one."""
        return cls.objects.filter(pk=devices.pk).first() if devices else None
