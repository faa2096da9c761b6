"""A profile from its device description and its service files, which do not always agree."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from .documents import Unreadable, decode, short
from .limits import Notes, text
from .schema import Profile, Service
from .services import objects, service
from .tree import ServiceFile

IDENTITY = "deviceType, manufacturerId and model"
DEVICES = 100
NOTES = 100


def profiles(
    where: str, document: Any, files: Iterable[ServiceFile] = (), notes: Iterable[str] = ()
) -> Iterator[Profile]:
    """The profiles that `{"devices": [...]}` lists, with the services of their files; raises Unreadable."""
    tolerated = list(notes)
    if not isinstance(document, dict) or "devices" not in document:
        raise Unreadable(f"{where} {_instead(document)}.")
    devices = list(objects(document["devices"], "devices", tolerated))
    if not devices:
        raise Unreadable(f"{where} lists no device.")
    if len(devices) > DEVICES:
        raise Unreadable(f"{where} lists {len(devices)} devices; {DEVICES} are allowed.")
    shared = [item for file in files for item in _in_file(file, tolerated)]
    for device in devices:
        own = list(tolerated)
        if not text(device.get("deviceType"), own):
            raise Unreadable(f"{where}: a device has no deviceType.")
        yield profile(device, _services(device, shared, own), own)


def definitions(raw: object, label: str, notes: Notes, *, folder: str = "") -> list[Service]:
    """The services of a `serviceCapabilities` or `services` list."""
    return [service(item, notes, folder=folder) for item in objects(raw, label, notes)]


def profile(identity: dict[str, Any], services: Iterable[Service], notes: Notes) -> Profile:
    """The profile of a device by the platform's members: deviceType, manufacturerId, model and so on."""
    unique: dict[str, Service] = {}
    for item in services:
        if not item.id:
            notes.append("a service without a name is left out")
        elif unique.setdefault(item.id, item) is not item:
            notes.append(f"service {short(item.id)} comes twice, the first one counts")
    missing = [name for name in ("manufacturerId", "model") if not text(identity.get(name), notes)]
    if missing:
        notes.append(f"the profile does not say its {' and '.join(missing)}")
    return Profile(
        device_type=text(identity.get("deviceType"), notes),
        manufacturer_id=text(identity.get("manufacturerId"), notes),
        manufacturer_name=text(identity.get("manufacturerName"), notes),
        model=text(identity.get("model"), notes),
        protocol=text(identity.get("protocolType"), notes),
        services=tuple(unique.values()),
        notes=bounded(notes),
    )


def bounded(notes: Iterable[str]) -> tuple[str, ...]:
    """Each note once, and no more of them than a person would read."""
    different = list(dict.fromkeys(notes))
    if len(different) <= NOTES:
        return tuple(different)
    return (*different[: NOTES - 1], f"and {len(different) - NOTES + 1} more")


def _instead(document: Any) -> str:
    if isinstance(document, dict) and ("services" in document or "serviceCapabilities" in document):
        return f"describes services, but not the {IDENTITY} of their device: import the whole profile"
    return "is not a device profile: it has no 'devices'"


def _in_file(file: ServiceFile, notes: Notes) -> list[Service]:
    if not file.content.strip():
        notes.append(f"{short(file.label)} is empty: the service has no commands")
        return [Service(id=file.folder, type=file.folder)] if file.folder else []
    place = short(file.path)
    content = decode(file.content, place)
    if not isinstance(content, dict) or "services" not in content:
        raise Unreadable(f"{place} is not a service description: it has no 'services'.")
    return definitions(content["services"], f"{short(file.label)}: services", notes, folder=file.folder)


def _services(device: dict[str, Any], shared: list[Service], notes: Notes) -> Iterator[Service]:
    """What the device announces, each with its description, then what is described all the same."""
    described = [*definitions(device.get("serviceCapabilities"), "serviceCapabilities", notes), *shared]
    known = {name: item for item in reversed(described) for name in (item.type, item.id)}
    announced = definitions(device.get("serviceTypeCapabilities"), "serviceTypeCapabilities", notes)
    names = {item.id for item in announced}
    taken = set()
    for item in announced:
        found = known.get(item.id) or known.get(item.type)
        if found is None:
            notes.append(f"service {short(item.id)} is announced but not described: it has no commands")
            yield item
        else:
            taken.add(found)
            yield replace(found, id=item.id, type=item.type, option=item.option or found.option)
    for item in described:
        if item not in taken:
            if announced and item.id not in names:
                notes.append(f"service {short(item.id)} is described but not announced: it is taken in")
            yield item
