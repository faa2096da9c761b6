"""What a fault rule does to the answer of a call: one function for each action."""

from __future__ import annotations

import asyncio
import gzip
import socket
import struct
from collections.abc import Awaitable, Callable

from aiohttp import web

from . import wire
from .errors import BY_CODE, Error
from .faults import Rule

Reply = Callable[[], Awaitable[web.StreamResponse]]

BAD_GATEWAY = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
PIECE = 65_536


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
    body = await _body(reply) or b"{}"  # of an empty answer the first half would be the whole
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
    size, piece = rule.bytes or 5_000_000_000, b" " * PIECE
    headers = wire.headers()
    if rule.gzip:
        packed = gzip.compress(piece * 16)
        headers |= {"Content-Encoding": "gzip"}
        parts, piece = size // (PIECE * 16) + 1, packed
    else:
        headers |= {"Content-Length": str(size // PIECE * PIECE)}
        parts = size // PIECE
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
