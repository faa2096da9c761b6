"""The calls that Muster makes, one function each.

Sources: the API page (create); the vendor's pages on batch tasks, devices, device groups and device
capabilities. All raise NotAccepted, Refused or OutcomeUnknown; for those that only read, none does harm.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import quote

from tasks.platform import answers
from tasks.platform.answers import (
    BadAnswer,
    CommandsPage,
    DetailsPage,
    DevicesPage,
    GroupsPage,
    MembersPage,
    TaskStatus,
)
from tasks.platform.connection import Connection
from tasks.platform.errors import Refused
from tasks.platform.transport import Answer, call
from tasks.platform.verdicts import bad_answer, members

TASKS = "/iocm/app/batchtask/v1.1.0/tasks"
DETAILS = "/iocm/app/batchtask/v1.1.0/taskDetails"
DEVICES = "/iocm/app/dm/v1.4.0/devices"
GROUPS = "/iocm/app/devgroup/v1.3.0/devGroups"
GROUP_MEMBERS = "/iocm/app/dm/v1.2.0/devices/ids"
COMMANDS = "/iocm/app/cmd/v1.4.0/deviceCommands"
CAPABILITIES = "/iocm/app/data/v1.1.0/deviceCapabilities"

LARGE = 8 << 20
"""Bytes that a page of a list may have."""

Content = TypeVar("Content")


@dataclass(frozen=True)
class Created:
    """A task that the platform has created."""

    task_id: str
    answer: Answer


def create(
    connection: Connection,
    token: str,
    body: bytes,
    *,
    before_sending: Callable[[], None] | None = None,
    deadline: float = 60.0,
) -> Created:
    """Create a batch task from a request that was built and stored before; it is sent byte for byte.

    Success is HTTP 200 and a JSON object with a non-empty ``taskID`` and no ``error_code``.
    ``before_sending`` is for writing the intent: nothing is sent before it returns.
    """
    answer = call(
        connection,
        "POST",
        TASKS,
        headers=_headers(connection, token),
        body=body,
        before_sending=before_sending,
        deadline=deadline,
    )
    secrets = (connection.secret, token)
    if task_id := answers.task_id(members(answer, *secrets)):
        return Created(task_id, answer)
    raise bad_answer(answer, "The platform answered 200 without a taskID.", *secrets)


def query(connection: Connection, token: str, task_id: str) -> TaskStatus:
    """One task's status and counters. Raises Refused (reason "no such task") for an unknown id."""
    if not task_id.strip("."):
        raise Refused("This is not a taskID.", reason="no such task")
    path = f"{TASKS}/{quote(task_id, safe='')}"
    return _read(connection, token, path, {"appId": connection.app_id}, answers.task_status)


def details(
    connection: Connection,
    token: str,
    task_id: str,
    *,
    page: int = 0,
    size: int = 250,
    status: str = "",
    device_id: str = "",
) -> DetailsPage:
    """One page of a task's sub-tasks, from page 0; ``size`` is 1 to 250, ``status`` the platform's."""
    asked = {"appId": connection.app_id, "taskId": task_id, "pageNo": page, "pageSize": size}
    if status:
        asked["status"] = status
    if device_id:
        asked["deviceId"] = device_id
    return _read(connection, token, DETAILS, asked, answers.details_page)


def devices(
    connection: Connection, token: str, *, page: int, size: int = 250, since: dt.datetime | None = None
) -> DevicesPage:
    """One page of the application's devices, from page 0; ``size`` is 1 to 250.

    The first that were registered come first, so that new ones are added at the end while the pages are read.
    ``since`` leaves out those that were registered before: the platform knows no filter for what has changed.
    """
    asked: dict[str, object] = {"appId": connection.app_id, "pageNo": page, "pageSize": size, "sort": "ASC"}
    if since:
        asked["startTime"] = _time(since)
    return _read(connection, token, DEVICES, asked, answers.devices_page)


def groups(connection: Connection, token: str, *, page: int, size: int = 500) -> GroupsPage:
    """One page of the application's device groups, from page 0; ``size`` is 1 to 500."""
    asked = {"accessAppId": connection.app_id, "pageNo": page, "pageSize": size}
    return _read(connection, token, GROUPS, asked, answers.groups_page)


def group_members(
    connection: Connection, token: str, group_id: str, *, page: int, size: int = 1000
) -> MembersPage:
    """One page of the ids of a group's devices, from page 0; ``size`` is 1 to 1000."""
    asked = {
        "devGroupId": group_id,
        "accessAppId": connection.app_id,
        "pageNo": page,
        "pageSize": size,
    }
    return _read(connection, token, GROUP_MEMBERS, asked, answers.members_page)


def capabilities(connection: Connection, token: str, device_id: str) -> dict[str, object]:
    """What one device understands: ``{"serviceCapabilities": [...]}`` as the platform describes it."""
    asked = {"deviceId": device_id, "appId": connection.app_id}
    services = _read(connection, token, CAPABILITIES, asked, answers.service_capabilities)
    return {"serviceCapabilities": services}


def device_commands(
    connection: Connection,
    token: str,
    *,
    device_id: str = "",
    since: dt.datetime,
    page: int = 0,
    size: int = 1000,
) -> CommandsPage:
    """One page of the commands of one device, or of the whole application, since a moment (UTC), newest first."""
    asked = {
        "appId": connection.app_id,
        "startTime": _time(since),
        "pageNo": page,
        "pageSize": size,
    }
    if device_id:
        asked["deviceId"] = device_id
    return _read(connection, token, COMMANDS, asked, answers.commands_page)


def _read(
    connection: Connection,
    token: str,
    path: str,
    asked: Mapping[str, object],
    parse: Callable[[dict[str, object]], Content],
) -> Content:
    answer = call(connection, "GET", path, headers=_headers(connection, token), query=asked, limit=LARGE)
    secrets = (connection.secret, token)
    try:
        return parse(members(answer, *secrets))
    except BadAnswer as error:
        raise bad_answer(answer, str(error), *secrets) from error


def _time(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).strftime("%Y%m%dT%H%M%SZ")


def _headers(connection: Connection, token: str) -> dict[str, str]:
    return {
        "app_key": connection.app_id,
        "Authorization": f"Bearer {token}",
        "Content-Type": "application/json",
    }
