"""What in a list of device ids may be a mistake."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain, islice

from tasks import sets
from tasks.models import Application, Device, Profile

from .kinds import Kind, verdicts
from .survey import among

TOGETHER = 50_000
"""Ids that are looked up in one go, so that a list of any length takes little memory."""

Command = tuple[str, str]
"""Service and method."""


@dataclass(frozen=True)
class Doubts:
    """Ids of a list in its order, one a line: not in the catalogue; of another application; of a kind that lacks
    the command.
    """

    unknown: str
    foreign: str
    incompatible: str


def doubts(
    application: Application, ids: str, profile: Profile | None, command: Command | None = None
) -> Doubts:
    """What in a list, one id a line, may be a mistake. Nothing is, as long as the catalogue was not read.

    With a ``command`` a kind is incompatible when its own profile lacks it; without one, when it is not the kind of
    ``profile``.
    """
    if application.catalogue_at is None:
        return Doubts("", "", "")
    fits: dict[Kind, bool] = {}
    every, found = chain.from_iterable(sets.pieces(ids)), []
    while some := list(islice(every, TOGETHER)):
        found.append(_of_some(application, some, profile, command, fits))
    return Doubts(*("\n".join(filter(None, texts)) for texts in zip(*found, strict=True)))


def _of_some(
    application: Application,
    ids: list[str],
    profile: Profile | None,
    command: Command | None,
    fits: dict[Kind, bool],
) -> tuple[str, str, str]:
    rows = among(application.devices.all(), ids).order_by()
    kinds = {
        device_id: Kind(*kind)
        for device_id, *kind in rows.values_list("device_id", "device_type", "manufacturer_id", "model")
    }
    _learn(fits, set(kinds.values()) - fits.keys(), profile, command)
    unknown = [device_id for device_id in ids if device_id not in kinds]
    elsewhere = Device.objects.filter(application__in=Application.objects.exclude(pk=application.pk))
    others = set(among(elsewhere, unknown).values_list("device_id", flat=True)) if unknown else set()
    return (
        "\n".join(device_id for device_id in unknown if device_id not in others),
        "\n".join(device_id for device_id in unknown if device_id in others),
        "\n".join(device_id for device_id in ids if device_id in kinds and not fits[kinds[device_id]]),
    )


def _learn(
    fits: dict[Kind, bool], kinds: set[Kind], profile: Profile | None, command: Command | None
) -> None:
    if command is not None:
        fits |= {kind: knows is not False for kind, knows in verdicts(kinds, command).items()}
    else:
        own = profile and Kind(profile.device_type, profile.manufacturer_id, profile.model)
        fits |= {kind: own in (None, kind) for kind in kinds}
