"""What a template fixes: which parts of the form can be locked, and what becomes of a post that changes one."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from django import forms
from django.http import QueryDict

from tasks.models import TemplateVersion

from .compose_fields import TARGET_FIELDS
from .parameters import PREFIX

TARGET = (
    "target_type",
    *(name for names in TARGET_FIELDS.values() for name in names if name != "device_file"),
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
        if "target" in self.parts and "device_file" in files:
            changed.add("device_file")
        names = {"target_type" if name in (*TARGET, "device_file") else name for name in changed}
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


def locks_of(key: Any) -> Locks | None:
    """The locks of the template's version with this id; None when there is none, or its template was deleted."""
    text = str(key or "")
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        return None
    version = (
        TemplateVersion.objects.select_related("template").filter(pk=text, template__deleted_at=None).first()
    )
    return Locks(version, fields_of(version), frozenset(version.locked)) if version else None


def fields_of(version: TemplateVersion) -> frozenset[str]:
    """The fields of the version's locked parts. Where parameters are locked, free JSON is no way around them."""
    names: set[str] = set()
    for part in version.locked:
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
            field.widget = forms.Textarea(attrs={"hidden": True, "aria-hidden": "true", "tabindex": "-1"})


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
