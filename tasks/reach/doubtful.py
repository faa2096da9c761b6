"""What in a list of device ids may be a mistake."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain

from tasks import sets
from tasks.models import Application, Profile

from .kinds import Command, Kind, fits
from .survey import looked_up


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
    fitting: dict[tuple[str, ...], bool] = {}
    found = []
    for some, known, foreign in looked_up(application, chain.from_iterable(sets.pieces(ids))):
        new = {row[1:4] for row in known.values()} - fitting.keys()
        fitting.update(fits([Kind(*kind) for kind in new], profile, command).items())
        unknown = [device_id for device_id in some if device_id not in known]
        found.append(
            (
                "\n".join(device_id for device_id in unknown if device_id not in foreign),
                "\n".join(device_id for device_id in unknown if device_id in foreign),
                "\n".join(each for each in some if each in known and not fitting[known[each][1:4]]),
            )
        )
    return Doubts(*("\n".join(filter(None, texts)) for texts in zip(*found, strict=True)))
