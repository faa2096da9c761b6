"""How figures are printed: medians with their range, a ratio to the baseline of the same run, and the goal."""

from __future__ import annotations

import os
import platform
import sqlite3
import statistics
import sys
from collections.abc import Sequence


def machine() -> str:
    """The machine in one line, as figures must carry it."""
    versions = f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    return f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, {versions}"


def spread(values: Sequence[float], unit: str = "") -> str:
    """``median unit [least to most]``."""
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{_number(middle)}{unit} [{_number(low)} to {_number(high)}]"


def ratio(values: Sequence[float], baselines: Sequence[float]) -> float:
    """The median of the ratios of rounds that were run in turns."""
    return statistics.median(value / base for value, base in zip(values, baselines, strict=True))


def line(what: str, figure: str, goal: str = "", *, met: bool | None = None) -> None:
    """One row of the report."""
    verdict = "" if met is None else "  ok" if met else "  MISSED"
    sys.stdout.write(f"{what:<58} {figure:<34} {goal}{verdict}\n")
    sys.stdout.flush()


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
