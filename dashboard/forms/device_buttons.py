"""What the buttons of the devices part do: the form they are in is drawn again with other values."""

from __future__ import annotations

from typing import Any, Protocol

from django.contrib.auth.models import User
from django.http import QueryDict

from tasks.models import Application, DeviceList, Profile
from tasks.sets import Operation

from . import doubtful
from .given_devices import GivenDevices, kept_list
from .source import FIELDS, IDS, Source


class DevicesForm(Protocol):
    """A form with a devices part."""

    user: User
    devices: GivenDevices
    chosen_profile: Profile | None

    @property
    def chosen_application(self) -> Application | None: ...
    @property
    def chosen_command(self) -> tuple[str, str]: ...
    @property
    def source(self) -> Source: ...
    def read_devices(self) -> None: ...


def pressed(form: DevicesForm, posted: QueryDict) -> dict[str, Any]:
    """The values that change: by a button, or because ids were typed or a file was chosen."""
    devices = form.devices
    if "forget_devices" in posted or "forget_values" in posted:
        return {"device_list": "", "device_ids": "", "devices_from": IDS}
    if "edit_devices" in posted and devices.kept:
        return {"device_list": "", "device_ids": devices.kept.text, "devices_from": IDS}
    if "undo_devices" in posted and devices.kept:
        return _carrying(kept_list(form.user, str(devices.kept.before)) or devices.kept)
    if (operation := posted.get("take", "")) in set(Operation):
        taken = form.source.take(Operation(operation))
        return _carrying(taken) | dict.fromkeys(FIELDS[1:], "") if taken else {}
    if "drop_doubts" in posted and devices.kept and form.chosen_application:
        keys = str(posted["drop_doubts"]).split()
        left = doubtful.without(
            keys, form.chosen_application, devices.kept, form.chosen_profile, form.chosen_command, form.user
        )
        return _carrying(left) if left else {"device_list": "", "device_ids": ""}
    if "check_devices" in posted:
        doubtful.doubts_of(
            form.chosen_application, devices.kept, form.chosen_profile, form.chosen_command, is_asked=True
        )
    form.read_devices()
    if "drop_bad" in posted:
        devices.accept_good()
    if devices.kept is not None:
        return _carrying(devices.kept)
    if devices.parsed is not None and devices.parsed.text:
        return {"device_list": "", "device_ids": devices.parsed.text}
    return {}


def take_offered(form: DevicesForm, posted: QueryDict) -> None:
    """What is chosen elsewhere and shown with its number is taken with the form, when nothing else was given."""
    if form.devices.kept is None and not posted.get("device_ids", "").strip() and form.source.offer:
        form.devices.kept = form.source.take(Operation.INSTEAD)


def _carrying(kept: DeviceList) -> dict[str, Any]:
    return {"device_list": kept.pk, "device_ids": ""}
