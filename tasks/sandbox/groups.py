"""Device groups: six that come with the fleet and need no table, and those made since."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field

from .fleet import Fleet
from .ids import dashed, sealed

# name, description, and which devices: index modulo `every` equal to `rest`
GIVEN = (
    ("pilot", "The first few, for trying things out", 100, 3),
    ("night-shift", "Served between 22:00 and 06:00", 20, 1),
    ("east-wing", "Everything east of the yard", 8, 2),
    ("leased", "Owned by the leasing company", 5, 4),
    ("firmware-2", "Runs the second generation", 3, 0),
    ("maintenance", "Under the maintenance contract", 2, 1),
)


@dataclass
class Group:
    id: str
    name: str
    description: str | None
    largest: int = 0  # maxDevNum; 0 = unlimited
    every: int = 0
    rest: int = 0
    creator: str = "admin"
    joined: dict[int, None] = field(default_factory=dict)
    left: set[int] = field(default_factory=set)

    def holds(self, index: int) -> bool:
        own = self.every > 0 and index % self.every == self.rest
        return index in self.joined or (own and index not in self.left)

    def members(self, fleet: Fleet) -> array[int]:
        own = range(self.rest, fleet.size, self.every) if self.every else range(0)
        found = array("I", own)
        if self.left or fleet.deleted or self.joined:
            found = array("I", (i for i in own if i not in self.left and i not in self.joined and i in fleet))
            found.extend(i for i in self.joined if i in fleet)
        return found

    def size(self, fleet: Fleet) -> int:
        if not (self.left or fleet.deleted or self.joined) and self.every:
            return len(range(self.rest, fleet.size, self.every))
        return len(self.members(fleet))

    def join(self, indexes: list[int]) -> None:
        for index in indexes:
            self.left.discard(index)
            if not self.holds(index):
                self.joined[index] = None

    def leave(self, indexes: list[int]) -> None:
        for index in indexes:
            self.joined.pop(index, None)
            self.left.add(index)


@dataclass
class Groups:
    """All groups, newest last."""

    seed: int
    by_id: dict[str, Group] = field(default_factory=dict)
    made: int = 0

    def __post_init__(self) -> None:
        for name, description, every, rest in GIVEN:
            group = self.add(name, description)
            group.every, group.rest = every, rest

    def add(self, name: str, description: str | None, largest: int = 0) -> Group:
        self.made += 1
        group = Group(dashed(sealed(self.made, "group", self.seed)), name, description, largest)
        self.by_id[group.id] = group
        return group

    def named(self, name: str) -> Group | None:
        return next((group for group in self.by_id.values() if group.name == name), None)

    def holding(self, index: int) -> list[str]:
        """Ids of the groups a device is in."""
        return [group.id for group in self.by_id.values() if group.holds(index)]
