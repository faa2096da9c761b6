"""Drafts: saved as one types, found again, discarded and brought back; no page overwrites another silently."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from tasks.models import Draft, Task

from .pages import fields, text_of, words

pytestmark = pytest.mark.django_db

Typed = Callable[..., dict[str, Any]]
HTMX = {"HTTP_HX_REQUEST": "true"}


def carried(answer: Any) -> dict[str, str]:
    """What a page posts along of its draft."""
    held = fields(answer)
    return {name: held.value(name) for name in ("draft", "revision", "page")}


def save(desk: Client, page: Any, values: dict[str, Any]) -> Any:
    answer = desk.post("/compose/save/", values | carried(page), **HTMX)
    assert answer.status_code == 200
    return answer


def test_what_is_typed_is_saved_and_comes_back(desk: Client, typed: Typed) -> None:
    values = typed(
        target_type="GroupList", group_names=["night", "x\ny"], tag_name=["a"], tag_value=["b"], timeout="9"
    )
    saved = save(desk, desk.get("/compose/"), values | {"device_ids": "half-typ"})
    draft = Draft.objects.get()
    assert saved["HX-Replace-Url"] == f"/compose/?draft={draft.pk}"
    assert "Saved at" in words(saved)
    held = fields(desk.get(saved["HX-Replace-Url"]))
    assert held.value("group_names").split() == ["night", "x", "y"]
    assert (held.posted["tag_name"], held.posted["tag_value"]) == (["a"], ["b"])
    assert held.value("device_ids") == "half-typ"
    assert held.value("timeout") == "9"
    assert held.value("name") == "Close the valves"


def test_a_draft_keeps_nothing_but_the_forms_own_fields(desk: Client, typed: Typed) -> None:
    save(desk, desk.get("/compose/"), typed(state="COMPLETE", csrfmiddlewaretoken="x", add_tag="1"))
    assert not set(Draft.objects.get().values) & {"state", "csrfmiddlewaretoken", "add_tag", "draft", "page"}


def test_a_page_saves_again_and_again(desk: Client, typed: Typed) -> None:
    page = desk.get("/compose/")
    first = save(desk, page, typed(name="one"))
    late = save(desk, page, typed(name="two"))  # it did not yet know that it had saved
    save(desk, late, typed(name="three"))
    assert "Saved at" in words(first)
    assert Draft.objects.get().values["name"] == ["three"]
    assert Draft.objects.get().revision == 3


def test_of_two_pages_the_slower_is_told_and_can_keep_its_own(desk: Client, typed: Typed) -> None:
    begun = save(desk, desk.get("/compose/"), typed(name="begun"))
    address = begun["HX-Replace-Url"]
    one, other = desk.get(address), desk.get(address)
    save(desk, one, typed(name="mine"))
    lost = save(desk, other, typed(name="theirs"))
    assert "another page changed this draft at" in words(lost)
    assert "Saved at" not in words(lost)
    assert Draft.objects.get().values["name"] == ["mine"]
    again = save(desk, one, typed(name="mine, further"))
    assert "Saved at" in words(again)
    copied = save(desk, lost, typed(name="theirs", copy="1"))
    assert "Saved at" in words(copied)
    assert {draft.title for draft in Draft.objects.all()} == {"mine, further", "theirs"}
    assert copied["HX-Replace-Url"] != address


def test_taking_the_other_one_shows_it_as_it_was_saved(desk: Client, typed: Typed) -> None:
    begun = save(desk, desk.get("/compose/"), typed(name="begun"))
    other = desk.get(begun["HX-Replace-Url"])
    save(desk, begun, typed(name="newest"))
    lost = save(desk, other, typed(name="late"))
    assert f'href="{begun["HX-Replace-Url"]}"' in text_of(lost)
    assert fields(desk.get(begun["HX-Replace-Url"])).value("name") == "newest"


def test_a_review_of_a_page_that_was_overtaken_sends_nothing_and_loses_nothing(
    desk: Client, typed: Typed
) -> None:
    begun = save(desk, desk.get("/compose/"), typed(name="begun"))
    other = desk.get(begun["HX-Replace-Url"])
    save(desk, begun, typed(name="newest"))
    refused = desk.post("/compose/", typed(name="late", review="1") | carried(other))
    assert refused.status_code == 422
    assert "another page changed this draft" in words(refused)
    assert fields(refused).value("name") == "late"
    kept = desk.post("/compose/", fields(refused).posted | {"copy": "1"})
    assert "Saved at" in words(kept)
    assert Draft.objects.count() == 2


def test_what_changes_after_the_review_is_not_sent_unseen(desk: Client, typed: Typed) -> None:
    begun = save(desk, desk.get("/compose/"), typed())
    address = desk.post("/compose/", typed(review="1") | carried(begun))["Location"]
    review = desk.get(address)
    save(desk, begun, typed(timeout="61"))
    refused = desk.post(address, {"revision": fields(review).value("revision")})
    assert refused.status_code == 422
    assert "changed on another page since you reviewed it" in words(refused)
    assert "61 minutes" in words(refused)
    assert Task.objects.count() == 0
    done = desk.post(address, {"revision": fields(refused).value("revision")})
    assert done.status_code == 302
    assert Task.objects.get().timeout == 61


def test_a_draft_that_became_a_task_leaves_the_list_and_its_open_page_is_told(
    desk: Client, typed: Typed
) -> None:
    begun = save(desk, desk.get("/compose/"), typed(name="Only once"))
    assert "Only once" in words(desk.get("/drafts/"))
    desk.post(desk.post("/compose/", typed(name="Only once", review="1") | carried(begun))["Location"])
    assert "No drafts" in words(desk.get("/drafts/"))
    late = save(desk, begun, typed(name="Only once, changed"))
    assert f"became task #{Task.objects.get().pk}" in words(late)
    assert Draft.objects.count() == 0
    save(desk, late, typed(name="Another", copy="1"))
    assert Draft.objects.get().title == "Another"


def test_redrawing_saves_too(desk: Client, typed: Typed) -> None:
    """As without JavaScript."""
    page = desk.post("/compose/", typed(target_type="DeviceArea", device_location="Hall", redraw="1"))
    draft = Draft.objects.get()
    assert fields(page).value("draft") == str(draft.pk)
    assert draft.values["device_location"] == ["Hall"]
    assert page["HX-Replace-Url"] == f"/compose/?draft={draft.pk}"
    desk.post("/compose/", fields(page).posted | {"device_location": ["Yard"], "redraw": ["1"]})
    assert Draft.objects.get().values["device_location"] == ["Yard"]


def test_a_review_that_finds_mistakes_saves_them_too(desk: Client, typed: Typed) -> None:
    page = desk.post("/compose/", typed(timeout="9", review="1"))
    assert page.status_code == 422
    assert Draft.objects.get().values["timeout"] == ["9"]
    assert len(Draft.objects.get().values["device_list"][0]) == 36


def test_drafts_are_discarded_and_brought_back(desk: Client, typed: Typed) -> None:
    begun = save(desk, desk.get("/compose/"), typed(name="Perhaps"))
    draft = Draft.objects.get()
    gone = desk.post(f"/drafts/{draft.pk}/discard/", follow=True)
    assert "Discarded “Perhaps”. Undo" in words(gone)
    assert "No drafts" in words(gone)
    told = save(desk, begun, typed(name="Perhaps not"))
    assert "discarded on another page" in words(told)
    back = desk.post(f"/drafts/{draft.pk}/restore/", follow=True)
    assert "Perhaps" in words(back)
    assert "Continue" in words(back)


def test_the_composer_offers_to_go_on_with_a_draft(desk: Client, typed: Typed) -> None:
    assert "Go on with a draft" not in words(desk.get("/compose/"))
    save(desk, desk.get("/compose/"), typed(name="", method="SET"))
    page = desk.get("/compose/")
    assert "Go on with a draft: “SET”" in words(page)
    assert f"/compose/?draft={Draft.objects.get().pk}" in text_of(page)


def test_a_draft_of_somebody_else_is_neither_shown_nor_overwritten(
    desk: Client, browser_of: Callable[..., Client], typed: Typed
) -> None:
    page = desk.get("/compose/")
    save(desk, page, typed(name="mine"))
    draft = Draft.objects.get()
    other = browser_of("admin")
    answer = other.post("/compose/save/", typed(name="stolen", **carried(page)), **HTMX)
    assert "Not saved" in words(answer)
    assert "mine" not in words(other.get("/drafts/"))
    for act in ("discard", "restore"):
        assert other.post(f"/drafts/{draft.pk}/{act}/").status_code == 404
    assert Draft.objects.get().values["name"] == ["mine"]


def test_nothing_typed_is_no_draft(desk: Client, typed: Typed) -> None:
    desk.get("/compose/")
    desk.post("/compose/save/", {"draft": str(uuid.uuid4())}, **HTMX)
    assert Draft.objects.count() == 0


@pytest.mark.parametrize("odd", ["", "x", "-1", "9" * 40, "²", "\x00"])
def test_odd_keys_and_revisions_save_nevertheless(odd: str, desk: Client, typed: Typed) -> None:
    answer = desk.post("/compose/save/", typed(draft=odd, revision=odd, page=odd), **HTMX)
    assert "Saved at" in words(answer)
    assert Draft.objects.count() == 1
