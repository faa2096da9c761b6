"""What templates need beyond Django: times people can read, states with their words, and one query string."""

from __future__ import annotations

import datetime as dt
import json
from itertools import chain, groupby
from operator import itemgetter
from typing import Any

from django import template
from django.http import QueryDict
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from dashboard import words
from tasks.lifecycle.lineage import words_of
from tasks.lifecycle.words import remedy as remedy_of
from tasks.models import Group, Task
from tasks.states import MEANING, State
from tasks.targets import LABELS, TargetType

register = template.Library()
register.filter("spoken", words.spoken)

TONES: dict[State, str] = {
    State.QUEUED: "calm",
    State.SUBMITTING: "busy",
    State.RUNNING: "busy",
    State.UNCONFIRMED: "warn",
    State.COMPLETE: "good",
    State.TIMED_OUT: "warn",
    State.REFUSED: "bad",
    State.CANCELLED: "calm",
    State.ABANDONED: "warn",
}


@register.filter
def when(moment: dt.datetime | None) -> SafeString | str:
    """The moment in UTC; the page's script shows it in the reader's own time zone, with UTC on hover."""
    if moment is None:
        return "–"
    utc = moment.astimezone(dt.UTC)
    return format_html(
        '<time datetime="{}">{}</time>',
        utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
        utc.strftime("%Y-%m-%d %H:%M:%S UTC"),
    )


@register.filter
def clock(moment: dt.datetime) -> SafeString:
    """The time of day in UTC; the page's script shows it in the reader's own time zone."""
    utc = moment.astimezone(dt.UTC)
    return format_html(
        '<time datetime="{}" data-clock>{}</time>',
        utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
        utc.strftime("%H:%M UTC"),
    )


@register.filter
def ago(moment: dt.datetime | None) -> str:
    """How long ago, in the largest unit that says something."""
    if moment is None:
        return "–"
    seconds = int((timezone.now() - moment).total_seconds())
    for length, word in ((86400, "d"), (3600, "h"), (60, "min")):
        if abs(seconds) >= length:
            return f"{seconds // length} {word} ago"
    return "just now" if seconds < 5 else f"{seconds} s ago"


@register.filter
def state(value: str) -> SafeString:
    """The state's label as a badge; its colour never stands alone."""
    known = State(value)
    label, meaning = MEANING[known]
    return format_html('<span class="badge {}" title="{}">{}</span>', TONES[known], meaning, label)


@register.filter
def short(name: object, most: int = 72) -> SafeString:
    """A name with a direction of its own; of one wider than ``most`` letters the two ends, and all of it on hover.

    A Chinese letter is as wide as two Latin ones. The end tells the parts of a family apart.
    """
    name = str(name)
    shown = words.shortened(name, most)
    return (
        format_html('<bdi title="{}">{}</bdi>', name, shown)
        if shown != name
        else format_html("<bdi>{}</bdi>", name)
    )


@register.filter
def aim(target_type: str) -> str:
    """The target type as the composer names it."""
    return LABELS[TargetType(target_type)]


@register.filter
def in_minutes(minutes: int) -> str:
    """A length as the platform takes it, and as people do: ``1,440 minutes (1 day)``."""
    spoken = words.spoken(dt.timedelta(minutes=minutes))
    plain = f"{minutes:,} minute{'' if minutes == 1 else 's'}"
    return plain if plain == spoken else f"{plain} ({spoken})"


@register.filter
def device_status(value: str) -> SafeString:
    """A device's status as a badge, with what it means on hover."""
    label, tone, meaning = words.device_status(value)
    return format_html('<span class="badge {}" title="{}">{}</span>', tone, meaning, label)


@register.filter
def after_minutes(minutes: int) -> dt.datetime:
    """The moment so many minutes from now."""
    return timezone.now() + dt.timedelta(minutes=minutes)


@register.simple_tag
def remedy(task: Task) -> str:
    """What can be done about the last failure of a task."""
    return remedy_of(task)


@register.simple_tag(takes_context=True)
def url_with(context: dict[str, Any], **changes: Any) -> str:
    """The present query string with some values changed; empty ones are left out."""
    query: QueryDict = context["request"].GET.copy()
    for passing in ("before", "after", "seen", "waited"):
        query.pop(passing, None)
    for name, value in changes.items():
        if value in (None, ""):
            query.pop(name, None)
        else:
            query[name] = value
    return "?" + query.urlencode()


@register.filter
def share(part: int, whole: int) -> str:
    """Per cent with one decimal; a few are never shown as none, nor nearly all as all."""
    if not whole:
        return "0\N{NO-BREAK SPACE}%"
    per_cent = round(part / whole * 100, 1)
    if part and not per_cent:
        words = "< 0.1"
    elif part < whole and per_cent >= 100:
        words = "> 99.9"
    else:
        words = f"{per_cent:.1f}".removesuffix(".0")
    return f"{words}\N{NO-BREAK SPACE}%"


@register.filter
def utc(moment: dt.datetime | None, shape: str = "%Y-%m-%d %H:%M:%S %Z") -> str:
    """The moment in the site's zone as plain text, for what is read on paper and next to pictures."""
    return "–" if moment is None else f"{timezone.localtime(moment):{shape}}"


@register.filter
def as_json(value: Any) -> str:
    """The value as the platform sent it: JSON, with its text readable."""
    return json.dumps(value, ensure_ascii=False)


@register.filter
def thousands(number: int) -> str:
    """The number with a comma at every thousand."""
    return f"{number:,}"


@register.filter
def origin(task: Task) -> str:
    """Which of its parent's devices a rerun is for."""
    return words_of(task.rerun_outcomes)


@register.filter
def access(method: str) -> str:
    """What can be done with a property, in words: the profile says R, W and E."""
    words_by_letter = {"R": "read", "W": "written", "E": "reported"}
    return ", ".join(word for letter, word in words_by_letter.items() if letter in method.upper())


@register.simple_tag
def danger_of(dangers: dict[tuple[str, str], Any], service_id: str, method: str) -> Any:
    """The mark of a command; None when it has none."""
    return dangers.get((service_id, method))


@register.filter
def options(groups: list[tuple[str | None, list[dict[str, Any]], int]]) -> SafeString:
    """A select's options: there may be hundreds, and a template takes ten times as long for each."""
    found = []
    for label, several in groupby(groups, key=itemgetter(0)):
        every = chain.from_iterable(each for _, each, _ in several)
        rows = ((each["value"], " selected" if each["selected"] else "", each["label"]) for each in every)
        inner = format_html_join("\n", '<option value="{}"{}>{}</option>', rows)
        found.append(format_html('<optgroup label="{}">{}</optgroup>', label, inner) if label else inner)
    return format_html_join("\n", "{}", ((each,) for each in found))


@register.filter
def ticks(rows: list[tuple[str, Group, bool]], name: str) -> SafeString:
    """A checkbox of this name for each group: value, group, whether it is ticked. There may be hundreds, too."""
    return format_html_join("\n", "{}", ((_tick(name, *row),) for row in rows))


def _tick(name: str, value: str, group: Group, is_chosen: bool) -> SafeString:  # noqa: FBT001
    chosen = '<input type="checkbox" name="{}" value="{}" checked>'
    plain = '<input type="checkbox" name="{}" value="{}">'
    return format_html(
        '<label class="choice">{} <bdi>{}</bdi> <span class="quiet">{} device{}</span></label>',
        format_html(chosen if is_chosen else plain, name, value),
        group.name,
        f"{group.size:,}",
        "" if group.size == 1 else "s",
    )
