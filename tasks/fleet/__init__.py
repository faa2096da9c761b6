"""Choose devices from the catalogue: by text, kind, status, location, group, and what came of their last command."""

from .choice import WORDS, Choice, LastOutcome
from .faceting import MOST_GROUPS, Facets, Kind, facets
from .searching import Search, following, group_of, search, select

__all__ = [
    "MOST_GROUPS",
    "WORDS",
    "Choice",
    "Facets",
    "Kind",
    "LastOutcome",
    "Search",
    "facets",
    "following",
    "group_of",
    "search",
    "select",
]
