"""The sandbox's dice: the same seed and the same question always give the same answer."""

from __future__ import annotations

_MASK = 0xFFFFFFFFFFFFFFFF


def roll(*numbers: int) -> float:
    """A number in [0, 1) decided by the arguments alone."""
    state = 0x9E3779B97F4A7C15
    for number in numbers:
        state = ((state ^ number) * 0xBF58476D1CE4E5B9) & _MASK
        state ^= state >> 31
        state = (state * 0x94D049BB133111EB) & _MASK
        state ^= state >> 29
    return state / 2**64


def pick(shares: tuple[float, ...], at: float) -> int:
    """Which of the shares a number in [0, 1) falls into."""
    at *= sum(shares)
    for number, share in enumerate(shares):
        at -= share
        if at < 0:
            return number
    return max(number for number, share in enumerate(shares) if share > 0)
