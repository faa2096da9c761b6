"""Which devices a command will come to, as far as the catalogue knows; and what of a list is in doubt."""

from .doubtful import Doubts, doubts
from .estimate import NAMED, Part, Reach, reach
from .kinds import Command, Kind, fits
from .survey import FRESH_SECONDS, SHOWN, Named, counted, ids_of, survey_of

__all__ = [
    "FRESH_SECONDS", "NAMED", "SHOWN", "Command", "Doubts", "Kind", "Named", "Part", "Reach", "counted", "doubts",
    "fits", "ids_of", "reach", "survey_of",
]  # fmt: skip
