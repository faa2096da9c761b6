"""Device ids as sets: each list is a text with one id a line, each once, and so is what comes of two of them.

A million ids are 37 MB as a text, 100 as a list of strings, and twice that as a set. Therefore lists stay texts, of
which some lines at a time become strings; only of one list there is a set, of ``PART`` ids at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import StrEnum
from itertools import chain, compress, islice

from django.conf import settings

PART = 250_000
"""Ids that are looked up in one go, 40 MB; for each go the other list is read once."""

PIECE = 1 << 16
"""Characters of a text whose lines are strings at the same time; more of them leave the processor's cache."""


class Operation(StrEnum):
    """What becomes of the ids at hand and of others."""

    INSTEAD = "instead"
    ADD = "add"
    BOTH = "both"
    WITHOUT = "without"
    OTHERS = "others"


class TooMany(Exception):
    """More ids than one task may list."""

    def __init__(self) -> None:
        super().__init__(f"More than {settings.MOST_DEVICES:,} devices are too many for one list.")


def combine(operation: Operation, ids: str, others: str) -> str:
    """Those at hand in their order, then others in theirs. Raises ``TooMany``."""
    match operation:
        case Operation.INSTEAD:
            return others
        case Operation.ADD:
            added = picked(others, _others_than(marks(others, ids)))
            if count(ids) + count(added) > settings.MOST_DEVICES:
                raise TooMany
            return "\n".join(filter(None, (ids, added)))
        case Operation.BOTH:
            return picked(ids, marks(ids, others))
        case Operation.WITHOUT:
            return picked(ids, _others_than(marks(ids, others)))
        case Operation.OTHERS:
            return picked(others, _others_than(marks(others, ids)))


def numbers(ids: str, others: str) -> dict[Operation, int]:
    """How many ids each operation would give."""
    mine, theirs, both = count(ids), count(others), marks(ids, others).count(1)
    return {
        Operation.ADD: mine + theirs - both,
        Operation.BOTH: both,
        Operation.WITHOUT: mine - both,
        Operation.OTHERS: theirs - both,
        Operation.INSTEAD: theirs,
    }


def count(ids: str) -> int:
    return ids.count("\n") + 1 if ids else 0


def marks(ids: str, others: str) -> bytes:
    """For each of ``ids`` in its order, 1 when it is among ``others`` and 0 when it is not."""
    rest, found = chain.from_iterable(pieces(others)), 0
    while part := set(islice(rest, PART)):
        found |= int.from_bytes(b"".join(_are_in(part.__contains__, piece) for piece in pieces(ids)))
    return found.to_bytes(count(ids))


def picked(ids: str, wanted: bytes) -> str:
    """The ids that are marked with 1."""
    parts, at = [], 0
    for piece in pieces(ids):
        parts.append("\n".join(compress(piece, wanted[at : at + len(piece)])))
        at += len(piece)
    return "\n".join(filter(None, parts))


def pieces(ids: str) -> Iterator[list[str]]:
    """All ids, a thousand or two at a time."""
    at = 0
    while at < len(ids):
        end = ids.find("\n", at + PIECE)
        yield ids[at : end if end >= 0 else None].split("\n")
        at = end + 1 or len(ids)


def _are_in(known: Callable[[str], bool], piece: list[str]) -> bytes:
    return bytes(map(known, piece))


def _others_than(marked: bytes) -> bytes:
    return marked.translate(bytes([1, 0, *range(2, 256)]))
