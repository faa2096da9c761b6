"""The audit's way down to a day: by the calendar; Django's own reads every row to find the days that have any."""

from __future__ import annotations

import calendar
import datetime as dt
from typing import Any

from django import template
from django.utils.formats import date_format

register = template.Library()


@register.inclusion_tag("admin/dates.html")
def dates(changes: Any) -> dict[str, Any]:
    """Years, then months, then days as links of a change list."""
    name = changes.date_hierarchy
    parts = [f"{name}__{unit}" for unit in ("year", "month", "day")]
    chosen = [int(value) for part in parts if (value := str(changes.params.get(part, ""))).isdecimal()]

    def link(*values: int) -> str:
        return changes.get_query_string(dict(zip(parts, values, strict=False)), [f"{name}__"])

    match chosen:
        case []:
            times = changes.model.objects.values_list(name, flat=True)
            first, last = times.order_by(name).first(), times.order_by(f"-{name}").first()
            years = range(first.year, last.year + 1) if first else ()
            return {"choices": [{"link": link(year), "title": str(year)} for year in years]}
        case [year]:
            months = ((month, dt.date(2000, month, 1)) for month in range(1, 13))
            choices = [{"link": link(year, month), "title": date_format(day, "F")} for month, day in months]
            return {"back": {"link": link(), "title": "All dates"}, "choices": choices}
        case [year, month]:
            days = range(1, calendar.monthrange(year, month)[1] + 1)
            choices = [{"link": link(year, month, day), "title": str(day)} for day in days]
            return {"back": {"link": link(year), "title": str(year)}, "choices": choices}
    year, month, day = chosen[:3]
    back = {"link": link(year, month), "title": date_format(dt.date(year, month, 1), "YEAR_MONTH_FORMAT")}
    return {"back": back, "choices": [{"title": str(day)}]}
