"""Where devices can be taken from besides typing, and what taking them would give."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.utils.functional import cached_property
from django.utils.http import urlencode

from dashboard.paging import number
from tasks import fleet, lists
from tasks.models import Application, DeviceList, NamedList, Task
from tasks.sets import Operation

from . import offers, operations
from .given_devices import GivenDevices

IDS, LIST, CATALOGUE, TASK = "ids", "list", "catalogue", "task"
TABS = ((IDS, "Paste or file"), (LIST, "Saved list"), (CATALOGUE, "Catalogue"), (TASK, "Another task"))
OF_CHOICE = {
    "from_text": "text", "from_status": "status", "from_location": "location", "from_group": "group",
    "from_last": "outcome",
}  # fmt: skip
"""Field -> what it says of a ``fleet.Choice``; ``from_kind`` says three things at once."""

OF_TAB: dict[str, tuple[str, ...]] = {
    IDS: ("from_column", "from_ids", "from_pasted"),
    LIST: ("from_list",),
    CATALOGUE: (*OF_CHOICE, "from_kind"),
    TASK: ("from_task", "from_came_to"),
}
FIELDS = ("devices_from", *chain.from_iterable(OF_TAB.values()))
"""Names in the form. What is chosen by them is kept with a draft, but is no part of a request."""

LONGEST = {"from_ids": 5_000_000}
"""Characters that are taken of a field; of others 4,000."""

MISSING = {
    IDS: "Paste ids or choose a file.",
    LIST: "Choose a list.",
    CATALOGUE: "Choose at least one filter.",
    TASK: "Name a task, and which of its devices.",
}

MOST_LISTS, RECENT_TASKS = 500, 20


class Source(forms.Form):
    """Shows what was chosen so far; ``offer`` is what it comes to, ``problem`` why it could not be taken."""

    tabs = TABS

    from_column = forms.CharField(
        label="Column", help_text="Heading or number. Empty: deviceId, or the first one."
    )
    from_ids = forms.CharField(
        label="Device ids",
        widget=forms.Textarea(attrs={"rows": 5, "class": "code", "spellcheck": "false", "wrap": "off"}),
        help_text="One a line, or separated by blanks, commas or semicolons.",
    )
    from_file = forms.FileField(
        label="or a file", widget=forms.FileInput(attrs={"accept": ".csv,.txt,text/csv,text/plain"})
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
        label="Task",
        widget=forms.TextInput(attrs={"list": "recent-tasks"}),
        help_text="Its number, which stands beside its name (#12). The latest are offered as you type.",
    )

    def __init__(
        self, application: Application | None, given: Mapping[str, Any], kept: DeviceList | None, user: User
    ) -> None:
        self.application, self.kept, self.user = application, kept, user
        self.given = {
            name: str(given.get(name) or "").replace("\0", "")[: LONGEST.get(name, 4000)].strip()
            for name in FIELDS
        }
        self.pasted = GivenDevices(user, self.given["from_pasted"])
        self.problem = ""
        super().__init__(initial=self.given, use_required_attribute=False)
        for each in self.fields.values():
            each.required = True  # none is: nothing says "optional" about all of them
        self._fill()

    def read(self, file: Any = None, *, only_good: bool = False) -> None:
        """Take what was pasted or uploaded to be added to the list at hand, or taken away from it."""
        self.pasted.read(self.given["from_ids"], file, self.given["from_column"])
        if only_good:
            self.pasted.accept_good()
        kept, parsed = self.pasted.kept, self.pasted.parsed
        text = "" if kept else (parsed and parsed.text) or self.given["from_ids"]
        self.given |= {"from_pasted": str(kept.pk) if kept else "", "from_ids": text}
        self.initial = self.given

    @property
    def tab(self) -> str:
        """Where devices are taken from."""
        asked = self.given["devices_from"]
        return asked if asked in OF_TAB else IDS

    @property
    def carried(self) -> list[tuple[str, str]]:
        """What was chosen on the tabs that are not shown."""
        return [
            (name, line)
            for tab, names in OF_TAB.items()
            if tab != self.tab
            for name in names
            for line in (self.given[name].splitlines() if name == "from_came_to" else [self.given[name]])
            if line
        ]

    @property
    def missing(self) -> str:
        return self.problem or MISSING[self.tab]

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
            if facets.suggested_groups:
                typed = forms.TextInput(attrs={"list": "suggested-groups"})
                self.fields["from_group"] = forms.CharField(
                    label="Group", help_text="Its name or id.", widget=typed
                )
            else:
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
        pk = number(self.given["from_task"].removeprefix("#"))
        return Task.objects.filter(pk=pk, application=self.application).first() if pk else None

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
        if self.tab == IDS:
            return offers.of_pasted(self.pasted.kept) if self.pasted.kept else None
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
        given = {name: self.given[name] for name in OF_TAB[CATALOGUE] if self.given[name]}
        return urlencode({"devices_from": CATALOGUE} | given)

    @cached_property
    def results(self) -> list[tuple[Operation, int, str]]:
        """What may be done with the offer and the list at hand: how many devices it gives, and the button's words."""
        if self.kept is None or self.offer is None or not self.offer.count:
            return []
        try:
            return operations.counted(self.kept, self.offer)
        except operations.Refused as refusal:
            self.problem = str(refusal)
            return []

    def take(self, operation: Operation) -> DeviceList | None:
        """The list that the operation gives, made of what is at hand; None with a ``problem`` when it cannot be."""
        if self.offer is None:
            self.problem = MISSING[self.tab]
            return None
        try:
            return operations.carried_out(operation, self.kept, self.offer, self.user)
        except operations.Refused as refusal:
            self.problem = str(refusal)
            return None
