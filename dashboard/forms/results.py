"""The filter of a task's results: one object for the page, its count, the exports and a rerun."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from django import forms
from django.db import connection
from django.db.models import F, Q, QuerySet, TextField, Value
from django.db.models.functions import Cast, Coalesce
from django.db.models.lookups import Exact, GreaterThanOrEqual, IContains, In, LessThan

from dashboard.window import Part, Search
from dashboard.words import NO_ANSWER
from tasks.fleet import following
from tasks.models import Result, Task

LONGEST = 256

Column = Callable[[str], Any]
"""How a condition names a column of the table."""


class StatusesField(forms.MultipleChoiceField):
    """Any number of the platform's words, also those that are not known yet."""

    def valid_value(self, value: str) -> bool:
        return len(value) <= LONGEST and "\0" not in value

    def clean(self, value: Any) -> list[str]:
        chosen = dict.fromkeys(status for status in super().clean(value) if status)
        return ["" if status == NO_ANSWER else status for status in chosen]


class ResultFilter(forms.Form):
    """A wrong value is named, and filters nothing."""

    status = StatusesField(required=False)
    device = forms.CharField(
        label="Device id",
        required=False,
        max_length=LONGEST,
        widget=forms.TextInput(attrs={"type": "search", "placeholder": "whole, or how it begins"}),
    )
    text = forms.CharField(
        label="Text",
        required=False,
        max_length=LONGEST,
        widget=forms.TextInput(attrs={"type": "search", "placeholder": "in answers and errors"}),
    )
    error_code = forms.CharField(
        label="Error code", required=False, max_length=32, widget=forms.TextInput(attrs={"type": "search"})
    )
    flag = forms.ChoiceField(
        required=False,
        choices=[("", "any"), ("unexpected", "not on the list"), ("conflict", "contradicted")],
    )
    source = forms.ChoiceField(
        required=False, choices=[("", "any"), ("push", "pushed"), ("poll", "read from the platform")]
    )

    def apply(self, results: QuerySet[Result]) -> QuerySet[Result]:
        """The results that pass every valid filter."""
        return results.filter(*self._conditions(F).values())

    def search(self, task: Task) -> Search:
        """The same for one page: what an index serves, and what must be looked at row by row.

        Indexes, all of which begin with the task: result_unexpected, result_conflict,
        one_result_per_device_and_command for the device, result_by_error, result_by_status; result_by_task for none.
        """
        results, plain, opaque = task.results.all(), self._conditions(F), self._conditions(_opaque)
        served = next((name for name in SERVED if name in plain), None)
        checks = Q(*(condition for name, condition in opaque.items() if name != served))
        match served:
            case "device":
                since, end = self.cleaned_data["device"], following(self.cleaned_data["device"])
                order, until = ("device_id", "command_id"), (end,) if end else ()
                return Search([Part(results)], checks, order, (since,), until)
            case "status":
                parts = [Part(results, ("status",), (status,)) for status in self.cleaned_data["status"]]
            case "error_code":
                with_error = results.exclude(error_code="")
                parts = [Part(with_error, ("error_code",), (self.cleaned_data["error_code"],))]
            case "flag":
                parts = [Part(results.filter(plain["flag"]), (self.cleaned_data["flag"],), (True,))]
            case _:
                parts = [Part(Result.objects.all(), ("task_id",), (task.pk,))]
        return Search(parts, checks)

    @property
    def is_filtering(self) -> bool:
        return bool(self._conditions())

    @property
    def statuses(self) -> list[str] | None:
        """The chosen statuses when nothing else is asked for: then the task's own counts tell how many pass."""
        conditions = self._conditions()
        return self.cleaned_data.get("status", []) if conditions.keys() <= {"status"} else None

    def _conditions(self, column: Column = F) -> dict[str, Q]:
        """Field -> what it asks of a result; only of fields that were filled in and are valid."""
        self.is_valid()
        wanted = {name: value for name, value in self.cleaned_data.items() if value}
        return {name: CONDITIONS[name](column, value) for name, value in wanted.items()}


def _opaque(name: str) -> Any:
    """A text column so that no index is chosen for what is asked of it: the one that was chosen is the right one."""
    return Coalesce(name, Value(""))


def _begins(column: Column, device: str) -> Q:
    """By range, which unlike LIKE minds capitals and is served by an index on every database."""
    device_id, end = column("device_id"), following(device)
    return Q(GreaterThanOrEqual(device_id, device)) & (Q(LessThan(device_id, end)) if end else Q())


def _contains(column: Column, text: str) -> Q:
    """In an error, or in an answer: as words, or as the JSON that is shown."""
    found = Q(error_text__icontains=text)
    for form in {_stored(text), _stored(json.dumps(text, ensure_ascii=False)[1:-1])}:
        found |= Q(IContains(Cast("detail", TextField()), form))
    return found


def _stored(text: str) -> str:
    """As the database keeps it within JSON: SQLite has what is not ASCII as its escape, as Django wrote it."""
    if connection.vendor == "postgresql":
        return text
    return "".join(letter if letter.isascii() else json.dumps(letter)[1:-1] for letter in text)


CONDITIONS: dict[str, Callable[[Column, Any], Q]] = {
    "status": lambda column, statuses: Q(In(column("status"), statuses)),
    "device": _begins,
    "text": _contains,
    "error_code": lambda column, code: Q(Exact(column("error_code"), code)) & ~Q(error_code=""),
    "flag": lambda column, flag: Q(**{flag: True}),
    "source": lambda column, source: Q(source=source),
}
"""Field -> what it asks of a result. ~Q(error_code="") is there for the index, which has no others."""

SERVED = ("flag", "device", "error_code", "status")
"""Fields that an index serves, the narrowest first."""
