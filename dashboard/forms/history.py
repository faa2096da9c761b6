"""Filters of the history: a wrong value is named, and filters nothing."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django import forms
from django.contrib.auth import get_user_model
from django.db.models import Q, QuerySet
from django.utils import timezone

from tasks.models import Application, Task
from tasks.states import MEANING, State
from tasks.targets import TargetType

OPEN = "open"


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
        label="Target", required=False, choices=[("", "any target"), *((kind, kind) for kind in TargetType)]
    )
    since = forms.DateField(label="From", required=False, widget=forms.DateInput(attrs={"type": "date"}))
    until = forms.DateField(label="To", required=False, widget=forms.DateInput(attrs={"type": "date"}))

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        since, until = cleaned.get("since"), cleaned.get("until")
        if since and until and since > until:
            self.add_error("until", "This day is before the first one.")
        return cleaned

    def apply(self, tasks: QuerySet[Task]) -> QuerySet[Task]:
        """The tasks that pass every valid filter. Days are UTC."""
        self.is_valid()
        wanted = self.cleaned_data
        if state := wanted.get("state"):
            tasks = tasks.filter(state__in=OPEN_STATES) if state == OPEN else tasks.filter(state=state)
        for name in ("application", "author", "target_type"):
            if value := wanted.get(name):
                tasks = tasks.filter(**{name: value})
        if since := wanted.get("since"):
            tasks = tasks.filter(created_at__gte=_midnight(since))
        if (until := wanted.get("until")) and until < dt.date.max:
            tasks = tasks.filter(created_at__lt=_midnight(until + dt.timedelta(days=1)))
        if text := wanted.get("text"):
            number = text.removeprefix("#")
            by_number = (
                Q(pk=int(number)) if number.isascii() and number.isdecimal() and len(number) < 18 else Q()
            )
            tasks = tasks.filter(Q(name__icontains=text) | Q(platform_task_id=text) | by_number)
        return tasks

    @property
    def is_filtering(self) -> bool:
        return any(self.data.get(name) for name in self.fields)


OPEN_STATES = [
    state for state in State if state in (State.QUEUED, State.SUBMITTING, State.UNCONFIRMED, State.RUNNING)
]


def _midnight(day: dt.date) -> dt.datetime:
    return timezone.make_aware(dt.datetime.combine(day, dt.time.min), dt.UTC)
