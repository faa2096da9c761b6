"""The platform's answers, read tolerantly into small frozen objects.

Sources: the API page, "Response Parameters" (create); the vendor's pages on querying a batch task, its
sub-tasks, devices, device groups and device capabilities. Older platforms write null where newer ones
leave a member out; numbers may come as text; both are read alike. A wrong shape raises BadAnswer.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, field

from tasks.platform.jsontext import BadJSON, clean, cleaned, loads

Members = dict[str, object]

OVER = frozenset({"Complete", "Timeout"})
"""Statuses of a task that is no longer unfinished."""


class BadAnswer(ValueError):
    """An answer that is not of its documented shape; the text says what is missing."""


@dataclass(frozen=True)
class TaskStatus:
    """One task: ``status`` is Pending, Running, Complete or Timeout; the counters are of sub-tasks."""

    task_id: str
    name: str
    status: str
    total: int
    succeeded: int
    failed: int
    timed_out: int
    expired: int
    raw: Members = field(repr=False, compare=False)


@dataclass(frozen=True)
class Detail:
    """One sub-task: ``status`` is Pending, WaitResult, Success, Fail or Timeout; unknown ids are ""."""

    device_id: str
    command_id: str
    status: str
    output: object
    error_code: str
    error_text: str


@dataclass(frozen=True)
class DetailsPage:
    """Sub-tasks, newest first; ``total`` counts all pages."""

    total: int
    details: tuple[Detail, ...]


@dataclass(frozen=True)
class Device:
    """One device; texts are "" where the platform has none."""

    device_id: str
    name: str
    node_id: str
    status: str
    status_detail: str
    device_type: str
    manufacturer_id: str
    model: str
    protocol: str
    location: str
    gateway_id: str
    registered_at: dt.datetime | None
    modified_at: dt.datetime | None
    raw: Members = field(repr=False, compare=False)


@dataclass(frozen=True)
class DevicesPage:
    """Devices, those that were registered first at first; ``total`` counts all pages."""

    total: int
    devices: tuple[Device, ...]


@dataclass(frozen=True)
class Group:
    """One device group; ``size`` is its number of devices."""

    group_id: str
    name: str
    description: str
    size: int


@dataclass(frozen=True)
class GroupsPage:
    """Device groups; ``total`` counts all pages."""

    total: int
    groups: tuple[Group, ...]


@dataclass(frozen=True)
class MembersPage:
    """Ids of the devices of one group; ``total`` counts all pages."""

    total: int
    device_ids: tuple[str, ...]


@dataclass(frozen=True)
class DeviceCommand:
    """One command to one device, as the platform keeps it; unknown texts are ""."""

    device_id: str
    command_id: str
    status: str
    callback_url: str
    detail: object = None


@dataclass(frozen=True)
class CommandsPage:
    """Device commands, newest first; ``total`` counts all pages."""

    total: int
    commands: tuple[DeviceCommand, ...]


def commands_page(body: Members) -> CommandsPage:
    """A page of the device command query."""
    items = _items(body, "data")
    pagination = body.get("pagination")
    total = _number(pagination, "totalSize") if isinstance(pagination, dict) else 0
    return CommandsPage(max(total, len(items)), tuple(_command(item) for item in items))


def task_id(body: Members) -> str:
    """The id of a created task; "" unless the answer holds a non-empty text ``taskID`` (or ``taskId``)."""
    for name in ("taskID", "taskId"):
        value = body.get(name)
        if isinstance(value, str) and value.strip():
            return clean(value)
    return ""


def task_status(body: Members) -> TaskStatus:
    """A task's status and counters; a missing counter reads 0."""
    if not _text(body, "status"):
        raise BadAnswer("The answer has no status.")
    return TaskStatus(
        task_id=task_id(body),
        name=_text(body, "taskName"),
        status=_text(body, "status"),
        total=_number(body, "totalCnt"),
        succeeded=_number(body, "successCnt"),
        failed=_number(body, "failCnt"),
        timed_out=_number(body, "timeoutCnt"),
        expired=_number(body, "expiredCnt"),
        raw=body,
    )


def details_page(body: Members) -> DetailsPage:
    """A page of sub-tasks; one that is no object keeps its place as nobody's, so that pages can be counted."""
    items = _list(body, "taskDetails")
    details = tuple(_detail(item if isinstance(item, dict) else {}) for item in items)
    return DetailsPage(_total(body, len(details)), details)


