"""Which files of a zip belong to which profile, in folders as the platform and as people make them."""

from dataclasses import dataclass, field

DEVICE_FILE = "devicetype-capability.json"
SERVICE_FILE = "servicetype-capability.json"


@dataclass(frozen=True)
class ServiceFile:
    path: str
    folder: str
    label: str
    content: bytes


@dataclass
class Folder:
    """One profile's files; an empty Folder is a profile without any."""

    device_file: str = ""
    device_content: bytes = b""
    service_files: list[ServiceFile] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def folders(files: dict[str, bytes]) -> list[Folder]:
    """The profiles' folders, outermost first; a service file belongs to the innermost one around it.

    Where no file has the right name, every JSON file that could be a profile of its own is taken for one.
    """
    found = {
        _root(path): Folder(path, content)
        for path, content in sorted(files.items())
        if _is(path, DEVICE_FILE)
    }
    if not found:
        single = (path for path in sorted(files) if b'"devices"' in files[path])
        found = {_root(path): Folder(path, files[path]) for path in single}
    for path, content in sorted(files.items()):
        owners = [root for root in found if path.startswith(root)]
        if owners and _is(path, SERVICE_FILE):
            root = max(owners, key=len)
            _take(found[root], path, path[len(root) :], content)
    return list(found.values())


def _is(path: str, name: str) -> bool:
    file = path.rpartition("/")[2].lower()
    return file in (name, f"{name}.json")


def _root(path: str) -> str:
    """Up to and with the slash before `profile/`, or before the file where there is no such folder."""
    folder = path.rpartition("/")[0]
    if folder.rpartition("/")[2].lower() == "profile":
        folder = folder.rpartition("/")[0]
    return f"{folder}/" if folder else ""


def _take(owner: Folder, path: str, inner: str, content: bytes) -> None:
    above, *below = inner.split("/")
    if below and above != "service":
        owner.notes.append(f"service folder is spelled '{above}'")
    names = [part for part in below[:-1] if part.lower() != "profile"]
    if inner.lower().endswith(".json.json"):
        owner.notes.append(f"{inner} has its '.json' twice")
    name = names[0] if names else ""
    label = f"{name}/{inner.rpartition('/')[2]}" if name else inner
    owner.service_files.append(ServiceFile(path, name, label, content))
