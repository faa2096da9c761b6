"""One appId on one platform, with its credentials and limits."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.urls import reverse

from tasks.platform import wire
from tasks.platform.connection import Connection, check_connection_files, check_url

from .fields import EncryptedField

FILE_FIELDS = ("ca", "certificate", "key", "key_passphrase")


class Application(models.Model):
    """Credentials are encrypted at rest; certificate members are paths readable by every worker."""

    name = models.CharField(max_length=100, unique=True)
    url = models.CharField("platform URL", max_length=500, help_text="For example https://platform:8743")
    app_id = models.CharField("appId", max_length=wire.APP_ID_MAX)
    secret = EncryptedField(help_text="The application's secret on the platform.")
    ca = models.CharField(
        "CA bundle", max_length=500, blank=True, help_text="PEM file of a private CA; empty for public ones."
    )
    certificate = models.CharField(
        "client certificate",
        max_length=500,
        blank=True,
        help_text="PEM file, where the platform asks for one.",
    )
    key = models.CharField("client key", max_length=500, blank=True, help_text="PEM file of its private key.")
    key_passphrase = EncryptedField(blank=True, default="")

    calls_per_minute = models.PositiveIntegerField(default=100, validators=[MinValueValidator(1)])
    unfinished_limit = models.PositiveIntegerField(
        default=10, validators=[MinValueValidator(1)], help_text="Unfinished tasks the platform allows."
    )
    confirm_above = models.PositiveIntegerField(
        "type to confirm above",
        default=100,
        validators=[MaxValueValidator(1_000_000)],
        help_text="A task for more devices than this is sent only after the operator typed their number.",
    )

    access_token = EncryptedField(blank=True, default="", editable=False)
    token_expires_at = models.DateTimeField(null=True, blank=True, editable=False)
    login_lease_until = models.DateTimeField(null=True, blank=True, editable=False)
    login_problem = models.CharField(max_length=500, blank=True, default="", editable=False)

    login_failures = models.PositiveIntegerField(default=0, editable=False)
    login_after = models.DateTimeField(null=True, blank=True, editable=False)

    drained_until = models.DateTimeField(null=True, blank=True, editable=False)
    full_until = models.DateTimeField(null=True, blank=True, editable=False)
    failures = models.PositiveIntegerField(default=0, editable=False)
    open_until = models.DateTimeField(null=True, blank=True, editable=False)

    query_commands = models.BooleanField(
        "look for evidence among device commands",
        default=False,
        help_text="When an outcome is unknown, ask the platform for the device commands and look for this "
        "task's own callback address. Switch on where batch commands are known to show there.",
    )
    lasting_names = models.BooleanField(
        "task names stay unique for ever",
        default=False,
        help_text="When an outcome is unknown, send the same request once more after two minutes: a platform "
        "that refuses a name it has ever seen then proves that the first one arrived. "
        "Switch on only where that was verified.",
    )

    catalogue_at = models.DateTimeField("catalogue read", null=True, blank=True, editable=False)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(condition=~Q(name=""), name="application_has_a_name"),
            models.CheckConstraint(condition=~Q(app_id=""), name="application_has_an_app_id"),
            models.CheckConstraint(
                condition=Q(calls_per_minute__gte=1), name="calls_per_minute_at_least_one"
            ),
            models.CheckConstraint(
                condition=Q(unfinished_limit__gte=1), name="unfinished_limit_at_least_one"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("catalogue", query={"application": self.pk})

    def clean(self) -> None:
        problems = {
            field: problem
            for field, problem in check_connection_files(
                self.ca, self.certificate, self.key, self.key_passphrase
            ).items()
            if problem
        }
        if self.url and (problem := check_url(self.url)):
            problems["url"] = problem
        if problems:
            raise ValidationError(problems)

    def connection(self) -> Connection:
        """What the platform client needs to know of this application."""
        return Connection(
            url=self.url,
            app_id=self.app_id,
            secret=self.secret,
            ca=self.ca,
            certificate=self.certificate,
            key=self.key,
            key_passphrase=self.key_passphrase,
        )
