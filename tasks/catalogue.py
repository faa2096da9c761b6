"""Profiles: import them, keep their versions, mark dangerous commands."""

from __future__ import annotations

from dataclasses import replace

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from tasks.models import Danger, Profile, ProfileVersion
from tasks.profiles import archive, schema


def import_profiles(name: str, data: bytes, author: User | None = None) -> list[Profile]:
    """Store the profiles of an uploaded zip or JSON file. Raises ``archive.Unreadable`` with a sentence."""
    profiles = archive.read(name, data)
    if any(not (found.device_type and found.manufacturer_id and found.model) for found in profiles):
        raise archive.Unreadable(
            f"{name} does not say which device type, manufacturer and model it is for. "
            "Import the whole profile package instead."
        )
    for found in profiles:
        if too_long := [column for column, most in LENGTHS.items() if len(getattr(found, column)) > most]:
            raise archive.Unreadable(
                f"{name}: the {too_long[0].replace('_', ' ')} is longer than any that the platform knows."
            )
    return [store(profile, source=name, author=author) for profile in profiles]


LENGTHS = {"device_type": 256, "manufacturer_id": 256, "manufacturer_name": 256, "model": 256, "protocol": 64}
"""Characters that are kept of what says which devices a profile is for."""


def store(profile: schema.Profile, *, source: str, author: User | None = None) -> Profile:
    """Keep a profile. A definition that differs becomes a new version; the one before stays readable."""
    kind = {
        "device_type": profile.device_type,
        "manufacturer_id": profile.manufacturer_id,
        "model": profile.model,
    }
    given = {
        "manufacturer_name": profile.manufacturer_name,
        "protocol": profile.protocol,
        "definition": schema.to_dict(profile),
        "source": source[:300],
        "imported_by": author,
        "imported_at": timezone.now(),
    }
    with transaction.atomic():
        stored, is_new = Profile.objects.select_for_update().get_or_create(**kind, defaults=given)
        if is_new:
            return stored
        if _differ(stored.schema, profile):
            ProfileVersion.objects.create(
                profile=stored,
                number=stored.version,
                **{
                    name: getattr(stored, name)
                    for name in ("definition", "source", "imported_by", "imported_at")
                },
            )
            stored.version += 1
        for name, value in given.items():
            setattr(stored, name, value)
        stored.save()
    return stored


def _differ(known: schema.Profile, given: schema.Profile) -> bool:
    """What was tolerated on import makes no difference to what the devices understand."""
    return replace(known, notes=()) != replace(given, notes=())


def mark(profile: Profile, service_id: str, method: str, *, dangerous: bool, author: User) -> None:
    """Mark a command as dangerous, in all versions of the profile, or take the mark away. Twice does no harm."""
    if dangerous:
        profile.dangers.get_or_create(service_id=service_id, method=method, defaults={"marked_by": author})
    else:
        profile.dangers.filter(service_id=service_id, method=method).delete()


def is_dangerous(profile: Profile | None, service_id: str, method: str) -> bool:
    """Did somebody mark this command as dangerous? Without a profile: in any profile."""
    marks = Danger.objects.filter(service_id=service_id, method=method)
    return (marks.filter(profile=profile) if profile else marks).exists()
