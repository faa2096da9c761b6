"""Which files of a zip belong to which profile, in folders as the platform and as people make them."""

from dataclasses import dataclass, field

DEVICE_FILE = "devicetype-capability.json"
SERVICE_FILE = "servicetype-capability.json"


@dataclass(frozen=True)
class ServiceFile:
    path: str
    folder: str  # the service's own, "" where the file lies in none
    label: str
    content: bytes


@dataclass
class Folder:
    """One profile's files."""

    device_file: str
    device_content: bytes
    service_files: list[ServiceFile] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def folders(files: dict[str, bytes]) -> list[Folder]:
    """The profiles' folders, outermost first; a service file belongs to the innermost one around it.

    Where no file has the right name, every JSON file that could be a profile of its own is taken for one.
    """
    paths = sorted(files)
    named = [path for path in paths if _is(path, DEVICE_FILE)]
    device_files = named or [path for path in paths if b'"devices"' in files[path]]
    found = [(_root(path), Folder(path, files[path])) for path in device_files]
    for path in paths:
        if _is(path, SERVICE_FILE):
            around = [(root, folder) for root, folder in found if path.startswith(root)]
            for root, owner in _innermost(around or (found if len(found) == 1 else [])):
                _take(owner, path, path.removeprefix(root), files[path])
    return [folder for _, folder in found]


def _is(path: str, name: str) -> bool:
    file = path.rpartition("/")[2].lower()
    return file in (name, f"{name}.json")


def _root(path: str) -> str:
    """Up to and with the slash before `profile/`, or before the file where there is no such folder."""
    folder = path.rpartition("/")[0]
    if folder.rpartition("/")[2].lower() == "profile":
        folder = folder.rpartition("/")[0]
    return f"{folder}/" if folder else ""


def _innermost(found: list[tuple[str, Folder]]) -> list[tuple[str, Folder]]:
    depth = max((len(root) for root, _ in found), default=0)
    return [(root, folder) for root, folder in found if len(root) == depth]


def _take(owner: Folder, path: str, inner: str, content: bytes) -> None:
    *above, file = inner.split("/")
    if above and above[0] not in ("service", owner.device_file.split("/")[0]):
        owner.notes.append(f"service folder is spelled '{above[0]}'")
    if file.lower().endswith(".json.json"):
        owner.notes.append(f"{inner} has its '.json' twice")
    names = [part for part in above[1:] if part.lower() != "profile"]
    folder = names[-1] if names else ""
    owner.service_files.append(ServiceFile(path, folder, f"{folder}/{file}" if folder else inner, content))
