"""Applications, which admins manage: their secrets are written and never shown."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from tasks.models import Application


class SecretInput(forms.PasswordInput):
    """Never shows what is stored."""

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__({"autocomplete": "new-password", **(attrs or {})}, render_value=False)


class ApplicationForm(forms.ModelForm):
    """Secrets are written, never shown: an empty field keeps what is stored, unless the address changed."""

    SECRETS = ("secret", "key_passphrase")

    class Meta:
        model = Application
        fields = [
            "name", "url", "app_id", "secret", "ca", "certificate", "key", "key_passphrase",
            "calls_per_minute", "unfinished_limit", "confirm_above", "query_commands", "lasting_names",
        ]  # fmt: skip
        widgets = {"secret": SecretInput, "key_passphrase": SecretInput}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in self.SECRETS:
            if self.instance.pk and name in self.fields:  # whoever may only look has no fields
                self.fields[name].required = False
                self.fields[name].help_text = "Leave empty to keep the stored one."

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if not self.instance.pk:
            return cleaned
        stored = Application.objects.get(pk=self.instance.pk)
        if "url" in self.changed_data and not cleaned.get("secret"):
            self.add_error("secret", "Type the secret again: the stored one is not sent to another address.")
        for name in self.SECRETS:
            cleaned[name] = cleaned.get(name) or getattr(stored, name)
        return cleaned


@admin.register(Application)
class ApplicationAdmin(admin.ModelAdmin):
    form = ApplicationForm
    list_display = ["name", "url", "app_id", "calls_per_minute", "unfinished_limit", "login_problem"]
    search_fields = ["name", "app_id", "url"]

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> list[Any]:
        """A field that cannot be changed shows its value: the secrets' fields are for those who may."""
        secret = () if self.has_add_permission(request) else ApplicationForm.SECRETS
        return [name for name in ApplicationForm.Meta.fields if name not in secret]

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:  # noqa: FBT001
        if {"url", "app_id", "secret"} & set(form.changed_data):
            obj.access_token, obj.token_expires_at = "", None
        super().save_model(request, obj, form, change)
