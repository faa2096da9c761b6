"""What in a list of device ids may be a mistake."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain, islice

from tasks import sets
from tasks.models import Application, Profile

from .kinds import Command, Kind, fits
from .survey import TOGETHER, among, elsewhere


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
    known: dict[Kind, bool] = {}
    every, found = chain.from_iterable(sets.pieces(ids)), []
    while some := list(islice(every, TOGETHER)):
        found.append(_of_some(application, some, profile, command, known))
    return Doubts(*("\n".join(filter(None, texts)) for texts in zip(*found, strict=True)))


def _of_some(
    application: Application,
    ids: list[str],
    profile: Profile | None,
    command: Command | None,
    known: dict[Kind, bool],
) -> tuple[str, str, str]:
    rows = among(application.devices.all(), ids).order_by().values_list("device_id", *Kind._fields)
    kinds = {device_id: Kind(*kind) for device_id, *kind in rows}
    known |= fits(set(kinds.values()) - known.keys(), profile, command)
    unknown = [device_id for device_id in ids if device_id not in kinds]
    others = elsewhere(application, unknown)
    return (
        "\n".join(device_id for device_id in unknown if device_id not in others),
        "\n".join(device_id for device_id in unknown if device_id in others),
        "\n".join(device_id for device_id in ids if device_id in kinds and not known[kinds[device_id]]),
    )
