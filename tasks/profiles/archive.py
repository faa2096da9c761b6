"""Profiles from whatever an operator has: a zip, a single file, or the platform's own answer."""

from dataclasses import replace
from typing import Any

from .documents import Unreadable, decode, short
from .members import unpack
from .parsing import Notes, objects, service, text
from .schema import Profile, Service
from .tree import DEVICE_FILE, Folder, folders

__all__ = ["Unreadable", "from_capabilities", "read"]

NOTES = 100
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_IDENTITY = "deviceType, manufacturerId and model"


def read(name: str, data: bytes) -> list[Profile]:
    """The profiles in an uploaded zip or JSON file: at least one, each different from the others.

    Raises Unreadable, and nothing else, with a sentence that names the file and the place in it.
    """
    name = short(name.rpartition("/")[2]) or "The file"
    if not data:
        raise Unreadable(f"{name} is empty.")
    packed = data.startswith(_ZIP) or name.lower().endswith(".zip")
    return _from_zip(name, data) if packed else _from_document(name, decode(data, name))


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
    return _profile(identity, _definitions(services, "serviceCapabilities", notes), notes)


def _from_document(name: str, document: Any) -> list[Profile]:
    notes: Notes = []
    if isinstance(document, dict) and "deviceCapabilities" in document:
        return _from_answer(name, document["deviceCapabilities"], notes)
    if isinstance(document, dict) and "devices" not in document and "deviceType" in document:
        document = {"devices": [document]}
    return _distinct([(name, profile) for profile in _from_devices(name, document, Folder(), notes)])


def _from_answer(name: str, raw: object, notes: Notes) -> list[Profile]:
    found = []
    for device in objects(raw, "deviceCapabilities", notes):
        own = list(notes)
        if not device.get("deviceType"):
            own.append(f"{name} is the platform's answer for one device and does not say its {_IDENTITY}")
        services = _definitions(device.get("serviceCapabilities"), "serviceCapabilities", own)
        found.append((name, _profile(device, services, own)))
    if not found:
        raise Unreadable(f"{name} holds no device in its deviceCapabilities.")
    return _distinct(found)


def _from_zip(name: str, data: bytes) -> list[Profile]:
    files, notes = unpack(name, data)
    found = []
    for folder in folders(files):
        where = f"{name}: {short(folder.device_file)}"
        if not folder.device_content.strip():
            raise Unreadable(f"{where} is empty, so nobody can tell which device this is a profile of.")
        own = [*notes, *folder.notes]
        for profile in _from_devices(where, decode(folder.device_content, where), folder, own, name):
            found.append((folder.device_file, profile))
    if not found:
        raise Unreadable(f"{name} holds no {DEVICE_FILE}, which says the {_IDENTITY} of the profile.")
    return _distinct(found)


def _from_devices(
    where: str, document: Any, folder: Folder, notes: Notes, archive: str = ""
) -> list[Profile]:
    if not isinstance(document, dict) or "devices" not in document:
        if isinstance(document, dict) and ("services" in document or "serviceCapabilities" in document):
            raise Unreadable(
                f"{where} describes services, but not the {_IDENTITY} of their device: import the whole profile."
            )
        raise Unreadable(f"{where} is not a device profile: it has no 'devices'.")
    devices = list(objects(document["devices"], "devices", notes))
    if not devices:
        raise Unreadable(f"{where} lists no device.")
    definitions = []
    for file in folder.service_files:
        place = f"{archive}: {short(file.path)}"
        if not file.content.strip():
            notes.append(f"{short(file.label)} is empty: the service has no commands")
            continue
        content = decode(file.content, place)
        if not isinstance(content, dict) or "services" not in content:
            raise Unreadable(f"{place} is not a service description: it has no 'services'.")
        definitions += _definitions(content["services"], f"{short(file.label)}: services", notes, file.folder)
    return [_from_device(where, device, definitions, folder, list(notes)) for device in devices]


def _from_device(
    where: str, device: dict[str, Any], shared: list[Service], folder: Folder, notes: Notes
) -> Profile:
    if not text(device.get("deviceType"), notes):
        raise Unreadable(f"{where}: a device has no deviceType.")
    inlined = _definitions(device.get("serviceCapabilities"), "serviceCapabilities", notes)
    known = {key: item for item in reversed([*inlined, *shared]) for key in (item.type, item.id)}
    empty = {file.folder for file in folder.service_files if not file.content.strip()}
    announced: list[Service] = []
    used: set[str] = set()
    for entry in objects(device.get("serviceTypeCapabilities"), "serviceTypeCapabilities", notes):
        bare = service(entry, notes)
        defined = known.get(bare.id) or known.get(bare.type)
        if defined:
            used.update((defined.type, defined.id))
            bare = replace(defined, id=bare.id, type=bare.type, option=bare.option or defined.option)
        elif not empty & {bare.id, bare.type}:
            notes.append(f"service {short(bare.id)} is announced but not described: it has no commands")
        announced.append(bare)
    for item in dict.fromkeys([*inlined, *shared]):
        if not used & {item.type, item.id}:
            if device.get("serviceTypeCapabilities"):
                notes.append(f"service {short(item.id)} is described but not announced: it is taken in")
            announced.append(item)
    return _profile(device, announced, notes)


def _definitions(raw: object, label: str, notes: Notes, folder: str = "") -> list[Service]:
    return [service(item, notes, folder=folder) for item in objects(raw, label, notes)]


def _profile(identity: dict[str, Any], services: list[Service], notes: Notes) -> Profile:
    unique: dict[str, Service] = {}
    for item in services:
        if not item.id:
            notes.append("a service without a name is left out")
        elif unique.setdefault(item.id, item) is not item:
            notes.append(f"service {short(item.id)} comes twice, the first one counts")
    device_type, manufacturer_id, manufacturer_name, model, protocol = (
        text(identity.get(member), notes)
        for member in ("deviceType", "manufacturerId", "manufacturerName", "model", "protocolType")
    )
    if device_type and not (manufacturer_id and model):
        notes.append("the profile does not say its " + ("model" if manufacturer_id else "manufacturerId"))
    return Profile(
        device_type=device_type,
        manufacturer_id=manufacturer_id,
        manufacturer_name=manufacturer_name,
        model=model,
        protocol=protocol,
        services=tuple(unique.values()),
        notes=_bounded(notes),
    )


def _distinct(found: list[tuple[str, Profile]]) -> list[Profile]:
    """Each profile once: the same one again is noted, another one of the same name is refused."""
    kept: dict[tuple[str, str, str], tuple[str, Profile]] = {}
    for where, profile in found:
        key = (profile.device_type, profile.manufacturer_id, profile.model)
        first, earlier = kept.setdefault(key, (where, profile))
        if earlier is profile:
            continue
        if replace(earlier, notes=()) != replace(profile, notes=()):
            device = short(" ".join(key))
            raise Unreadable(f"{short(first)} and {short(where)} are two different profiles of {device}.")
        again = f"the profile is there twice, in {short(first)} and in {short(where)}: it is imported once"
        kept[key] = (first, replace(earlier, notes=_bounded([*earlier.notes, again])))
    return [profile for _, profile in kept.values()]


def _bounded(notes: Notes) -> tuple[str, ...]:
    different = list(dict.fromkeys(notes))
    if len(different) <= NOTES:
        return tuple(different)
    return (*different[: NOTES - 1], f"and {len(different) - NOTES + 1} more")
