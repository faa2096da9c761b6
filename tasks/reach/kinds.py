"""Kinds of devices, and whether they know a command."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from tasks.models import Profile


class Kind(NamedTuple):
    device_type: str
    manufacturer_id: str
    model: str


def verdicts(kinds: Iterable[Kind], command: tuple[str, str] | None) -> dict[Kind, bool | None]:
    """Kind -> whether its profile has the command; None without a profile, or as long as no command is chosen."""
    found: dict[Kind, bool | None] = dict.fromkeys(kinds)
    if command is None or not found:
        return found
    columns = {f"{name}__in": {getattr(kind, name) for kind in found} for name in Kind._fields}
    for *kind, definition in Profile.objects.filter(**columns).values_list(*Kind._fields, "definition"):
        if Kind(*kind) in found:
            found[Kind(*kind)] = _has(definition, *command)
    return found


def _has(definition: Mapping[str, Any], service_id: str, method: str) -> bool:
    return any(
        service["id"] == service_id and any(command["name"] == method for command in service["commands"])
        for service in definition["services"]
    )
