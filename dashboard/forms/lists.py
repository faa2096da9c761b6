"""A list of devices to be saved: its name, and a devices part like the composer's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.http import QueryDict
from django.utils.functional import cached_property

from tasks.lists import NotSaved, create, replace
from tasks.models import Application, NamedList, Profile

from .compose_fields import ComposeFields
from .doubtful import Doubt, doubts_of
from .given_devices import GivenDevices, read_posted
from .source import FIELDS, Source


class ListForm(forms.Form):
    """For a new list, or for the next version of ``named``; started with ``initial`` it shows what was typed."""

    application = forms.ModelChoiceField(Application.objects.all(), empty_label=None)
    name = forms.CharField(max_length=1000, help_text="How others find it, such as “Valves, north hall”.")
    device_list = forms.UUIDField(required=False, widget=forms.HiddenInput)
    device_ids = ComposeFields.base_fields["device_ids"]
    device_file = ComposeFields.base_fields["device_file"]

    chosen_profile: Profile | None = None
    chosen_command = ("", "")

    def __init__(
        self,
        data: QueryDict | None = None,
        files: Any = None,
        *,
        user: User,
        initial: Mapping[str, Any] | None = None,
        named: NamedList | None = None,
    ) -> None:
        super().__init__(
            data, files, initial=dict(initial or {}), auto_id="id_%s", use_required_attribute=False
        )
        self.user, self.named = user, named
        if named:
            del self.fields["application"], self.fields["name"]
        elif self.has_one_application:
            self.fields["application"].widget = forms.HiddenInput()
            self.initial["application"] = Application.objects.get().pk
        self.devices = GivenDevices(user, self._raw("device_list"))

    def _raw(self, name: str) -> str:
        value = self.data.get(name) if self.is_bound else self.initial.get(name)
        return "" if value is None else str(value)

    @cached_property
    def has_one_application(self) -> bool:
        return len(Application.objects.values_list("pk")[:2]) == 1

    @cached_property
    def chosen_application(self) -> Application | None:
        if self.named:
            return self.named.application
        raw = self._raw("application")
        named = Application.objects.filter(pk=raw).first() if raw.isdecimal() and len(raw) < 19 else None
        return named or Application.objects.first()

    @cached_property
    def source(self) -> Source:
        given = {name: self._raw(name) for name in FIELDS}
        if isinstance(self.data, QueryDict):
            given["from_came_to"] = "\n".join(self.data.getlist("from_came_to") or [given["from_came_to"]])
        return Source(self.chosen_application, given, self.devices.kept, self.user)

    @cached_property
    def doubts(self) -> list[Doubt] | None:
        return doubts_of(self.chosen_application, self.devices.kept, None, self.chosen_command)

    def read_devices(self) -> None:
        if self.devices.parsed is None:
            read_posted(self.devices, self.data, self.files)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        self.read_devices()
        if self.devices.problem:
            self.add_error("device_ids", self.devices.problem)
        return cleaned

    def save(self) -> NamedList | None:
        """The list with its new version; None when it cannot be saved, which is told at its field."""
        kept = self.devices.kept
        if kept is None:
            return None
        try:
            if self.named is None:
                return create(self.cleaned_data["application"], self.cleaned_data["name"], kept, self.user)
            replace(self.named, kept, self.user)
        except NotSaved as refusal:
            self.add_error("device_ids" if self.named else "name", str(refusal))
            return None
        return self.named
