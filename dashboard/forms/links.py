"""A composition as an address: ``/compose/?...`` fills in the form, and sends nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.http import QueryDict
from django.urls import reverse
from django.utils.http import urlencode

from tasks.lists import has_values
from tasks.models import Application, DeviceList, TemplateVersion

from .given_devices import GivenDevices
from .parameters import PREFIX
from .typed import KEPT, initial_of

CARRIED = KEPT - {
    "device_list", "copied_from", "template_version", "edits", "values_text", "from_ids", "from_pasted",
}  # fmt: skip
"""Names of fields that an address may fill in; besides them ``para:NAME``, ``template``, ``repeat`` and ``draft``."""

MOST_IDS, LONGEST = 100, 6000


@dataclass(frozen=True)
class Link:
    """The address, and what it had to leave out, in words."""

    url: str
    left_out: str = ""


def link_of(values: Mapping[str, Sequence[str]], user: User) -> Link:
    """The address that fills in the form with these values."""
    given = {name: [text for text in texts if text] for name, texts in values.items() if _is_carried(name)}
    given["callback"] = ["on" if "callback" in values else "off"]
    version = next(iter(values.get("template_version", ())), "")
    begun = TemplateVersion.objects.filter(pk=version[:18]).first() if version.isdecimal() else None
    if begun:
        given["template"] = [str(begun.template_id)]
    left_out = ""
    devices = GivenDevices(user, next(iter(values.get("device_list", ())), "")).kept
    if devices and not (begun and begun.device_list_id == devices.pk):
        if has_values(devices):
            left_out = "the table of values with its devices"
        elif devices.count <= MOST_IDS:
            given["device_ids"] = ["\n".join(DeviceList.objects.get(pk=devices.pk).ids)]
        else:
            left_out = f"the {devices.count:,} device ids"
    url = _address(given)
    if len(url) > LONGEST and "device_ids" in given:
        del given["device_ids"]
        url, left_out = _address(given), "the device ids"
    return (
        Link(url, left_out) if len(url) <= LONGEST else Link("", "everything: it is too long for an address")
    )


def linked(asked: QueryDict) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """What an address fills in: fields, and rows of tags."""
    named = asked.copy()
    for name in list(named):
        if not _is_carried(name):
            del named[name]
    values = initial_of(named)
    values["callback"] = asked.get("callback", "on") not in ("off", "0", "false")
    if (application := asked.get("application", "")) and not application.isdecimal():
        found = Application.objects.filter(name=application.replace("\0", "")).first()
        values["application"] = found.pk if found else ""
    names, texts = asked.getlist("tag_name"), asked.getlist("tag_value")
    return values, list(zip(names, texts, strict=False))


def _is_carried(name: str) -> bool:
    return name in CARRIED or name.startswith(PREFIX)


def _address(given: Mapping[str, Sequence[str]]) -> str:
    return (
        reverse("compose")
        + "?"
        + urlencode([(name, text) for name, texts in given.items() for text in texts])
    )
