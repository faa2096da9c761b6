"""The fault script: rules that spoil calls and pushes on purpose.

A rule is JSON: {"route": "create", "action": "error", "code": "50252"}. `route` is a route's name (see
`api.ROUTES`), "any", or "push". It strikes every matching call, or the `nth` one, or the first `times`, or a
share (`probability`). With `after` the call is first carried out in full, and only its answer is spoilt.
"""

from __future__ import annotations

import asyncio
import dataclasses
import gzip
import random
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from . import wire
from .errors import BY_CODE, OF_SISTER_PAGES, OF_THE_PAGE, Error

Reply = Callable[[], Awaitable[web.StreamResponse]]

BAD_GATEWAY = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
PUSH_ACTIONS = ("lose", "duplicate", "delay", "reorder")
MOST_RULES = 1000


@dataclass
class Rule:
    action: str
    route: str = "any"
    nth: int = 0  # 1 = the first matching call after the rule was set
    times: int = 0  # 0 = without end
    probability: float = 1.0
    after: bool = False
    seconds: float = 0.0  # latency, stall, delay, reorder; for drip: per byte
    status: int = 0
    code: str = ""
    desc: str = ""
    body: str = ""
    location: str = ""
    bytes: int = 0
    gzip: bool = False
    seen: int = 0
    used: int = 0

    @property
    def spent(self) -> bool:
        """It will strike no more."""
        return bool(self.times) and self.used >= self.times

    def strikes(self, dice: random.Random) -> bool:
        """Count one matching call and say whether the rule spoils it."""
        self.seen += 1
        if self.nth and not self.nth <= self.seen < self.nth + max(1, self.times):
            return False
        if not self.nth and self.spent:
            return False
        if dice.random() >= self.probability:
            return False
        self.used += 1
        return True


@dataclass
class Faults:
    seed: int = 1
    rules: list[Rule] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)

    def add(self, given: Any) -> None:
        """Add one rule, a list of them, or {"rules": [...]}. Raises ValueError."""
        if isinstance(given, dict) and "rules" in given:
            given = given["rules"]
        rules = [_rule(one) for one in (given if isinstance(given, list) else [given])]
        if len(self.rules) + len(rules) > MOST_RULES:
            raise ValueError(f"more than {MOST_RULES} rules")
        self.rules.extend(rules)

    def clear(self) -> None:
        self.rules.clear()

    def shown(self) -> list[dict[str, Any]]:
        default = Rule("")
        return [
            {
                k: v
                for k, v in dataclasses.asdict(rule).items()
                if v != getattr(default, k) or k in {"seen", "used"}
            }
            for rule in self.rules
        ]

    def drawn(self, route: str) -> list[Rule]:
        """The rules that strike this call."""
        fitting = [rule for rule in self.rules if rule.route in (route, "any") and rule.action in ACTIONS]
        return [rule for rule in fitting if rule.strikes(self.dice)]

    def for_push(self) -> list[tuple[str, float]]:
        """What befalls one push: (action, seconds)."""
        struck = []
        for rule in self.rules:
            if rule.action in PUSH_ACTIONS and rule.strikes(self.dice):
                seconds = rule.seconds or 2.0
                struck.append(
                    (rule.action, seconds * self.dice.random() if rule.action == "reorder" else seconds)
                )
        return struck


async def spoilt(rule: Rule, request: web.Request, reply: Reply) -> web.StreamResponse:
    """The answer to a call that a rule strikes; `reply` gives the honest one."""
    return await ACTIONS[rule.action](rule, request, reply)


async def _latency(rule: Rule, request: web.Request, reply: Reply) -> web.StreamResponse:
    await asyncio.sleep(rule.seconds)
    return await reply()


async def _stall(rule: Rule, request: web.Request, reply: Reply) -> web.StreamResponse:
    response = await reply()
    await asyncio.sleep(rule.seconds)
    return response


async def _error(rule: Rule, request: web.Request, reply: Reply) -> web.StreamResponse:
    if rule.after:
        await reply()
    known = BY_CODE.get(rule.code or "50252", Error(500, rule.code, "Internal server error."))
    return wire.refusal(Error(rule.status or known.status, known.code, rule.desc or known.desc))


async def _text(rule: Rule, request: web.Request, reply: Reply) -> web.StreamResponse:
    if rule.after:
        await reply()
    return web.Response(
        body=rule.body.encode("utf-8", "replace"), status=rule.status or 200, headers=wire.headers()
    )


