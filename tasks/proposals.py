"""What is asked for at any door: looked at first, then sent. The one way in, for people and for scripts.

Doors: the composer (also begun with a template, an address, a draft or a copy), ``manage.py submit``, a rerun of one
task or over a family, on the site and on the command line.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from django.contrib.auth.models import User

from tasks import lifecycle
from tasks.catalogue import is_dangerous
from tasks.lifecycle import Proposal
from tasks.models import Task
from tasks.reach import Reach, reach
from tasks.underway import overlaps
from tasks.warnings import Concern, Facts, Severity, concerns


@dataclass(frozen=True)
class Prospect:
    """What to know before anything is sent: whom each command reaches, and what to beware of."""

    reaches: list[Reach]
    concerns: list[Concern]

    @property
    def reach(self) -> Reach | None:
        """Of the only command, or None."""
        return self.reaches[0] if len(self.reaches) == 1 else None

    @property
    def count(self) -> int | None:
        """Devices in all; None where it is not known."""
        counts = [reached.count for reached in self.reaches]
        return None if None in counts else sum(filter(None, counts))

    @property
    def cautions(self) -> list[Concern]:
        """What has to be acknowledged."""
        return [concern for concern in self.concerns if concern.severity == Severity.CAUTION]

    def unread(self, acknowledged: Collection[str]) -> list[Concern]:
        """Cautions whose keys are not among those that were acknowledged."""
        return [caution for caution in self.cautions if caution.key not in acknowledged]


class Unacknowledged(Exception):
    """Nothing was sent, for ``cautions`` are among what to beware of that nobody has acknowledged."""

    def __init__(self, cautions: list[Concern]) -> None:
        super().__init__("; ".join(caution.sentence for caution in cautions))
        self.cautions = cautions


def look(proposals: Sequence[Proposal]) -> Prospect:
    """The prospect of proposals whose targets are complete; the rest of them need not be yet.

    Those that send the same command to devices of lists are looked at as one.
    """
    reaches, found = [], []
    for proposal in _together(proposals):
        application, request, kept = proposal.application, proposal.whole, proposal.kept
        param = request["param"]
        command = param.get("command", {})
        parents = [parent.pk for parent in proposal.rerun.parents] if proposal.rerun else []
        reached = reach(application, param, kept)
        facts = Facts(
            application,
            request,
            callback=proposal.callback,
            reach=reached,
            overlaps=overlaps(application, param, reached, kept, besides=parents),
            is_dangerous=is_dangerous(
                proposal.profile, command.get("serviceId", ""), command.get("method", "")
            ),
        )
        reaches.append(reached)
        found += concerns(facts)
    return Prospect(reaches, found)


def send(
    author: User,
    proposals: Sequence[Proposal],
    prospect: Prospect,
    *,
    acknowledged: Collection[str] = (),
    key: uuid.UUID | None = None,
) -> list[Task]:
    """Queue all that is proposed, or nothing. ``prospect`` is how it looks now, ``acknowledged`` are keys of cautions.

    Raises ``Unacknowledged``, and what ``lifecycle.compose_family`` raises.
    """
    if unread := prospect.unread(acknowledged):
        raise Unacknowledged(unread)
    return lifecycle.compose_family(author, proposals, key=key)


def _together(proposals: Sequence[Proposal]) -> list[Proposal]:
    """Several proposals are reruns on lists of devices: for those with one command in common, one on all of them."""
    if len(proposals) == 1:
        return [*proposals]
    found = defaultdict(list)
    for each in proposals:
        command = each.request["param"]["command"]
        alike = command["serviceId"], command["method"], each.request["timeout"], each.callback
        found[each.application.pk, *alike].append(each)
    return [_one(alike) for alike in found.values()]


def _one(alike: Sequence[Proposal]) -> Proposal:
    first = alike[0]
    devices = [device for each in alike for device in each.request["param"]["deviceList"]]
    parents = tuple(parent for each in alike if each.rerun for parent in each.rerun.parents)
    return replace(
        first,
        request={**first.request, "param": {**first.request["param"], "deviceList": devices}},
        rerun=first.rerun and replace(first.rerun, parents=parents),
    )
