"""Profiles from whatever an operator has: a zip, a single file, or the platform's own answer."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from .devices import IDENTITY, bounded, definitions, profile, profiles
from .documents import Unreadable, decode, short
from .limits import Notes
from .members import TOTAL_BYTES, unpack
from .schema import Profile
from .services import objects
from .tree import DEVICE_FILE, folders

__all__ = ["Unreadable", "from_capabilities", "read"]

_ZIP = (b"PK\x03\x04", b"PK\x05\x06")


def read(name: str, data: bytes) -> list[Profile]:
    """The profiles in an uploaded zip or JSON file: at least one, each different from the others.

    Raises Unreadable, and nothing else, with a sentence that names the file and the place in it.
    """
    name = short(name.rpartition("/")[2]) or "The file"
    if not data:
        raise Unreadable(f"{name} is empty.")
    packed = data.startswith(_ZIP) or name.lower().endswith(".zip")
    return _distinct(_in_zip(name, data) if packed else _in_document(name, decode(data, name)))


def from_capabilities(
    *,
    device_type: str,
    manufacturer_id: str,
    manufacturer_name: str,
    model: str,
    protocol: str,
    services: list[object],
) -> Profile:
    """The profile of a device whose `serviceCapabilities` the platform gave."""
    identity = {
        "deviceType": device_type,
        "manufacturerId": manufacturer_id,
        "manufacturerName": manufacturer_name,
        "model": model,
        "protocolType": protocol,
    }
    notes: Notes = []
    return profile(identity, definitions(services, "serviceCapabilities", notes), notes)


def _in_zip(name: str, data: bytes) -> Iterator[tuple[str, Profile]]:
    files, notes = unpack(name, data)
    packages = _packages(files)
    if packages and not folders(files):
        yield from _in_packages(name, packages)
    else:
        yield from _in_folders(name, files, [*notes, *_ignored(packages)])


def _in_packages(name: str, packages: dict[str, bytes]) -> Iterator[tuple[str, Profile]]:
    """A zip of nothing but zips; all of them together may hold as much as one alone."""
    size = 0
    for path, data in packages.items():
        inner = f"{name}: {short(path)}"
        files, notes = unpack(inner, data)
        size += sum(map(len, files.values()))
        if size > TOTAL_BYTES:
            raise Unreadable(f"{name} unpacks to more than {TOTAL_BYTES // 2**20} MiB.")
        for where, item in _in_folders(inner, files, [*notes, *_ignored(_packages(files))]):
            yield f"{short(path)}/{where}", item


def _packages(files: dict[str, bytes]) -> dict[str, bytes]:
    """Takes the zips out of ``files``."""
    return {path: files.pop(path) for path in sorted(files) if path.lower().endswith(".zip")}


def _ignored(packages: dict[str, bytes]) -> Notes:
    return [f"{short(path)} is a zip inside the zip: ignored" for path in packages]


def _in_folders(name: str, files: dict[str, bytes], notes: Notes) -> Iterator[tuple[str, Profile]]:
    found = folders(files)
    if not found:
        raise Unreadable(f"{name} holds no {DEVICE_FILE}, which says the {IDENTITY} of the profile.")
    for folder in found:
        where = f"{name}: {short(folder.device_file)}"
        if not folder.device_content.strip():
            raise Unreadable(f"{where} is empty, so nobody can tell which device this is a profile of.")
        document = _whole(decode(folder.device_content, where))
        for item in profiles(where, document, folder.service_files, [*notes, *folder.notes]):
            yield folder.device_file, item


def _in_document(name: str, document: Any) -> Iterator[tuple[str, Profile]]:
    if isinstance(document, dict) and "deviceCapabilities" in document:
        yield from _in_answer(name, document["deviceCapabilities"])
    else:
        for item in profiles(name, _whole(document)):
            yield name, item


def _in_answer(name: str, answer: object) -> Iterator[tuple[str, Profile]]:
    """The platform's deviceCapabilities name a device by its id only: the identity stays blank."""
    notes: Notes = []
    devices = list(objects(answer, "deviceCapabilities", notes))
    if not devices:
        raise Unreadable(f"{name} holds no device in its deviceCapabilities.")
    for device in devices:
        own = list(notes)
        if not device.get("deviceType"):
            own.append(f"the platform's answer does not say the {IDENTITY} of the device")
        services = definitions(device.get("serviceCapabilities"), "serviceCapabilities", own)
        yield name, profile(device, services, own)


def _whole(document: Any) -> Any:
    """A file that is one device, as the list of one that the others are."""
    alone = isinstance(document, dict) and "devices" not in document and "deviceType" in document
    return {"devices": [document]} if alone else document


def _distinct(found: Iterable[tuple[str, Profile]]) -> list[Profile]:
    """Each profile once: the same one again is noted, another one of the same name is refused."""
    kept: dict[tuple[str, str, str], tuple[str, Profile]] = {}
    for where, item in found:
        key = (item.device_type, item.manufacturer_id, item.model)
        first, earlier = kept.setdefault(key, (where, item))
        if earlier is item:
            continue
        if replace(earlier, notes=()) != replace(item, notes=()):
            device = short(" ".join(key).strip()) or "a device without a name"
            raise Unreadable(f"{short(first)} and {short(where)} hold two different profiles of {device}.")
        again = f"the profile is there twice, in {short(first)} and in {short(where)}: it is imported once"
        kept[key] = (first, replace(earlier, notes=bounded([*earlier.notes, again])))
    return [item for _, item in kept.values()]
