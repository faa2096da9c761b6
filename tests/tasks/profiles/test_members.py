import io
import stat
import zipfile

import pytest

from tasks.profiles import members
from tasks.profiles.archive import Unreadable, read
from tasks.profiles.documents import BYTES

from .samples import DEVICE_FILE, FLOW_FILE, valve, zipped

GOOD = zipped(valve())


def refusal(data: bytes) -> str:
    with pytest.raises(Unreadable) as refused:
        read("p.zip", data)
    return str(refused.value)


def packed(*entries: tuple[zipfile.ZipInfo | str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for entry, content in entries:
            archive.writestr(entry, content)
    return file.getvalue()


@pytest.mark.parametrize("path", ["../x.json", "a/../../x.json", "/etc/x.json", "C:/x.json", "..\\x.json"])
def test_a_path_out_of_the_archive_is_refused(path: str):
    sentence = refusal(zipped({**valve(), path: "{}"}))
    assert sentence == f"p.zip: {path} points outside the archive."


def test_too_many_members_are_refused():
    many = zipped({f"{number}.txt": "" for number in range(members.MEMBERS + 1)})
    assert refusal(many) == "p.zip holds 2001 files; 2000 are allowed."


def test_a_member_that_is_too_large_is_refused():
    large = packed(("x.json", bytes(BYTES + 1)), method=zipfile.ZIP_STORED)
    assert refusal(large) == "p.zip: x.json is larger than 5 MiB."


def test_a_bomb_is_refused():
    assert "far too tightly" in refusal(packed(("x.json", bytes(BYTES))))
    several = [(f"{number}.json", bytes(BYTES)) for number in range(5)]
    assert "unpacks to more than 20 MiB" in refusal(packed(*several))


def test_a_member_that_lies_about_its_size_is_refused():
    honest = packed(("x.json", bytes(BYTES)))
    size = BYTES.to_bytes(4, "little")
    assert "damaged" in refusal(honest.replace(size, (9).to_bytes(4, "little")))


def test_an_encrypted_member_is_refused():
    data = bytearray(packed(("x.json", b"{}")))
    data[data.rindex(b"PK\x01\x02") + 8] |= 1
    assert refusal(bytes(data)) == "p.zip: x.json is encrypted: pack the profile without a password."


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_an_unusual_compression_is_refused(method: int):
    assert "use plain zip compression" in refusal(packed(("x.json", b"{}"), method=method))


@pytest.mark.parametrize(
    "data",
    [GOOD[:-30], GOOD[:40], b"PK\x03\x04", b"hello", GOOD[100:]],
    ids=["no end", "a start", "a mark", "no archive", "no start"],  # its bytes hold the time it was packed
)
def test_a_damaged_archive_is_refused(data: bytes):
    assert "damaged" in refusal(data)


def test_a_damaged_member_is_refused_by_its_name():
    data = packed((DEVICE_FILE, b'{"devices": []}' * 100), method=zipfile.ZIP_STORED)
    sentence = refusal(data.replace(b"devices", b"divices", 1))
    assert sentence.startswith(f"p.zip: {DEVICE_FILE} is damaged")


def test_a_link_is_ignored_with_a_note():
    link = zipfile.ZipInfo("service/Flow/other.json")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    [profile] = read("p.zip", packed(*as_bytes(), (link, b"/etc/passwd")))
    assert profile.notes == ("service/Flow/other.json is a link: ignored",)


def test_a_zip_inside_the_zip_is_ignored_with_a_note():
    [profile] = read("p.zip", zipped({**valve(), "codec.zip": GOOD}))
    assert profile.notes == ("codec.zip is a zip inside the zip: ignored",)


def test_what_a_desktop_adds_is_passed_over():
    [profile] = read(
        "p.zip", zipped({**valve(), f"__MACOSX/{DEVICE_FILE}": b"\0", "profile/._x.json": b"\0"})
    )
    assert profile.notes == ()


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_that_comes_twice_must_be_the_same_both_times():
    [profile] = read("p.zip", packed(*as_bytes(), *as_bytes()))
    assert profile.device_type == "Valve"
    assert "two different files named" in refusal(packed(*as_bytes(), (FLOW_FILE, b"{}")))


def test_a_name_in_an_unknown_encoding_does_not_matter():
    data = packed(*as_bytes(), ("XX/notes.json", b"{}"))
    [profile] = read("p.zip", data.replace(b"XX/", b"\xb7\xfe/"))
    assert profile.device_type == "Valve"


def as_bytes() -> list[tuple[str, bytes]]:
    with zipfile.ZipFile(io.BytesIO(GOOD)) as archive:
        return [(name, archive.read(name)) for name in archive.namelist()]
