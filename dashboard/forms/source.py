"""Where devices can be taken from besides typing, and what taking them would give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.utils.functional import cached_property
from django.utils.http import urlencode

from tasks import fleet, lists, sets
from tasks.lifecycle import NotOffered
from tasks.models import Application, DeviceList, NamedList, Task
from tasks.sets import Operation, TooMany

from . import offers

IDS, LIST, CATALOGUE, TASK = "ids", "list", "catalogue", "task"
TABS = ((IDS, "Paste or file"), (LIST, "Saved list"), (CATALOGUE, "Catalogue"), (TASK, "Another task"))
OF_CHOICE = {
    "from_text": "text", "from_status": "status", "from_location": "location", "from_group": "group",
    "from_last": "outcome",
}  # fmt: skip
"""Field -> what it says of a ``fleet.Choice``; ``from_kind`` says three things at once."""

FIELDS = ("devices_from", "from_column", "from_list", *OF_CHOICE, "from_kind", "from_task", "from_came_to")
"""Names in the form. What is chosen by them is kept with a draft, but is no part of a request."""

MISSING = {
    LIST: "Choose a list.",
    CATALOGUE: "Say which devices.",
    TASK: "Name a task, and which of its devices.",
}

MOST_LISTS, RECENT_TASKS = 500, 20


class Source(forms.Form):
    """Shows what was chosen so far; ``offer`` is what it comes to, ``problem`` why it could not be taken."""

    from_column = forms.CharField(
        label="Column", help_text="Heading or number. Empty: deviceId, or the first one."
    )
    from_list = forms.ChoiceField(label="List")
    from_text = forms.CharField(label="Id or name", help_text="How an id, a serial number or a name begins.")
    from_kind = forms.ChoiceField(label="Kind")
    from_status = forms.ChoiceField(label="Status")
    from_location = forms.CharField(
        label="Location", widget=forms.TextInput(attrs={"list": "known-locations"})
    )
    from_group = forms.ChoiceField(label="Group")
    from_last = forms.ChoiceField(label="Last command", choices=[("", "any"), *fleet.WORDS.items()])
    from_task = forms.CharField(
        label="Task", widget=forms.TextInput(attrs={"list": "recent-tasks", "placeholder": "its number"})
    )

    def __init__(
        self, application: Application | None, given: Mapping[str, Any], kept: DeviceList | None, user: User
    ) -> None:
        self.application, self.kept, self.user = application, kept, user
        self.given = {name: str(given.get(name) or "").replace("\0", "")[:4000].strip() for name in FIELDS}
        self.problem = ""
        super().__init__(initial=self.given, use_required_attribute=False)
        for each in self.fields.values():
            each.required = True  # none is: nothing says "optional" about all of them
        self._fill()

    @property
    def tab(self) -> str:
        """Where devices are taken from. To a list that is there already typed ids are not added."""
        asked = self.given["devices_from"]
        tabs = [name for name, _ in self.tabs]
        return asked if asked in tabs else tabs[0]

    @property
    def tabs(self) -> Sequence[tuple[str, str]]:
        return TABS[1:] if self.kept else TABS

    @property
    def missing(self) -> str:
        return self.problem or MISSING.get(self.tab, "")

    def _fill(self) -> None:
        if self.tab == LIST:
            self._choices(
                "from_list",
                "choose",
                [(str(each.pk), f"{each} ({each.count:,})") for each in self.saved_lists],
            )
        elif self.tab == CATALOGUE and self.facets:
            facets = self.facets
            self._choices(
                "from_kind",
                "any",
                [(offers.kind_key(kind), offers.kind_words(kind)) for kind in facets.kinds],
            )
            self._choices(
                "from_status",
                "any",
                [(name, f"{name} ({count:,})") for name, count in facets.statuses if name],
            )
            self._choices(
                "from_group",
                "any",
                [(each.group_id, f"{each.name} ({each.size:,})") for each in facets.groups],
            )

    def _choices(self, name: str, none: str, choices: list[tuple[str, str]]) -> None:
        given = self.given[name]
        if given and given not in dict(choices):
            shown = " · ".join(offers.kind_of(given).values()) or given
            choices = [*choices, (given, f"{shown} (not known)")]
        self.fields[name].choices = [("", none), *choices]  # type: ignore[attr-defined]

    # What the template asks

    @cached_property
    def saved_lists(self) -> list[NamedList]:
        return list(NamedList.objects.usable().filter(application=self.application)[:MOST_LISTS])

    @cached_property
    def facets(self) -> fleet.Facets | None:
        return fleet.facets(self.application) if self.application else None

    @property
    def is_read(self) -> bool:
        """Is there a catalogue to choose from?"""
        return self.application is not None and self.application.devices.exists()

    @cached_property
    def tasks(self) -> list[Task]:
        return list(
            Task.objects.for_lists().filter(application=self.application).order_by("-pk")[:RECENT_TASKS]
        )

    @cached_property
    def task(self) -> Task | None:
        number = self.given["from_task"].removeprefix("#")
        if not (number.isascii() and number.isdecimal() and len(number) < 19):
            return None
        return Task.objects.filter(pk=number, application=self.application).first()

    @cached_property
    def came_to(self) -> list[tuple[lists.Asked, bool]]:
        """What may be asked of the task's devices, and whether it is."""
        asked = self.given["from_came_to"].splitlines()
        return [(each, each.outcome in asked) for each in lists.asked_of(self.task)] if self.task else []

    @cached_property
    def offer(self) -> offers.Offer | None:
        """What is chosen so far; None while nothing is."""
        if self.application is None:
            return None
        if self.tab == LIST:
            found = next((each for each in self.saved_lists if str(each.pk) == self.given["from_list"]), None)
            return offers.of_list(found) if found else None
        if self.tab == CATALOGUE:
            given = {of: self.given[name] for name, of in OF_CHOICE.items()}
            choice = fleet.Choice.from_query(given | offers.kind_of(self.given["from_kind"]))
            return offers.of_catalogue(self.application, choice, self.query)
        if self.tab == TASK and self.task:
            return offers.of_task(self.task, self.given["from_came_to"].splitlines())
        return None

    @property
    def query(self) -> str:
        """The filter as an address asks for it."""
        names = (*OF_CHOICE, "from_kind")
        return urlencode(
            {"devices_from": CATALOGUE} | {name: self.given[name] for name in names if self.given[name]}
        )

    @cached_property
    def results(self) -> list[tuple[str, int, str]]:
        """Operation, how many devices it would give, and the words of its button."""
        if self.offer is None or not self.offer.count:
            return []
        if self.kept is None:
            return [(Operation.INSTEAD, self.offer.count, "Use these")]
        try:
            counted = sets.numbers(self.kept.text, self.offer.read())
        except (NotOffered, TooMany) as refusal:
            self.problem = str(refusal)
            return []
        offered = KEEP_VALUES if lists.has_values(self.kept) else WORDS
        return [
            (operation, counted[operation], words)
            for operation, words in WORDS.items()
            if operation in offered
        ]

    def take(self, operation: Operation) -> DeviceList | None:
        """The list that the operation gives, made of what is at hand; None with a ``problem`` when it cannot be."""
        if self.offer is None:
            self.problem = MISSING.get(self.tab, "Choose devices first.")
            return None
        if self.offer.kept is not None and (self.kept is None or operation == Operation.INSTEAD):
            return self.offer.kept
        try:
            ids = sets.combine(operation, self.kept.text if self.kept else "", self.offer.read())
        except (NotOffered, TooMany) as refusal:
            self.problem = str(refusal)
            return None
        if not ids:
            self.problem = "No device would be left." if self.kept else "There is no such device now."
            return None
        if self.kept is None or operation == Operation.INSTEAD:
            before = self.kept.pk if self.kept else None
            return made(ids, self.user, source=self.offer.words[:300], before=before, **self.offer.marks)
        words = STEPS[operation].format(words=self.offer.words)
        return step(self.kept, ids, self.user, words, is_part=operation in PARTS)


