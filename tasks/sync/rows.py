"""Write what a page holds in one statement, whatever its length: rows that are new, and those that were there."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from django.db import connection, models

from tasks.models import Application, Device, Group, Membership


def upsert(
    model: type[models.Model], columns: Sequence[str], unique: Sequence[str], rows: list[list[Any]]
) -> None:
    """Insert ``rows``, or bring up to date those that ``unique`` finds; none of them may come twice."""
    quote = connection.ops.quote_name
    fields = [
        next(field for field in model._meta.concrete_fields if field.column == name) for name in columns
    ]
    values = ", ".join(_value(place, field) for place, field in enumerate(fields))
    changed = ", ".join(f"{quote(name)} = excluded.{quote(name)}" for name in columns if name not in unique)
    _run(
        f"INSERT INTO {quote(model._meta.db_table)} ({', '.join(map(quote, columns))}) "  # noqa: S608
        f"SELECT {values} FROM {_each()} WHERE true "
        f"ON CONFLICT ({', '.join(map(quote, unique))}) DO UPDATE SET {changed}",
        [json.dumps(rows, default=_text)],
    )


def join(application: Application, group: Group, ids: Iterable[str], *, seen_in: int) -> None:
    """Put the devices of these ids into the group; ids that the catalogue does not know are passed over.

    The cross join keeps SQLite from walking through the whole fleet for each page, and looking into the page instead.
    """
    item = "value" if connection.vendor == "sqlite" else "value #>> '{}'"
    _run(
        f"INSERT INTO {Membership._meta.db_table} (group_id, device_id, seen_in) "  # noqa: S608
        f"SELECT %s, device.id, %s FROM {_each()} "
        f"CROSS JOIN {Device._meta.db_table} device WHERE device.application_id = %s AND device.device_id = {item} "
        "ON CONFLICT (group_id, device_id) DO UPDATE SET seen_in = excluded.seen_in",
        [group.pk, seen_in, json.dumps(list(dict.fromkeys(ids))), application.pk],
    )


def _each() -> str:
    return (
        "json_each(%s)"
        if connection.vendor == "sqlite"
        else "jsonb_array_elements(%s::jsonb) AS fresh(value)"
    )


def _value(place: int, field: models.Field[Any, Any]) -> str:
    return (
        f"value ->> {place}"
        if connection.vendor == "sqlite"
        else f"(value ->> {place})::{field.db_type(connection)}"
    )


def _text(moment: Any) -> str:
    """A time as both databases keep it; whatever else JSON does not know is a mistake."""
    return str(connection.ops.adapt_datetimefield_value(moment))


def _run(statement: str, params: list[Any]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
