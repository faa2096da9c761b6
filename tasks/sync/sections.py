"""What is read in each section of a reading. One step asks for one page, and stores it with where it stands."""

from __future__ import annotations

from collections.abc import Callable

from tasks.models import Sync

from . import census, devices, groups, profiles
from .pages import Ask
from .places import Section, leave


def step(sync: Sync, ask: Ask) -> None:
    """Read one page more. Raises PlatformError, and ``Lost`` when the turn is no longer ours."""
    STEPS[Section(sync.section)](sync, ask)


def _count(sync: Sync, ask: Ask) -> None:
    counted = census.take(sync.application)
    leave(sync, counted.devices)


STEPS: dict[Section, Callable[[Sync, Ask], None]] = {
    Section.DEVICES: devices.read,
    Section.GONE: devices.forget_gone,
    Section.COUNT: _count,
    Section.PROFILES: profiles.read,
    Section.GROUPS: groups.read,
    Section.MEMBERS: groups.read_members,
}