WORDS: dict[Operation, str] = {
    Operation.ADD: "Add them",
    Operation.WITHOUT: "Take them away",
    Operation.BOTH: "Keep only those in both",
    Operation.OTHERS: "Only them, without those above",
    Operation.INSTEAD: "Use them instead",
}

STEPS: dict[Operation, str] = {
    Operation.ADD: "with {words}",
    Operation.WITHOUT: "without {words}",
    Operation.BOTH: "only those also in {words}",
    Operation.OTHERS: "taken away from {words}",
}

PARTS = frozenset({Operation.WITHOUT, Operation.BOTH})
"""What leaves some of the devices at hand, and no others."""


KEEP_VALUES = PARTS | {Operation.INSTEAD}
"""What is offered for devices that have values of their own: others than those at hand would have none."""


def made(ids: str, author: User, **columns: Any) -> DeviceList:
    """A list of these ids, one a line, as the form carries it."""
    kept = DeviceList.of_text(author, ids, **columns)
    kept.save()
    return kept


def step(kept: DeviceList, ids: str, author: User, words: str, *, is_part: bool) -> DeviceList:
    """What is made of a list, with the way back. A part of a rerun's devices is its rerun, and keeps its values."""
    names = ("rerun_of", "rerun_outcomes", "rerun_filter")
    lineage = {name: getattr(kept, name) for name in names} if is_part else {}
    stepped = made(ids, author, source=kept.source, before=kept.pk, step=words[:300], **lineage)
    if is_part:
        lists.keep_values(kept, stepped)
    return stepped
