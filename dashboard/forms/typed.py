"""What was typed into the composer, on its way between a post, a draft, a link and a form."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.http import QueryDict

from .compose_fields import ComposeFields
from .parameters import PREFIX
from .source import FIELDS

SEVERAL = frozenset({"group_names", "group_ids", "tag_name", "tag_value", "from_came_to"})
"""Fields that come with several values; of others the last one counts."""

_DECLARED: frozenset[str] = frozenset(str(name) for name in ComposeFields.base_fields)
KEPT = _DECLARED - {"device_file"} | {"tag_name", "tag_value", "values_text", *FIELDS}
"""Names that a draft keeps, besides those of parameters."""

LONGEST_TABLE = 200_000
"""Characters of a table of values that was typed and is not read yet; a longer one is not kept with every keystroke."""

JOINED = frozenset({"group_names", "group_ids", "from_came_to"})
"""Those of them that a form starts with as lines."""


def kept(posted: QueryDict) -> dict[str, list[str]]:
    """Field name -> values: what a draft, a template and a link are made of."""
    return {
        name: [
            each.replace("\0", "")  # PostgreSQL does not keep it
            for each in (posted.getlist(name) if name in SEVERAL else [str(posted[name])])
        ]
        for name in posted
        if (name in KEPT or name.startswith(PREFIX))
        and (name != "values_text" or 0 < len(str(posted[name])) <= LONGEST_TABLE)
    }


def as_posted(values: Mapping[str, Sequence[str]]) -> QueryDict:
    """The post that these values were kept of."""
    data = QueryDict(mutable=True)
    for name, each in values.items():
        data.setlist(name, list(each))
    return data


def initial_of(posted: QueryDict) -> dict[str, Any]:
    """Field name -> what was typed. A missing checkbox was unchecked; of several values all are kept, one a line."""
    values: dict[str, Any] = {
        name: "\n".join(posted.getlist(name)) if name in JOINED else posted[name]
        for name in posted
        if name in KEPT or name.startswith(PREFIX)
    }
    return values | {"callback": "callback" in posted}


def posted(values: Mapping[str, Any], tags: Iterable[tuple[str, str]] = ()) -> QueryDict:
    """What a browser would post of a form that begins with these values and is not touched."""
    data = QueryDict(mutable=True)
    for name, value in values.items():
        if value is not None and value is not False:
            data[name] = "on" if value is True else str(value)
    rows = list(tags)
    data.setlist("tag_name", [name for name, _ in rows])
    data.setlist("tag_value", [value for _, value in rows])
    return data


def tags_of(data: QueryDict) -> list[tuple[str, str]]:
    """The rows of tags, also the empty ones."""
    names, values = data.getlist("tag_name"), data.getlist("tag_value")
    return [(name.strip(), value.strip()) for name, value in zip(names, values, strict=False)]
