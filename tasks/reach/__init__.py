"""Which devices a command will come to, as far as the catalogue knows; and what of a list is in doubt."""

from .doubtful import Doubts, doubts
from .estimate import Part, Reach, reach
from .kinds import Kind
from .survey import FRESH_SECONDS, NAMED, ids_of

__all__ = ["FRESH_SECONDS", "NAMED", "Doubts", "Kind", "Part", "Reach", "doubts", "ids_of", "reach"]
