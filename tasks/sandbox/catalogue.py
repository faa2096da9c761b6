"""The profiles of the sandbox's devices, read from the packages beside this module."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent / "profiles"
# Out of ten devices so many are of each kind; a device's index modulo ten decides.
SHARES = (("WaterMeter", 4), ("StreetLight", 3), ("SmartLock", 2), ("AirSensor", 1))
KIND_OF_TEN = tuple(kind for kind, (_, count) in enumerate(SHARES) for _ in range(count))


@dataclass(frozen=True)
class Profile:
    """One kind of device: three names and its services, each as `servicetype-capability.json` has it."""

    device_type: str
    manufacturer_id: str
    manufacturer_name: str
    model: str
    protocol: str
    services: tuple[dict[str, Any], ...]

    def service(self, service_id: str) -> dict[str, Any] | None:
        return next((found for found in self.services if found["serviceId"] == service_id), None)

    def command(self, service_id: str, method: str) -> dict[str, Any] | None:
        """The command as the profile has it, or None: unknown service or unknown name."""
        commands = (self.service(service_id) or {}).get("commands") or []
        return next((found for found in commands if found["commandName"] == method), None)


@cache
def profiles() -> tuple[Profile, ...]:
    """All profiles, in the order of SHARES."""
    return tuple(_read(next(ROOT.glob(f"{name}_*"))) for name, _ in SHARES)


def packages() -> dict[str, bytes]:
    """Each profile as the zip a platform's portal exports, by its name `deviceType_manufacturerId_model`."""
    return {folder.name: _zipped(folder) for folder in sorted(ROOT.iterdir()) if folder.is_dir()}


def package() -> bytes:
    """All packages in one zip."""
    outer = io.BytesIO()
    with zipfile.ZipFile(outer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in packages().items():
            archive.writestr(f"{name}.zip", content)
    return outer.getvalue()


def _zipped(folder: Path) -> bytes:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*.json")):
            archive.write(file, file.relative_to(folder).as_posix())
    return inner.getvalue()


def _read(folder: Path) -> Profile:
    text = (folder / "profile" / "devicetype-capability.json").read_text("utf-8")
    device = json.loads(text)["devices"][0]
    services = []
    for entry in device["serviceTypeCapabilities"]:
        file = folder / "service" / entry["serviceType"] / "profile" / "servicetype-capability.json"
        services.append(entry | json.loads(file.read_text("utf-8"))["services"][0])
    return Profile(
        device["deviceType"],
        device["manufacturerId"],
        device["manufacturerName"],
        device["model"],
        device["protocolType"],
        tuple(services),
    )
