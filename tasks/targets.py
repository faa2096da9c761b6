"""What a task can be aimed at: one enum, and one table of the members each target type needs.

Source: the API page, "ObjectNode structure".
"""

from __future__ import annotations

from enum import StrEnum


class TargetType(StrEnum):
    """The six values of ``param.type``."""

    DEVICE_LIST = "DeviceList"
    DEVICE_TYPE = "DeviceType"
    DEVICE_AREA = "DeviceArea"
    GROUP_LIST = "GroupList"
    GROUP_ID_LIST = "GroupIdList"
    BROADCAST = "Broadcast"


MEMBERS: dict[TargetType, tuple[str, ...]] = {
    TargetType.DEVICE_LIST: ("deviceList",),
    TargetType.DEVICE_TYPE: ("deviceType", "manufacturerId", "model"),
    TargetType.DEVICE_AREA: ("deviceLocation",),
    TargetType.GROUP_LIST: ("groupList",),
    TargetType.GROUP_ID_LIST: ("groupList",),
    TargetType.BROADCAST: (),
}
"""Target type -> the members of ``param`` that it requires besides ``command``; all others do not apply."""

LABELS: dict[TargetType, str] = {
    TargetType.DEVICE_LIST: "A list of devices",
    TargetType.DEVICE_TYPE: "All devices of a type",
    TargetType.DEVICE_AREA: "All devices at a location",
    TargetType.GROUP_LIST: "Groups, by name",
    TargetType.GROUP_ID_LIST: "Groups, by id",
    TargetType.BROADCAST: "Every device of the application",
}
