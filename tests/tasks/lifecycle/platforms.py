"""Platforms that list the details of one task: truthfully, or as they like."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.tasks.platform.servers import Script, Server, saying

Serve = Callable[[Script], Server]
Detail = dict[str, Any]


def entries(first: int, count: int, status: str = "Success") -> list[Detail]:
    """Details of the devices d<first>, and so on."""
    return [
        {"status": status, "param": {"deviceId": f"d{number}", "commandId": f"c{number}"}, "output": "{}"}
        for number in range(first, first + count)
    ]


def playing(serve: Serve, *answers: Any) -> Server:
    """A platform that gives these answers, and then the last one for ever."""
    left = list(answers)

    def answer(sock: socket.socket, over: threading.Event) -> None:
        saying(200, left.pop(0) if len(left) > 1 else left[0])(sock, over)

    return serve(answer)


def listing(
    serve: Serve, said: Any, listed: Sequence[Detail], heeds: Sequence[str] = ("status", "deviceId")
) -> Server:
    """A platform that says this of the task, and lists these details under the filters that it heeds."""

    def answer(sock: socket.socket, over: threading.Event) -> None:
        target = server.requests[-1].split(b" ")[1].decode()
        asked = dict(parse_qsl(urlsplit(target).query))
        if "/taskDetails" not in target:
            return saying(200, said)(sock, over)
        kept = [
            detail
            for detail in listed
            if "status" not in heeds or asked.get("status", detail["status"]) == detail["status"]
            if "deviceId" not in heeds
            or asked.get("deviceId", detail["param"]["deviceId"]) == detail["param"]["deviceId"]
        ]
        size = int(asked["pageSize"])
        shown = kept[int(asked["pageNo"]) * size :][:size]
        return saying(200, {"totalCount": len(kept), "taskDetails": shown})(sock, over)

    server = serve(answer)
    return server
