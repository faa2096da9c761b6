"""S30: a diagonal of the crash matrix; ``make faults RUNS=20`` runs the whole of it."""

from __future__ import annotations

import pytest

from .matrix import crash, running

DIAGONAL = [
    ("sqlite", "embedded", ("P1", "P4", "P7")),
    ("postgresql", "redis", ("P2", "P5", "P0")),
    ("postgresql", "rabbitmq", ("P3", "P6")),
]


@pytest.mark.processes
@pytest.mark.faults
@pytest.mark.parametrize(("database", "broker", "points"), DIAGONAL)
def test_s30_a_worker_killed_at_any_point_neither_doubles_nor_loses(database, broker, points):
    with running(database, broker) as site:
        site.start_worker()
        broken = [what for point in points for what in crash(site, point).broken]
        assert broken == []