async def _html(rule: Rule, request: web.Request, reply: Reply) -> web.StreamResponse:
    if rule.after:
        await reply()
    return web.Response(text=rule.body or BAD_GATEWAY, status=rule.status or 502, content_type="text/html")


async def _redirect(rule: Rule, request: web.Request, reply: Reply) -> web.StreamResponse:
    if rule.after:
        await reply()
    where = {"Location": rule.location or str(request.url), "Content-Type": "text/html"}
    return web.Response(status=rule.status or 307, headers=where)


async def _cut(rule: Rule, request: web.Request, reply: Reply) -> web.StreamResponse:
    if rule.after:
        await reply()
    _sever(request, abruptly=False)
    return web.Response()


async def _half(rule: Rule, request: web.Request, reply: Reply) -> web.StreamResponse:
    body = await _body(reply)
    response = web.StreamResponse(headers=wire.headers() | {"Content-Length": str(len(body))})
    await response.prepare(request)
    await response.write(body[: max(1, len(body) // 2)])
    await asyncio.sleep(0.05)
    _sever(request, abruptly=True)
    return response


async def _drip(rule: Rule, request: web.Request, reply: Reply) -> web.StreamResponse:
    body = await _body(reply)
    response = web.StreamResponse(headers=wire.headers() | {"Content-Length": str(len(body))})
    await response.prepare(request)
    for byte in body:
        await response.write(bytes([byte]))
        await asyncio.sleep(rule.seconds or 1.0)
    return response


async def _flood(rule: Rule, request: web.Request, reply: Reply) -> web.StreamResponse:
    """An answer of `bytes` blanks (default 5 GB); with `gzip`, packed so that it is small on the wire."""
    size, piece = rule.bytes or 5_000_000_000, b" " * 65_536
    headers = wire.headers()
    if rule.gzip:
        packed = gzip.compress(piece * 16)
        headers |= {"Content-Encoding": "gzip"}
        parts, piece = size // (65_536 * 16) + 1, packed
    else:
        headers |= {"Content-Length": str(size // 65_536 * 65_536)}
        parts = size // 65_536
    response = web.StreamResponse(headers=headers)
    await response.prepare(request)
    for _ in range(parts):
        await response.write(piece)
    return response


ACTIONS: dict[str, Callable[[Rule, web.Request, Reply], Awaitable[web.StreamResponse]]] = {
    "latency": _latency,
    "stall": _stall,
    "error": _error,
    "text": _text,
    "empty": _text,
    "html": _html,
    "redirect": _redirect,
    "cut": _cut,
    "half": _half,
    "drip": _drip,
    "flood": _flood,
}
KNOWN_ERRORS = OF_THE_PAGE + OF_SISTER_PAGES


async def _body(reply: Reply) -> bytes:
    response = await reply()
    body = response.body if isinstance(response, web.Response) else b""
    return bytes(body) if isinstance(body, (bytes, bytearray)) else b"{}"


def _sever(request: web.Request, *, abruptly: bool) -> None:
    transport = request.transport
    if transport is None:
        return
    if abruptly:
        connection: socket.socket | None = transport.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    else:
        transport.close()


def _rule(given: Any) -> Rule:
    if not isinstance(given, dict):
        raise ValueError("a rule is a JSON object")  # noqa: TRY004
    members = {
        member.name: member for member in dataclasses.fields(Rule) if member.name not in {"seen", "used"}
    }
    for name, value in given.items():
        if name not in members:
            raise ValueError(f"a rule has no member {name!r}")
        kind = type(getattr(Rule(""), name))
        if not isinstance(value, (int, float) if kind is float else kind) or (
            isinstance(value, bool) and kind is not bool
        ):
            raise ValueError(f"{name} is {kind.__name__}")
        if isinstance(value, (int, float)) and not 0 <= value < 1e13:
            raise ValueError(f"{name} is no sensible number")
    if given.get("action") not in (*ACTIONS, *PUSH_ACTIONS):
        raise ValueError(f"action is one of {', '.join((*ACTIONS, *PUSH_ACTIONS))}")
    if given.get("status") and not 200 <= given["status"] <= 599:
        raise ValueError("status is 200 to 599")
    if any(letter in given.get("location", "") for letter in "\r\n"):
        raise ValueError("location is one line")
    return Rule(**given)
