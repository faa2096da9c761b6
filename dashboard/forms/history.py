"""Filters of the history: a wrong value is named, and filters nothing."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django import forms
from django.contrib.auth import get_user_model
from django.db.models import Q, QuerySet
from django.utils import timezone

from dashboard.finding import Wanted, filtered
from tasks.models import Application, Family, Task
from tasks.platform import wire
from tasks.states import FINAL, MEANING, State
from tasks.targets import LABELS

EARLIEST, LATEST = dt.date(1970, 1, 1), dt.date(9999, 1, 1)
"""A day beyond these filters nothing."""

OPEN = "open"
OPEN_STATES = [state for state in State if state not in FINAL]


class HistoryFilter(forms.Form):
    text = forms.CharField(
        label="Search",
        required=False,
        widget=forms.TextInput(attrs={"type": "search", "placeholder": "name, taskID or #number"}),
    )
    state = forms.ChoiceField(
        required=False,
        choices=[("", "any state"), (OPEN, "not finished"), *((state, MEANING[state][0]) for state in State)],
    )
    application = forms.ModelChoiceField(
        Application.objects.all(), required=False, empty_label="any application"
    )
    author = forms.ModelChoiceField(
        get_user_model().objects.order_by("username"),
        required=False,
        empty_label="any operator",
        label="Operator",
    )
    target_type = forms.ChoiceField(
        label="Target", required=False, choices=[("", "any target"), *LABELS.items()]
    )
    method = forms.CharField(
        label="Command",
        required=False,
        max_length=wire.METHOD_MAX,
        widget=forms.TextInput(attrs={"placeholder": "any command"}),
    )
    since = forms.DateField(label="From", required=False, widget=forms.DateInput(attrs={"type": "date"}))
    until = forms.DateField(label="To", required=False, widget=forms.DateInput(attrs={"type": "date"}))
    family = forms.ModelChoiceField(Family.objects.all(), required=False, widget=forms.HiddenInput)
    failures = forms.BooleanField(label="with failed devices", required=False)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        since, until = cleaned.get("since"), cleaned.get("until")
        if since and until and since > until:
            self.add_error("until", "This day is before the first one.")
        return cleaned

    @property
    def wanted(self) -> Wanted:
        """What the valid filters ask for. Days are UTC."""
        self.is_valid()
        given = self.cleaned_data
        exact: dict[str, list[Any]] = {}
        for name in ("family", "application", "author", "target_type", "method"):
            if value := given.get(name):
                exact[name] = [getattr(value, "pk", value)]
        if state := given.get("state"):
            exact["state"] = OPEN_STATES if state == OPEN else [state]
        others = Q()
        if text := given.get("text"):
            if (named := _named_exactly(text)) is not None:
                exact = {"id": named} | exact
            else:
                by_number = Q(pk=int(text)) if _is_number(text) else Q()
                others &= Q(name__icontains=text) | by_number
        since, until = given.get("since"), given.get("until")
        return Wanted(
            exact=exact,
            others=others,
            failures=given.get("failures", False),
            since=_midnight(since) if since and since > EARLIEST else None,
            until=_midnight(until + dt.timedelta(days=1)) if until and until < LATEST else None,
        )

    def apply(self, tasks: QuerySet[Task]) -> QuerySet[Task]:
        """The tasks that pass every valid filter."""
        return filtered(tasks, self.wanted)

    @property
    def is_filtering(self) -> bool:
        return any(self.data.get(name) for name in self.fields)


def _named_exactly(text: str) -> list[int] | None:
    """The task that a #number or a taskID names; None when the text is neither."""
    if text.startswith("#") and _is_number(text[1:]):
        return [int(text[1:])]
    return list(Task.objects.filter(platform_task_id=text).values_list("pk", flat=True)[:1000]) or None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 18


def _midnight(day: dt.date) -> dt.datetime:
    return timezone.make_aware(dt.datetime.combine(day, dt.time.min), dt.UTC)
