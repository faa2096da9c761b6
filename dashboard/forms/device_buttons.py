"""What the buttons of the devices part do: the form they are in goes on with other devices."""

from __future__ import annotations

from typing import Any, TypeVar

from django.http import QueryDict

from tasks.models import DeviceList
from tasks.sets import Operation

from . import doubtful
from .devices_part import DevicesPart
from .given_devices import kept_list
from .operations import without_values
from .source import FIELDS, IDS

Form = TypeVar("Form", bound=DevicesPart)


def pressed(form: Form, button: QueryDict) -> Form:
    """The form to go on with, after what was typed and chosen was read. ``button``: the post with the button's name."""
    devices = form.devices
    if "forget_devices" in button:
        return form.again({"device_list": "", "device_ids": "", "devices_from": IDS})
    if "forget_values" in button and devices.kept:
        return form.again(_carrying(without_values(devices.kept, form.user)))
    if "edit_devices" in button and devices.kept:
        text = {"device_list": "", "device_ids": devices.kept.text, "devices_from": IDS}
        edited = form.again(text)
        edited.devices.is_edited = True
        edited.fields["device_ids"].widget.attrs["autofocus"] = True
        return edited
    if "undo_devices" in button and devices.kept:
        return form.again(_carrying(kept_list(form.user, str(devices.kept.before)) or devices.kept))
    form.read_others(only_good=button.get("drop_bad") == "others")
    if (operation := button.get("take", "")) in set(Operation):
        taken = form.source.take(Operation(operation))
        return form.again(_carrying(taken) | dict.fromkeys(FIELDS[1:], "")) if taken else form
    if "drop_doubts" in button and devices.kept and form.chosen_application:
        keys = str(button["drop_doubts"]).split()
        left = doubtful.without(
            keys, form.chosen_application, devices.kept, form.chosen_profile, form.chosen_command, form.user
        )
        return form.again(_carrying(left) if left else {"device_list": "", "device_ids": ""})
    form.read_devices()
    if "drop_bad" in button and button["drop_bad"] != "others":
        devices.accept_good()
        form.carry_devices()
    if "check_devices" in button:
        doubtful.doubts_of(
            form.chosen_application, devices.kept, form.chosen_profile, form.chosen_command, is_asked=True
        )
    return form


def take_offered(form: DevicesPart) -> None:
    """What is chosen elsewhere and shown with its number is taken with the form, when nothing else was given."""
    if form.devices.kept is None and not form.raw("device_ids").strip() and form.source.offer:
        form.devices.kept = form.source.take(Operation.INSTEAD)
        form.carry_devices()


def _carrying(kept: DeviceList) -> dict[str, Any]:
    return {"device_list": kept.pk, "device_ids": ""}
