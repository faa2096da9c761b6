"""How the platform reads and writes: JSON bodies, times, pages. Nothing here knows what a task is."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NoReturn

from aiohttp import web

from .errors import Error, Refused

CONTENT_TYPE = "application/json;charset=UTF-8"


def answer(body: Any, *, status: int = 200, nulls: bool = True) -> web.Response:
    """A JSON answer in one write, with the platform's headers; without `nulls`, None members are left out."""
    if not nulls:
        body = without_nulls(body)
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return web.Response(body=text.encode("utf-8", "replace"), status=status, headers=headers())


def refusal(error: Error) -> web.Response:
    """An error body: `error_code` then `error_desc`, both strings (facts 7)."""
    return answer({"error_code": error.code, "error_desc": error.desc}, status=error.status)


def bodiless(status: int) -> web.Response:
    """201, 204 and others without a body; those seen on the wire carry text/html (facts 0.6)."""
    return web.Response(status=status, headers=headers() | {"Content-Type": "text/html"})


def headers() -> dict[str, str]:
    trace = datetime.now(UTC).strftime("[%Y-%m-%d %H:%M:%S,%f")[:-3] + "]"
    return {"Content-Type": CONTENT_TYPE, "X-Frame-Options": "SAMEORIGIN", "m-trace": trace}


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_nulls(inner) for name, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [without_nulls(inner) for inner in value]
    return value


def parsed(raw: bytes) -> Any:
    """JSON of a UTF-8 body. Raises ValueError for all else: NaN, bottomless nesting, half a surrogate."""
    try:
        value = json.loads(raw.decode("utf-8"), parse_constant=_no_constant, parse_float=_finite)
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (UnicodeError, RecursionError) as wrong:
        raise ValueError("not a JSON document in UTF-8") from wrong
    return value


async def body_of(request: web.Request, code: str = "50400") -> dict[str, Any]:
    """The request's JSON object. Refused with `code` for anything else."""
    try:
        value = parsed(await request.read())
    except (ValueError, web.HTTPRequestEntityTooLarge) as wrong:
        raise Refused(code) from wrong
    if not isinstance(value, dict):
        raise Refused(code)
    return value


def text_of(body: Mapping[str, Any], name: str, code: str = "50400", *, longest: int = 256) -> str:
    """A mandatory string member of 1 to `longest` characters."""
    value = body.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= longest:
        raise Refused(code)
    return value


def number_of(query: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    """An integer of a query string; absent or empty is the default. Refused 100022 outside low..high."""
    text = query.get(name, "").strip()
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 12 or not low <= int(text) <= high:
        raise Refused("100022")
    return int(text)


def time_text(seconds: float) -> str:
    """Seconds since 1970 as `yyyyMMdd'T'HHmmss'Z'`, UTC (facts 0.4)."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y%m%dT%H%M%SZ")


def time_of(query: Mapping[str, str], name: str) -> float | None:
    """The inverse of `time_text` for a query string; Refused 100022 if it is no time."""
    text = query.get(name, "").strip()
    if not text:
        return None
    try:
        return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError as wrong:
        raise Refused("100022") from wrong


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:20]} is no number")
    return number
