"""Two databases to measure pages on: a hundred rows of everything, and a million tasks with ten million results."""

from __future__ import annotations

from functools import partial

from django.contrib.auth.models import User
from django.core.management.color import no_style
from django.db.backends.base.base import BaseDatabaseWrapper

from tasks.models import Application, Result, Task
from tests.bench import rows
from tests.bench.databases import default_of, kept, load, opened, others_of, using, without_indexes
from tests.bench.rows import BIG, SMALL, Fleet, Size

__all__ = ["BIG", "SMALL", "database", "load", "opened", "using"]


def database(size: Size) -> BaseDatabaseWrapper:
    """A connection to the database of this size, which is made when there is none."""
    return kept(size.name, partial(_make, size), __file__, rows.__file__)


def _make(size: Size, wrapper: BaseDatabaseWrapper) -> None:
    people = [User(username=f"operator-{n:02d}") for n in range(39)]
    User.objects.bulk_create([User(username="root", is_superuser=True, is_staff=True), *people])
    for n in range(12):
        Application.objects.create(
            name=f"Plant {n:02d}", url="http://127.0.0.1:9", app_id=f"app-{n}", secret=""
        )
    fleet = Fleet(
        size,
        people=list(User.objects.order_by("id").values_list("id", flat=True)),
        applications=list(Application.objects.order_by("id").values_list("id", flat=True)),
    )
    with without_indexes(wrapper):
        for model, columns, made in fleet.tables():
            load(wrapper, model, columns, made)
        _load_results(wrapper, fleet)
    with wrapper.cursor() as cursor:
        for statement in wrapper.ops.sequence_reset_sql(no_style(), [Task]):
            cursor.execute(statement)


SERIES = """
    WITH RECURSIVE series(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM series WHERE n + 1 < %s)
    INSERT INTO number SELECT n FROM series
"""
RESULTS = """
    INSERT INTO tasks_result ({names})
    SELECT task, device, CASE status WHEN '' THEN '' ELSE {task} || device END, status,
           CASE status WHEN '' THEN NULL ELSE {detail} END, CASE status WHEN '' THEN '' ELSE 'push' END,
           CASE status WHEN '' THEN NULL ELSE at END, CASE status WHEN '' THEN NULL ELSE at END,
           CASE WHEN status IN ('', 'DELIVERED') THEN NULL ELSE at END{rest}
    FROM (SELECT task, n, {device} AS device, {at} AS at,
                 CASE WHEN running = 1 AND n %% 3 = 0 THEN '' ELSE CASE n * 40503 %% 65536 %% 100 {statuses} END END
                 AS status
          FROM share CROSS JOIN number WHERE n < many) AS made
    ORDER BY task, n
"""


def _load_results(wrapper: BaseDatabaseWrapper, fleet: Fleet) -> None:
    """Ten million rows take minutes to make in Python; the database makes them from one row for each task."""
    others = others_of(Result, rows.RESULT)
    if wrapper.vendor == "sqlite":
        hexed, at = "printf('%%0{}x', {})", "datetime(day, n %% 86400 || ' seconds')"
    else:
        hexed, at = (
            "lpad(to_hex({1}), {0}, '0')",
            "CAST(day AS timestamptz) + n %% 86400 * INTERVAL '1 second'",
        )
    first, last = (
        hexed.format(8, "n * (4294967295 / many)"),
        hexed.format(12, "n * 2654435761 %% 281474976710656"),
    )
    detail = """'{"v":1}'"""
    statement = RESULTS.format(
        names=", ".join((*rows.RESULT, *(field.column for field in others))),
        rest="".join(", %s" for _ in others),
        task=hexed.format(8, "task"),
        detail=detail if wrapper.vendor == "sqlite" else f"CAST({detail} AS jsonb)",
        device=f"{first} || '-91a3-4c44-9a0c-' || {last}",
        at=at,
        statuses=" ".join(f"WHEN {dice} THEN '{status}'" for dice, status in enumerate(rows.STATUSES)),
    )
    with wrapper.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE share (task bigint, many bigint, day text, running integer)")
        cursor.executemany("INSERT INTO share VALUES (%s, %s, %s, %s)", list(fleet.shares()))
        cursor.execute("CREATE TEMPORARY TABLE number (n bigint PRIMARY KEY)")
        cursor.execute(SERIES, [fleet.size.giant])
        cursor.execute(statement, [default_of(field, wrapper) for field in others])
        cursor.execute("DROP TABLE share")
        cursor.execute("DROP TABLE number")
