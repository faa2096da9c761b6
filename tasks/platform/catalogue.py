"""Every error the platform is known to answer with, in one table."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Consequence(StrEnum):
    """What an error means for the request that got it."""

    NOT_ACCEPTED = "not accepted, try later"
    UNKNOWN = "outcome unknown"
    REFUSED = "refused"


@dataclass(frozen=True)
class ErrorRow:
    """One documented error; ``status`` is None where no HTTP status is documented with the code."""

    status: int | None
    code: str
    text: str
    consequence: Consequence
    meaning: str
    advice: str
    source: str
    reason: str = "refused"


_LATER, _UNKNOWN, _REFUSED = Consequence.NOT_ACCEPTED, Consequence.UNKNOWN, Consequence.REFUSED

_PAGE = "Creating a Batch Task, Error Codes"
_LOGIN = "Authentication"
_QUERY = "Querying a batch task and its sub-tasks"
_COMMAND = "Creating device commands"
_SUBSCRIBE = "Subscription management"
_GROUPS = "Device groups"
_SDK = "public SDKs"

_APPLICATION = (
    "The platform does not know this application.",
    "Check the appId of the application and the platform's address.",
)
_UNAUTHORISED = (
    "The application has not been authorised.",
    "Ask the platform's staff to authorise it, or use the appId of the authorised application.",
)
_INVALID = (
    "The platform found an input parameter invalid.",
    "Compare the request with the API page and the device's profile, then send a corrected task.",
)
_THROTTLED = (
    "More calls than the platform allows (100 a minute by default).",
    "Muster waits a minute by itself. If it recurs, lower the application's call limit.",
)
_TOKEN = (
    "The platform did not accept the access token.",
    "Muster logs in again by itself. If it recurs, check that nobody else logs in with this application.",
)
_INTERNAL = (
    "Something failed inside the platform; the request may or may not have been carried out.",
    "Look for the task on the platform before sending it again, and tell the platform's staff.",
)
_SECRET = (
    "The platform did not accept the appId or its secret.",
    "Correct the application's appId and secret; its tasks wait until then.",
)
_DEVICE = ("The platform does not know this device.", "Check the device id, or register the device.")
_STAFF = ("The platform refused the request.", "Ask the platform's staff.")
_CALLBACK = (
    "The platform did not accept the callback address.",
    "Use a public address with its port, the same that the application's subscriptions use.",
)

CATALOGUE: tuple[ErrorRow, ...] = (
    # The API page, in its order.
    ErrorRow(200, "100203", "The application is not existed.", _REFUSED, *_APPLICATION, _PAGE),
    ErrorRow(200, "101001", "Resource doesn't exist.", _REFUSED,
             "Something the request names does not exist on the platform.",
             "Check the device ids, groups and the device type.", _PAGE),
    ErrorRow(200, "105001", "The batchTask count has reached the limit.", _LATER,
             "The platform already holds as many unfinished tasks as it allows (10 by default).",
             "Muster waits for a free place by itself.", _PAGE, "full"),
    ErrorRow(200, "105002", "The batchTask name has exist.", _REFUSED,
             "The platform already has a task of this name.", "Change the task name.", _PAGE, "name taken"),
    ErrorRow(400, "105201", "The tagName and tagValue has been used on the platform.", _REFUSED,
             "The platform already uses this tag name with this value.", "Change or remove the tag.",
             _PAGE, "tag taken"),
    ErrorRow(400, "50400", "The input is invalid.", _REFUSED, *_INVALID, _PAGE),
    ErrorRow(401, "100028", "The user has no right.", _REFUSED,
             "The application may not do this.", "Ask the platform's staff for the permission.", _PAGE),
    ErrorRow(403, "100203", "The application is not existed.", _REFUSED, *_APPLICATION, _PAGE),
    ErrorRow(403, "100217", "The application hasn't been authorized.", _REFUSED, *_UNAUTHORISED, _PAGE),
    ErrorRow(403, "1010009", "app throttle exceed.", _LATER, *_THROTTLED, _PAGE, "throttled"),
    ErrorRow(403, "1010005", "App_key or access_token is invalid.", _LATER, *_TOKEN, _PAGE, "token"),
    ErrorRow(404, "105202", "The tag is not existed.", _REFUSED,
             "The platform does not know this tag.", "Create the tag on the platform, or remove it.", _PAGE),
    ErrorRow(500, "100203", "The application is not existed.", _REFUSED, *_APPLICATION, _PAGE),
    ErrorRow(500, "50252", "Internal server error.", _UNKNOWN, *_INTERNAL, _PAGE, "server error"),
    # Login and refresh.
    ErrorRow(400, "100247", "Operation not allowed. The application has been frozen.", _REFUSED,
             "The application has been frozen.", "Ask the platform's staff to unfreeze it.", _LOGIN),
    ErrorRow(400, "102202", "Required Parameter is null or empty.", _REFUSED, *_INVALID, _LOGIN),
    ErrorRow(400, "100022", "The input is invalid.", _REFUSED, *_INVALID, _LOGIN),
    ErrorRow(401, "100208", "AppId or secret is not right.", _LATER, *_SECRET, _LOGIN, "login"),
    ErrorRow(403, "100208", "AppId or secret is not right.", _LATER, *_SECRET, _LOGIN, "login"),
    ErrorRow(401, "100006", "The refreshToken is invalid.", _LATER, *_TOKEN, _LOGIN, "token"),
    ErrorRow(401, "100002", "Invalid access token.", _LATER, *_TOKEN, _LOGIN, "token"),
    ErrorRow(401, "100025", "AppId for auth not exist.", _LATER, *_SECRET, _LOGIN, "login"),
    ErrorRow(403, "1005", "App_key or access_token is invalid.", _LATER, *_TOKEN, _SDK, "token"),
    # Queries of tasks.
    ErrorRow(404, "105005", "The batchTask is not existed.", _REFUSED,
             "The platform does not know this task.", "Check the taskID and the application.", _QUERY,
             "no such task"),
    # Device commands; the same codes explain a sub-task's failure.
    ErrorRow(200, "100217", "The application hasn't been authorized.", _REFUSED, *_UNAUTHORISED, _COMMAND),
    ErrorRow(200, "100418", "The deviceData is not existed.", _REFUSED, *_DEVICE, _COMMAND),
    ErrorRow(200, "100428", "The device is not online.", _REFUSED,
             "The device is not online.", "Send again when the device reports.", _COMMAND),
    ErrorRow(200, "100431", "The serviceType is not exist.", _REFUSED,
             "The device has no such service.", "Choose a service of the device's profile.", _COMMAND),
    ErrorRow(400, "102203", "CommandName is invalid.", _REFUSED,
             "The service has no such command.", "Choose a command of the device's profile.", _COMMAND),
    ErrorRow(400, "100223", "Command counts has reached the upLimit.", _REFUSED,
             "The device already has as many cached commands as the platform keeps (20).",
             "Wait until the device has fetched some, or cancel them.", _COMMAND),
    ErrorRow(403, "100612", "Device is zombie.", _REFUSED,
             "The device has not reported for seven days.", "Look after the device.", _COMMAND),
    ErrorRow(500, "100001", "Internal server error.", _UNKNOWN, *_INTERNAL, _COMMAND, "server error"),
    ErrorRow(500, "100023", "The data in the database is abnormal.", _UNKNOWN, *_INTERNAL, _COMMAND,
             "server error"),
    ErrorRow(500, "100220", "Get AppKey from header failed.", _REFUSED,
             "The platform could not read the app_key header.", "Check the application's appId.", _COMMAND),
    # Callback addresses and groups.
    ErrorRow(400, "100222", "The request callbackurl is illegal", _REFUSED, *_CALLBACK, _SUBSCRIBE),
    ErrorRow(500, "101016", "", _UNKNOWN, *_INTERNAL, _SUBSCRIBE, "server error"),
    ErrorRow(500, "101017", "", _UNKNOWN, *_INTERNAL, _SUBSCRIBE, "server error"),
    ErrorRow(200, "100601", "The group is full.", _REFUSED,
             "The group is full.", "Raise the group's limit or use another group.", _GROUPS),
    # Seen in public SDKs, mostly as texts of sub-tasks.
    ErrorRow(None, "100003", "Invalid verify code.", _REFUSED, *_STAFF, _SDK),
    ErrorRow(None, "100007", "Bad request message.", _REFUSED, *_INVALID, _SDK),
    ErrorRow(400, "100019", "The request is illegal or empty.", _REFUSED, *_INVALID, _SDK),
    ErrorRow(200, "100403", "The device does not exist.", _REFUSED, *_DEVICE, _SDK),
    ErrorRow(None, "100412", "The amount of device has reached the limit.", _REFUSED, *_STAFF, _SDK),
    ErrorRow(None, "100416", "The device has already been binded.", _REFUSED,
             "The device is already bound.", "Nothing to do, or ask the platform's staff.", _SDK),
    ErrorRow(200, "100426", "The nodeId is duplicate.", _REFUSED,
             "Another device has the same node id.", "Correct the device's registration.", _SDK),
    ErrorRow(200, "100432", "The device is muted.", _REFUSED,
             "The device is muted.", "Unmute the device on the platform.", _SDK),
    ErrorRow(200, "100610", "The device is not activated.", _REFUSED,
             "The device has never reported.", "Switch the device on and wait for its first report.", _SDK),
    ErrorRow(200, "100611", "The device is online.", _REFUSED,
             "The device is online, and this needs it to be offline.", "Try again later.", _SDK),
    ErrorRow(None, "103026", "The license is not exist.", _REFUSED, *_STAFF, _SDK),
    ErrorRow(None, "103027", "The license sales is not exist.", _REFUSED, *_STAFF, _SDK),
    ErrorRow(None, "103028", "The license pool resources.", _REFUSED, *_STAFF, _SDK),
    ErrorRow(200, "200001", "The resource does not exist.", _REFUSED,
             "Something the request names does not exist on the platform.", "Check what the task names.",
             _SDK),
)  # fmt: skip
