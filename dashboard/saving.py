"""The draft behind the composer's page: saved as one types, unless another page has saved it meanwhile."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field, replace
from datetime import datetime

from django.contrib.auth.models import User
from django.http import QueryDict

from dashboard.forms.links import Link, link_of
from dashboard.forms.typed import kept
from tasks.models import Draft, Overtaken


@dataclass(frozen=True)
class Saved:
    """What a page carries along of its draft: which one, the revision it knows, and which page it is."""

    key: uuid.UUID = field(default_factory=uuid.uuid4)
    revision: int = 0
    page: uuid.UUID = field(default_factory=uuid.uuid4)
    at: datetime | None = None
    link: Link | None = None
    overtaken: Overtaken | None = None


def of_draft(draft: Draft, user: User) -> Saved:
    """For a page that begins with this draft."""
    return Saved(draft.pk, draft.revision, at=draft.saved_at, link=link_of(draft.values, user))


def keep(posted: QueryDict, user: User, values: QueryDict | None = None) -> Saved:
    """Save what the page posted, or the ``values`` made of it; as a draft of its own when it asks for a copy."""
    given = kept(posted if values is None else values)
    page, key = _uuid(posted.get("page", "")), _uuid(posted.get("draft", ""))
    revision = posted.get("revision", "")
    known = Saved(
        key, int(revision) if revision.isascii() and revision.isdecimal() and len(revision) < 9 else 0, page
    )
    if "copy" in posted:
        known = Saved(page=page)
    if not given:
        return known
    known = replace(known, link=link_of(given, user))
    try:
        draft = Draft.objects.keep(user, known.key, given, revision=known.revision, page=page)
    except Overtaken as lost:
        return replace(known, overtaken=lost)
    return replace(known, revision=draft.revision, at=draft.saved_at)


def _uuid(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError:
        return uuid.uuid4()
