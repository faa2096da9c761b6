"""From a target to devices: one row for each of the six types."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from .config import Config
from .errors import Refused
from .fleet import NOBODY, Fleet
from .groups import Group, Groups

# Device indexes, and position -> id for those nobody knows.
Found: TypeAlias = "tuple[array[int], dict[int, str]]"


def resolved(kind: str, target: Mapping[str, Any], fleet: Fleet, groups: Groups, config: Config) -> Found:
    """The devices a task is for, each once. Refused 101001 when there are none at all."""
    devices, unknown = RESOLVERS[kind](target, fleet, groups)
    if not devices or (unknown and config.unknown_devices == "refuse"):
        raise Refused("101001")
    return devices, unknown


def _listed(target: Mapping[str, Any], fleet: Fleet, groups: Groups) -> Found:
    devices, unknown = array("I"), {}
    for position, device_id in enumerate(dict.fromkeys(target["deviceList"])):
        index = fleet.find(device_id)
        if index is None:
            unknown[position] = device_id
        devices.append(NOBODY if index is None else index)
    return devices, unknown


def _of_type(target: Mapping[str, Any], fleet: Fleet, groups: Groups) -> Found:
    return fleet.of_type(target["deviceType"], target["manufacturerId"], target["model"]), {}


def _in_area(target: Mapping[str, Any], fleet: Fleet, groups: Groups) -> Found:
    return fleet.at(target["deviceLocation"]), {}


def _in_groups(target: Mapping[str, Any], fleet: Fleet, groups: Groups) -> Found:
    return _members([groups.named(name) for name in target["groupList"]], fleet), {}


def _in_group_ids(target: Mapping[str, Any], fleet: Fleet, groups: Groups) -> Found:
    return _members([groups.by_id.get(group_id) for group_id in target["groupList"]], fleet), {}


def _everything(target: Mapping[str, Any], fleet: Fleet, groups: Groups) -> Found:
    return fleet.everything(), {}


RESOLVERS: dict[str, Callable[[Mapping[str, Any], Fleet, Groups], Found]] = {
    "DeviceList": _listed,
    "DeviceType": _of_type,
    "DeviceArea": _in_area,
    "GroupList": _in_groups,
    "GroupIdList": _in_group_ids,
    "Broadcast": _everything,
}


def _members(found: list[Group | None], fleet: Fleet) -> array[int]:
    if any(group is None for group in found):
        raise Refused("101001")
    lists = [group.members(fleet) for group in found if group is not None]
    if len(lists) == 1:
        return lists[0]
    return array("I", dict.fromkeys(index for members in lists for index in members))
