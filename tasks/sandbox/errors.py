"""The errors the platform answers: the table of the API page first, then those of its sister pages."""

from __future__ import annotations

from typing import NamedTuple


class Error(NamedTuple):
    status: int
    code: str
    desc: str


# API page, "Error Codes", row by row; 100203 stands there three times with three statuses.
OF_THE_PAGE = (
    Error(200, "100203", "The application is not existed."),
    Error(200, "101001", "Resource doesn't exist."),
    Error(200, "105001", "The batchTask count has reached the limit."),
    Error(200, "105002", "The batchTask name has exist."),
    Error(400, "105201", "The tagName and tagValue has been used on the platform."),
    Error(400, "50400", "The input is invalid."),
    Error(401, "100028", "The user has no right."),
    Error(403, "100203", "The application is not existed."),
    Error(403, "100217", "The application hasn't been authorized."),
    Error(403, "1010009", "app throttle exceed."),
    Error(403, "1010005", "App_key or access_token is invalid."),
    Error(404, "105202", "The tag is not existed."),
    Error(500, "100203", "The application is not existed."),
    Error(500, "50252", "Internal server error."),
)

# facts 1.1, 2.3, 3.1, 4.5, 6.2
OF_SISTER_PAGES = (
    Error(400, "100022", "The input is invalid."),
    Error(400, "102202", "Required Parameter is null or empty."),
    Error(400, "100247", "Operation not allowed. The application has been frozen."),
    Error(401, "100208", "AppId or secret is not right."),
    Error(401, "100006", "The refreshToken is invalid."),
    Error(401, "100002", "Invalid access token."),
    Error(401, "100025", "AppId for auth not exist."),
    Error(404, "105005", "The batchTask is not existed."),
    Error(400, "100222", "The request callbackurl is illegal."),
    Error(400, "100223", "Command counts has reached the upLimit."),
    Error(200, "100418", "The deviceData is not existed."),
    Error(200, "100403", "The device is not existed."),
    Error(200, "100428", "The device is not online."),
    Error(200, "100431", "The serviceType is not exist."),
    Error(400, "102203", "CommandName is invalid."),
    Error(403, "100612", "Device is zombie."),
    Error(200, "100601", "The number of device in the group has reached the limit."),
    Error(200, "100426", "The nodeId is duplicated."),
    Error(404, "100007", "Bad request message."),
)

BY_CODE: dict[str, Error] = {error.code: error for error in reversed(OF_THE_PAGE + OF_SISTER_PAGES)}


class Refused(Exception):
    """The platform answers this error instead of doing what was asked."""

    def __init__(self, code: str, status: int | None = None) -> None:
        found = BY_CODE[code]
        self.error = found if status is None else found._replace(status=status)
        super().__init__(f"{self.error.status} {code} {found.desc}")
