"""C27, G5: what was acknowledged survives kill -9 of everything; ``python -m tests.faults.pushes`` is the long form."""

from __future__ import annotations

import pytest

from .pushes import run


@pytest.mark.processes
@pytest.mark.faults
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_c27_no_acknowledged_push_is_lost_whatever_is_killed(database: str) -> None:
    assert run(database, pushes=6000, rate=400, every=(2, 4)) == []
