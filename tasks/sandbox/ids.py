"""Ids that carry their own number: no table is kept, and an invented id is told from a real one.

An id is a version 4 UUID whose first six bytes are a masked number below 2**48 and whose other ten are its
keyed checksum. Devices and groups show it with dashes, commands as 32 hex digits (facts 0.5).
"""

from __future__ import annotations

import hashlib
import secrets


def sealed(number: int, kind: str, seed: int) -> str:
    """The id, 32 hex digits, of a number of one kind."""
    raw = number.to_bytes(6, "big")
    tag = _checksum(raw, kind, seed)
    masked = int.from_bytes(raw, "big") ^ _mask(tag, kind, seed)
    return masked.to_bytes(6, "big").hex() + tag.hex()


def unsealed(text: str, kind: str, seed: int) -> int | None:
    """The number in an id of 32 hex digits, or None if we never made it."""
    try:
        both = bytes.fromhex(text)
    except ValueError:
        return None
    if len(both) != 16 or text != both.hex():
        return None
    tag = both[6:]
    number = int.from_bytes(both[:6], "big") ^ _mask(tag, kind, seed)
    return number if _checksum(number.to_bytes(6, "big"), kind, seed) == tag else None


def dashed(digits: str) -> str:
    """32 hex digits written as a UUID."""
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def undashed(text: str) -> str:
    """The 32 digits of a UUID with dashes; anything else becomes the empty string."""
    digits = text.replace("-", "")
    return digits if len(digits) == 32 and dashed(digits) == text else ""


def new_task_id() -> str:
    """24 hex digits, as the platform's `taskID` is."""
    return secrets.token_hex(12)


def _checksum(raw: bytes, kind: str, seed: int) -> bytes:
    digest = bytearray(hashlib.blake2b(raw, digest_size=10, key=f"{kind}{seed}".encode()[:64]).digest())
    digest[0] = 0x40 | digest[0] & 0x0F
    digest[2] = 0x80 | digest[2] & 0x3F
    return bytes(digest)


def _mask(tag: bytes, kind: str, seed: int) -> int:
    digest = hashlib.blake2b(tag, digest_size=6, key=f"mask{kind}{seed}".encode()[:64]).digest()
    return int.from_bytes(digest, "big")
