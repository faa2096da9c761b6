"""What a template fixes: which parts of the form can be locked, and what becomes of a post that changes one."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.http import QueryDict

from dashboard.paging import number
from tasks.models import DeviceList, TemplateVersion

from .compose_fields import TARGET_FIELDS, hide
from .parameters import PREFIX

FILES = frozenset({"device_file", "values_file"})
TARGET = (
    "target_type",
    "values_text",
    *(name for names in TARGET_FIELDS.values() for name in names if name not in FILES),
)
PARTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "application": ("Application", ("application",)),
    "target": ("Devices", TARGET),
    "command": ("Command", ("profile", "service_id", "method")),
    "paras": ("Parameters", ("paras", "as_json")),
    "timeout": ("Timeout", ("timeout",)),
    "callback": ("Pushes", ("callback",)),
    "max_retransmit": ("Retransmit", ("max_retransmit",)),
    "priority": ("Priority", ("priority",)),
    "group_tag": ("Group tag", ("group_tag",)),
    "tags": ("Tags", ("tag_name", "tag_value")),
}
"""Part -> its words and its fields. A parameter that has a field is a part of its own: ``para:NAME``."""


@dataclass(frozen=True)
class Locks:
    """The version a form was started from. ``fields`` are those that nobody may change."""

    version: TemplateVersion
    fields: frozenset[str]
    parts: frozenset[str]

    def changed(self, posted: QueryDict, files: Collection[str]) -> dict[str, str]:
        """Field -> the sentence that refuses its change; those of the target share one."""
        changed = {name for name in self.fields if self._differs(name, posted)}
        if "target" in self.parts and not FILES.isdisjoint(files):
            changed.add("target_type")
        names = {"target_type" if name in TARGET else name for name in changed}
        return dict.fromkeys(
            sorted(names), f"The template {self.version} locks this; it is back at what the template says."
        )

    def apply(self, posted: QueryDict) -> QueryDict:
        """The post with every locked field at what the template says."""
        fixed = posted.copy()
        for name in self.fields:
            if name in self.version.values:
                fixed.setlist(name, self.version.values[name])
            else:
                fixed.pop(name, None)
        return fixed

    def _differs(self, name: str, posted: QueryDict) -> bool:
        if name not in posted and name != "callback":
            return False
        return _plain(posted.getlist(name)) != _plain(self.version.values.get(name, ()))


def locks_of(values: Mapping[str, Any]) -> Locks | None:
    """The locks of the version that these values of a form name; None when there is none, or it was deleted.

    A rerun keeps its parent's template, which says nothing of its devices: they are chosen by what became of them.
    """
    key = number(str(values.get("template_version") or ""))
    version = TemplateVersion.objects.select_related("template").filter(pk=key).first() if key else None
    if version is None:
        return None
    is_rerun = _is_rerun(version, values.get("device_list"))
    if version.template.deleted_at and not is_rerun:
        return None
    parts = frozenset(version.locked) - ({"target"} if is_rerun else set())
    return Locks(version, fields_of(version, parts), parts)


def _is_rerun(version: TemplateVersion, key: Any) -> bool:
    """Are the devices the very ones that a rerun chose of a task composed with this version?"""
    try:
        wanted = uuid.UUID(str(key or ""))
    except ValueError:
        return False
    return DeviceList.objects.filter(pk=wanted, rerun_of__template=version).exists()


def fields_of(version: TemplateVersion, parts: Collection[str]) -> frozenset[str]:
    """The fields of these parts of the version. Where parameters are locked, free JSON is no way around them."""
    names: set[str] = set()
    for part in parts:
        names |= {part} if part.startswith(PREFIX) else set(PARTS[part][1]) if part in PARTS else set()
        if part == "paras":
            names |= {name for name in version.values if name.startswith(PREFIX)}
    return frozenset(names | ({"as_json"} if any(name.startswith(PREFIX) for name in names) else set()))


def show_locked(form: forms.Form, names: Collection[str]) -> None:
    """Locked fields show what they hold and take nothing: ``locked`` is the text, the value is carried along."""
    for name in names:
        field = form.fields.get(name)
        if field is None or isinstance(field.widget, forms.HiddenInput):
            continue
        field.locked = _words(field, form[name].value())  # type: ignore[attr-defined]
        if isinstance(field, forms.BooleanField):
            field.widget = forms.CheckboxInput(attrs={"hidden": True})
        else:
            hide(field)


def _words(field: forms.Field, value: Any) -> str:
    if isinstance(field, forms.BooleanField):
        return "yes" if value else "no"
    if isinstance(field, forms.ModelChoiceField):
        rows = field.queryset
        found = rows.filter(pk=value).first() if rows is not None and str(value).isdecimal() else None
        return str(found or field.empty_label or "")
    if isinstance(field, forms.ChoiceField):
        return str(dict(field.choices).get(str(value), value))  # type: ignore[arg-type]
    return str(value or "")


def _plain(values: Iterable[str]) -> list[str]:
    text = "\n".join(values).replace("\r\n", "\n")
    return [line.strip() for line in text.split("\n") if line.strip()]
