"""The fleet: a device is a number, and all else follows from the number until somebody changes it."""

from __future__ import annotations

import time
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from .catalogue import KIND_OF_TEN, Profile, profiles
from .dice import pick, roll
from .ids import dashed, sealed, undashed, unsealed

LOCATIONS = ("Hall-A", "Hall-B", "Nanjing/East", "Nanjing/West", "Rooftop", "Harbour", "Depot")
STATUSES = ("ONLINE", "OFFLINE", "ABNORMAL", "INACTIVE")
STATUS_SHARES = (0.94, 0.03, 0.02, 0.01)
NOBODY = 0xFFFFFFFF  # stands for a device id that the fleet does not know


@dataclass
class Fleet:
    """`size` devices that come with the sandbox, those registered since, and what was changed or deleted."""

    size: int
    seed: int
    born: float
    changes: dict[int, dict[str, Any]] = field(default_factory=dict)
    added: list[dict[str, Any]] = field(default_factory=list)
    added_at: list[float] = field(default_factory=list)
    deleted: set[int] = field(default_factory=set)

    def __contains__(self, index: int) -> bool:
        return 0 <= index < self.size + len(self.added) and index not in self.deleted

    def __len__(self) -> int:
        return self.size + len(self.added) - len(self.deleted)

    def __iter__(self) -> Iterator[int]:
        return (i for i in range(self.size + len(self.added)) if i not in self.deleted)

    def newest_first(self) -> Sequence[int]:
        """All devices by the time of their registration."""
        own = range(self.size)
        if not self.added and not self.deleted:
            return own
        added = range(self.size + len(self.added) - 1, self.size - 1, -1)
        return [index for index in (*added, *own) if index not in self.deleted]

    def registered_at(self, index: int) -> int:
        """In whole seconds, as the wire shows it."""
        return int(self.added_at[index - self.size] if index >= self.size else self.born - 60 * (1 + index))

    def id_of(self, index: int) -> str:
        return dashed(sealed(index, "device", self.seed))

    def find(self, device_id: str) -> int | None:
        """The index of a device id, or None if the fleet has no such device."""
        index = unsealed(undashed(device_id), "device", self.seed)
        return index if index is not None and index in self else None

    def profile(self, index: int) -> Profile | None:
        """The device's profile; a registered device has one as soon as its three names are those of one."""
        if index < self.size and not {"deviceType", "manufacturerId", "model"} & self.overlay(index).keys():
            return profiles()[KIND_OF_TEN[index % 10]]
        return next((found for found in profiles() if names_of(found) == self.names(index)), None)

    def names(self, index: int) -> tuple[str | None, str | None, str | None]:
        """deviceType, manufacturerId and model."""
        own: tuple[str | None, str | None, str | None] = (None, None, None)
        if index < self.size:
            own = names_of(profiles()[KIND_OF_TEN[index % 10]])
        over = self.overlay(index)
        keys = ("deviceType", "manufacturerId", "model")
        return tuple(over.get(key, value) for key, value in zip(keys, own, strict=True))  # type: ignore[return-value]

    def location(self, index: int) -> str | None:
        own = LOCATIONS[index // 10 % len(LOCATIONS)] if index < self.size else None
        return self.overlay(index).get("location", own)

    def status(self, index: int) -> str:
        if index >= self.size:
            return "INACTIVE"
        return STATUSES[pick(STATUS_SHARES, roll(self.seed, index))]

    def name(self, index: int) -> str | None:
        return self.overlay(index).get(
            "name", f"{self.names(index)[0]}-{index:06d}" if index < self.size else None
        )

    def overlay(self, index: int) -> dict[str, Any]:
        """What was set on the device since the start."""
        if index >= self.size and index - self.size < len(self.added):
            return self.added[index - self.size] | self.changes.get(index, {})
        return self.changes.get(index) or {}

    def change(self, index: int, members: dict[str, Any]) -> None:
        self.changes.setdefault(index, {}).update(members)

    def register(self, members: dict[str, Any]) -> int:
        """Add one device and return its index."""
        self.added.append(members)
        self.added_at.append(time.time())
        return self.size + len(self.added) - 1

    def of_type(self, device_type: str, manufacturer_id: str | None, model: str | None) -> array[int]:
        """Devices of a type; a manufacturer or model of None matches all."""
        wanted = (device_type, manufacturer_id, model)

        def matches(names: tuple[str | None, ...]) -> bool:
            return all(want in (None, name) for want, name in zip(wanted, names, strict=True))

        kinds = {kind for kind, profile in enumerate(profiles()) if matches(names_of(profile))}
        tens = [ten for ten, kind in enumerate(KIND_OF_TEN) if kind in kinds]
        own = (base + ten for base in range(0, self.size, 10) for ten in tens if base + ten < self.size)
        return self._corrected(own, lambda index: matches(self.names(index)))

    def at(self, location: str) -> array[int]:
        """Devices whose location is exactly this (facts 6.3 leaves exact or prefix open)."""
        if location in LOCATIONS:
            first = LOCATIONS.index(location) * 10
            blocks = range(first, self.size, 10 * len(LOCATIONS))
            own: Iterable[int] = (i for b in blocks for i in range(b, min(b + 10, self.size)))
        else:
            own = ()
        return self._corrected(own, lambda index: self.location(index) == location)

    def everything(self) -> array[int]:
        return array("I", self) if self.deleted else array("I", range(self.size + len(self.added)))

    def _corrected(self, own: Iterable[int], matches: Any) -> array[int]:
        special = self.changes.keys() | self.deleted
        found = array("I", (i for i in own if i not in special) if special else own)
        others = sorted(self.changes.keys() | set(range(self.size, self.size + len(self.added))))
        found.extend(i for i in others if i in self and matches(i))
        return found


def names_of(profile: Profile) -> tuple[str | None, str | None, str | None]:
    return profile.device_type, profile.manufacturer_id, profile.model
