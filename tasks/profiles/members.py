"""The JSON files of a zip from a stranger: bounded in number, size and ratio, and never written to disk."""

import io
import stat
import struct
import zipfile
import zlib

from .documents import BYTES, Unreadable, short

MEMBERS = 2_000
TOTAL_BYTES = 20 * 2**20
RATIO, RATIO_FREE_BYTES = 200, 2**20  # text packs 1:20 at best; small members may do as they like

_ENCRYPTED = 0x1
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_FAULTS = (
    AssertionError,
    EOFError,
    LookupError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)


def unpack(archive: str, data: bytes) -> tuple[dict[str, bytes], list[str]]:
    """The zip's JSON files and zips by path, and notes on what was passed over; raises Unreadable."""
    notes: list[str] = []
    files: dict[str, bytes] = {}
    if len(data) > TOTAL_BYTES:
        raise Unreadable(f"{archive} is larger than {TOTAL_BYTES // 2**20} MiB.")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as opened:
            for member in _checked(archive, opened.infolist(), notes):
                content = _read(archive, opened, member)
                path = member.filename.replace("\\", "/").removeprefix("./")
                if files.setdefault(path, content) != content:
                    raise Unreadable(f"{archive} holds two different files named {short(member.filename)}.")
    except _FAULTS as error:
        raise Unreadable(f"{archive} is not a zip file, or is damaged: {short(str(error))}.") from error
    return files, notes


def _checked(archive: str, members: list[zipfile.ZipInfo], notes: list[str]) -> list[zipfile.ZipInfo]:
    """The members worth reading, after all of them were found harmless."""
    if len(members) > MEMBERS:
        raise Unreadable(f"{archive} holds {len(members)} files; {MEMBERS} are allowed.")
    if sum(member.file_size for member in members) > TOTAL_BYTES:
        raise Unreadable(f"{archive} unpacks to more than {TOTAL_BYTES // 2**20} MiB.")
    for member in members:
        if problem := _danger(member):
            raise Unreadable(f"{archive}: {short(member.filename)} {problem}.")
    return [member for member in members if _wanted(member, notes)]


def _danger(member: zipfile.ZipInfo) -> str | None:
    path = member.filename.replace("\\", "/")
    if path.startswith("/") or path[1:2] == ":" or ".." in path.split("/"):
        return "points outside the archive"
    if member.flag_bits & _ENCRYPTED:
        return "is encrypted: pack the profile without a password"
    if member.file_size > BYTES:
        return f"is larger than {BYTES // 2**20} MiB"
    if member.file_size > RATIO_FREE_BYTES and member.file_size > RATIO * member.compress_size:
        return "is packed far too tightly to be a profile"
    return None


def _wanted(member: zipfile.ZipInfo, notes: list[str]) -> bool:
    path = member.filename.lower()
    if stat.S_ISLNK(member.external_attr >> 16):
        notes.append(f"{short(member.filename)} is a link: ignored")
        return False
    rubbish = path.startswith("__macosx/") or path.rpartition("/")[2].startswith("._")
    return path.endswith((".json", ".zip")) and not rubbish


def _read(archive: str, opened: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    where = f"{archive}: {short(member.filename)}"
    if member.compress_type not in _METHODS:
        raise Unreadable(f"{where} is packed in a way that is not read here: use plain zip compression.")
    try:
        with opened.open(member) as stream:
            content = stream.read(BYTES + 1)
    except _FAULTS as error:
        raise Unreadable(f"{where} is damaged: {short(str(error))}.") from error
    if len(content) > BYTES:
        raise Unreadable(f"{where} is larger than {BYTES // 2**20} MiB.")
    return content
