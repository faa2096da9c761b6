"""What is uploaded is imported or answered with a sentence, through the whole site and into the database."""

import copy
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.models import Profile
from tasks.sandbox.catalogue import ROOT
from tests.tasks.profiles.samples import REAL

pytestmark = pytest.mark.django_db

FOLDERS = [
    path for folder in (ROOT, REAL) if folder.is_dir() for path in sorted(folder.iterdir()) if path.is_dir()
]
STRANGE: list[Any] = [
    None, "", "\0", "\ud800", "x" * 300, "x" * 5000, "NaN", 1e308, -1, 10**40, True, [], {}, [None], {"a": 1},
    "WaterMeter", "string list", ["a", 1, None], "<script>", "名" * 257,
]  # fmt: skip


def documents(folder: Path) -> dict[str, Any]:
    """The JSON files of a profile, parsed where they can be; those of real profiles are as odd as they are."""
    found = {}
    for file in sorted(folder.rglob("*.json*")):
        text = file.read_bytes().decode("utf-8-sig")
        found[f"{folder.name}/{file.relative_to(folder).as_posix()}"] = (
            json.loads(text) if text.strip() else ""
        )
    return found


def places(node: Any) -> Iterator[tuple[Any, Any]]:
    for key, value in list(node.items() if isinstance(node, dict) else enumerate(node)):
        yield node, key
        if isinstance(value, dict | list):
            yield from places(value)


def packed(files: dict[str, Any]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in files.items():
            text = content if isinstance(content, str) else json.dumps(content)
            archive.writestr(path, text.encode("utf-8", "replace"))
    return file.getvalue()


def upload(desk: Client, name: str, data: bytes) -> list[Any]:
    answer = desk.post("/catalogue/profiles/", {"profiles": [SimpleUploadedFile(name, data)]})
    assert answer.status_code == 302
    said = list(get_messages(answer.wsgi_request))
    assert said, "neither an import nor a sentence"
    assert all(str(message).endswith(".") for message in said if message.level_tag == "error")
    return said


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_real_profile_is_imported_and_shown(desk: Client, folder: Path) -> None:
    said = upload(desk, f"{folder.name}.zip", packed(documents(folder)))
    assert {message.level_tag for message in said} == {"success"}
    for profile in Profile.objects.all():
        assert desk.get(profile.get_absolute_url()).status_code == 200


@settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.data())
def test_a_mutated_profile_is_imported_or_answered_with_a_sentence(desk: Client, data: st.DataObject) -> None:
    """200 of them, and whatever is imported can be shown and composed with."""
    files = copy.deepcopy(documents(data.draw(st.sampled_from(FOLDERS))))
    for _ in range(data.draw(st.integers(1, 4))):
        if not files:
            return
        holder, key = data.draw(st.sampled_from(list(places(files))))
        if data.draw(st.booleans()) and isinstance(holder, dict):
            del holder[key]
        else:
            holder[key] = copy.deepcopy(data.draw(st.sampled_from(STRANGE)))
    if not files:
        return
    said = upload(desk, "mutated.zip", packed(files))
    if said[0].level_tag == "success":
        newest = Profile.objects.order_by("-imported_at")[0]
        assert desk.get(newest.get_absolute_url()).status_code == 200
        assert desk.get(f"/compose/?profile={newest.pk}").status_code == 200
