"""Profiles for the tests: real ones from the folder beside the repository, and a small one of our own."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

REAL = Path(__file__).parents[4] / "shared" / "profiles"

VALVE = {
    "deviceType": "Valve",
    "manufacturerId": "Acme",
    "manufacturerName": "Acme Ltd",
    "model": "V2",
    "protocolType": "MQTT",
    "serviceTypeCapabilities": [{"serviceId": "Flow", "serviceType": "Flow", "option": "Master"}],
}
SET_RATE = {"paraName": "rate", "dataType": "int", "required": True, "min": 0, "max": 200, "step": 5}
FLOW = {
    "serviceType": "Flow",
    "description": "Flow of water",
    "commands": [{"commandName": "SET_RATE", "paras": [SET_RATE], "responses": None}],
    "properties": [{**SET_RATE, "propertyName": "rate", "method": "RE"}],
}
DEVICE_FILE = "profile/devicetype-capability.json"
FLOW_FILE = "service/Flow/profile/servicetype-capability.json"


def real(folder: str) -> Path:
    """A folder of a published profile; the test is skipped where they are not at hand."""
    if not (REAL / folder).is_dir():
        pytest.skip(f"the published profiles are not beside the repository: no {folder}")
    return REAL / folder


def zipped(files: dict[str, bytes | str | Any]) -> bytes:
    """A zip with these files; what is neither bytes nor text is written as JSON."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in files.items():
            archive.writestr(path, content if isinstance(content, bytes | str) else json.dumps(content))
    return packed.getvalue()


def zipped_folder(folder: str, prefix: str = "") -> bytes:
    root = real(folder)
    files = [path for path in sorted(root.rglob("*.json")) if path.is_file()]
    return zipped({prefix + path.relative_to(root).as_posix(): path.read_bytes() for path in files})


def valve(**changes: Any) -> dict[str, Any]:
    """The files of a profile that nothing is wrong with, but for the changed members of its device."""
    return {DEVICE_FILE: {"devices": [{**VALVE, **changes}]}, FLOW_FILE: {"services": [FLOW]}}
