"""``manage.py prune`` beside a web process that keeps callbacks."""

import contextlib
import json
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.dashboard.site import REPOSITORY, environment, running_site, seeded

ROWS = 10_000
FILL = """
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
INSERT INTO tasks_result
    (task_id, device_id, command_id, status, error_code, error_text, source, unexpected, anonymous, conflict)
SELECT 1, 'meter-' || i, 'c', 'SUCCESSFUL', '', '', 'push', 0, 0, 0 FROM n
"""
END = "UPDATE tasks_task SET state = 'COMPLETE', listed = 1, finished_at = datetime('now', '-200 days') WHERE id = 1"


@pytest.mark.processes
def test_o11_callbacks_are_kept_while_a_prune_goes_on(tmp_path: Path) -> None:
    """O11: none waits long, and the audit is untouched. How long exactly is for ``make bench ARGS=keep``."""
    tokens = seeded(tmp_path)
    with contextlib.closing(sqlite3.connect(tmp_path / "muster.sqlite3")) as database, database:
        database.execute(FILL, [ROWS])
        database.execute(END)
        audit = database.execute("SELECT count(*) FROM tasks_transition").fetchone()
    with running_site(tmp_path, tmp_path, tokens) as site:
        prune = subprocess.Popen(
            [sys.executable, str(REPOSITORY / "manage.py"), "prune", "--json"],
            cwd=REPOSITORY, env=environment(tmp_path), stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        times = []
        while prune.poll() is None:
            started = time.monotonic()
            assert site.push(tokens[1], f"body {len(times)}".encode()) == 200
            times.append(time.monotonic() - started)
        told = json.loads(prune.communicate()[0])
        assert told["results"] == {"rows": ROWS, "all": True}
        assert len(times) > 20
        assert max(times) < 2
        assert len(site.bodies(tokens[1])) == len(times)
    with contextlib.closing(sqlite3.connect(tmp_path / "muster.sqlite3")) as database:
        assert database.execute("SELECT count(*) FROM tasks_transition").fetchone() == audit
        assert database.execute("SELECT count(*) FROM tasks_task").fetchone() == (4,)
        (mark,) = database.execute("SELECT results_pruned_at FROM tasks_task WHERE id = 1").fetchone()
    assert mark