def devices_page(body: Members) -> DevicesPage:
    """A page of devices; devices without an id are passed over."""
    items = _items(body, "devices")
    devices = tuple(_device(item) for item in items if _text(item, "deviceId"))
    return DevicesPage(_total(body, len(items)), devices)


def groups_page(body: Members) -> GroupsPage:
    """A page of device groups; the platform calls the member ``list``."""
    groups = tuple(
        Group(_text(item, "id"), _text(item, "name"), _text(item, "description"), _number(item, "curDevNum"))
        for item in _items(body, "list")
    )
    return GroupsPage(_total(body, len(groups)), groups)


def members_page(body: Members) -> MembersPage:
    """A page of the ids of a group's devices."""
    ids = _list(body, "deviceIds")
    texts = tuple(clean(item) for item in ids if isinstance(item, str) and item)
    return MembersPage(_total(body, len(ids)), texts)


def service_capabilities(body: Members) -> list[object]:
    """The services of the one device that was asked for, as the platform describes them."""
    for item in _items(body, "deviceCapabilities"):
        if isinstance(services := item.get("serviceCapabilities"), list):
            return services
    return []


def _detail(item: Members) -> Detail:
    param = item.get("param")
    ids = param if isinstance(param, dict) else {}
    code, text = _error(item.get("error"))
    output = _unpacked(item.get("output"))
    return Detail(_text(ids, "deviceId"), _text(ids, "commandId"), _text(item, "status"), output, code, text)


def _command(item: Members) -> DeviceCommand:
    result = item.get("result")
    said = result.get("resultDetail") if isinstance(result, dict) else None
    return DeviceCommand(
        _text(item, "deviceId"),
        _text(item, "commandId"),
        _text(item, "status"),
        _text(item, "callbackUrl"),
        None if said == "" else said,
    )


def _error(error: object) -> tuple[str, str]:
    error = _unpacked(error)
    if isinstance(error, dict):
        return _text(error, "error_code"), _text(error, "error_desc")
    return "", "" if error is None else str(error)


def _unpacked(value: object) -> object:
    """A JSON object or list that was sent inside a text, else the value itself; "" is None."""
    if not isinstance(value, str):
        return value
    if not value.lstrip().startswith(("{", "[")):
        return value or None
    try:
        return cleaned(loads(value))
    except BadJSON:
        return value


def _device(item: Members) -> Device:
    info = item.get("deviceInfo")
    about = info if isinstance(info, dict) else {}
    return Device(
        device_id=_text(item, "deviceId"),
        name=_text(about, "name"),
        node_id=_text(about, "nodeId"),
        status=_text(about, "status"),
        status_detail=_text(about, "statusDetail"),
        device_type=_text(about, "deviceType"),
        manufacturer_id=_text(about, "manufacturerId"),
        model=_text(about, "model"),
        protocol=_text(about, "protocolType"),
        location=_text(about, "location") or _text(item, "location"),
        gateway_id=_text(item, "gatewayId"),
        registered_at=_moment(item, "createTime"),
        modified_at=_moment(item, "lastModifiedTime"),
        raw=item,
    )


def _items(body: Members, name: str) -> list[Members]:
    return [item for item in _list(body, name) if isinstance(item, dict)]


def _list(body: Members, name: str) -> list[object]:
    items = body.get(name)
    if not isinstance(items, list):
        raise BadAnswer(f"The answer has no list {name}.")
    return items


def _total(body: Members, at_least: int) -> int:
    return max(_number(body, "totalCount"), at_least)


def _text(members: Members, name: str) -> str:
    value = members.get(name)
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    return clean(str(value))


def _moment(members: Members, name: str) -> dt.datetime | None:
    """A time such as 20151212T121212Z; None for anything else."""
    try:
        return dt.datetime.strptime(_text(members, name), "%Y%m%dT%H%M%SZ").replace(tzinfo=dt.UTC)
    except ValueError:
        return None


_WHOLE = re.compile(r"\s*\+?\d{1,18}\s*", re.ASCII)


def _number(members: Members, name: str) -> int:
    value = members.get(name)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    whole = isinstance(value, int | str) and not isinstance(value, bool) and _WHOLE.fullmatch(str(value))
    return int(str(value)) if whole else 0
