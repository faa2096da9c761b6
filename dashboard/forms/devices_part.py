"""What every form with a devices part has, and how such a form is drawn anew while it is being filled in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from django import forms
from django.contrib.auth.models import User
from django.forms.utils import ErrorDict
from django.http import QueryDict
from django.utils.functional import cached_property

from dashboard.paging import number
from tasks.models import Application, Profile

from .doubtful import Doubt, doubts_of
from .given_devices import GivenDevices, read_posted
from .source import FIELDS, Source
from .typed import JOINED, as_posted, kept


class DevicesPart(forms.Form):
    """Always bound, to data of its own. As long as it ``is_unfinished`` it shows no errors."""

    data: QueryDict
    user: User
    devices: GivenDevices
    is_unfinished: bool

    def __init__(
        self, data: QueryDict, files: Any = None, *, user: User, is_unfinished: bool = False
    ) -> None:
        data = data.copy()
        for name in JOINED & data.keys():
            data[name] = "\n".join(data.getlist(name))
        super().__init__(data, files, auto_id="id_%s", use_required_attribute=False)
        self.user, self.is_unfinished = user, is_unfinished
        self.devices = GivenDevices(user, self.raw("device_list"))

    def again(self, changes: Mapping[str, Any]) -> Self:
        """The same form for what is typed into it, some of it changed."""
        data = as_posted(kept(self.data))
        for name, value in changes.items():
            data[name] = str(value or "")
        return self._like(data)

    def _like(self, data: QueryDict) -> Self:
        return type(self)(data, user=self.user, is_unfinished=True)

    def raw(self, name: str) -> str:
        """What is typed; of several values each on a line."""
        return str(self.data.get(name, ""))

    @property
    def problems(self) -> ErrorDict:
        """All errors, shown or not."""
        return super().errors

    @property
    def errors(self) -> ErrorDict:
        return ErrorDict() if self.is_unfinished else self.problems

    def is_valid(self) -> bool:
        return not self.problems

    # Devices

    @property
    def chosen_profile(self) -> Profile | None:
        return None

    @property
    def chosen_command(self) -> tuple[str, str]:
        """Service and command that the devices should know."""
        return "", ""

    @cached_property
    def chosen_application(self) -> Application | None:
        """The one that is named, or else the first."""
        pk = number(self.raw("application"))
        named = Application.objects.filter(pk=pk).first() if pk else None
        return named or Application.objects.first()

    @cached_property
    def source(self) -> Source:
        """Where devices can be taken from besides typing."""
        given = {name: self.raw(name) for name in FIELDS}
        return Source(self.chosen_application, given, self.devices.kept, self.user)

    @cached_property
    def doubts(self) -> list[Doubt] | None:
        """What in the list of devices may be a mistake."""
        return doubts_of(self.chosen_application, self.devices.kept, self.chosen_profile, self.chosen_command)

    def read_devices(self) -> None:
        """Take what this post brought of device ids: the form goes on with the list, or what is to be corrected."""
        if self.devices.parsed is None and not self.devices.is_edited:
            read_posted(self.devices, self.data, self.files)
        self.carry_devices()

    def carry_devices(self) -> None:
        if self.devices.kept is not None:
            self.data["device_list"], self.data["device_ids"] = str(self.devices.kept.pk), ""
        elif self.devices.parsed is not None and self.devices.parsed.text:
            self.data["device_list"], self.data["device_ids"] = "", self.devices.parsed.text

    def read_others(self, *, only_good: bool = False) -> None:
        """The same for devices that are to be added to the list, or taken away from it."""
        if self.devices.kept and (self.raw("from_ids").strip() or "from_file" in self.files or only_good):
            self.source.read(self.files.get("from_file"), only_good=only_good)
            for name in ("from_pasted", "from_ids"):
                self.data[name] = self.source.given[name]
