"""The shape of a device profile, and the normal form it is stored in."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from enum import StrEnum
from typing import Any


class DataType(StrEnum):
    INT = "int"
    LONG = "long"
    DECIMAL = "decimal"
    DOUBLE = "double"
    STRING = "string"
    BOOLEAN = "boolean"
    DATE_TIME = "dateTime"
    JSON_OBJECT = "jsonObject"
    STRING_LIST = "string list"


INTEGERS = frozenset({DataType.INT, DataType.LONG})
NUMBERS = INTEGERS | {DataType.DECIMAL, DataType.DOUBLE}


@dataclass(frozen=True)
class Parameter:
    name: str
    type: DataType
    required: bool = False
    minimum: Decimal | None = None
    maximum: Decimal | None = None
    step: Decimal | None = None
    max_length: int | None = None
    unit: str = ""
    choices: tuple[str, ...] = ()
    description: str = ""


@dataclass(frozen=True)
class Property(Parameter):
    method: str = ""


@dataclass(frozen=True)
class Response:
    name: str
    parameters: tuple[Parameter, ...] = ()


@dataclass(frozen=True)
class Command:
    name: str
    parameters: tuple[Parameter, ...] = ()
    responses: tuple[Response, ...] = ()


@dataclass(frozen=True)
class Service:
    id: str
    type: str
    option: str = ""
    description: str = ""
    commands: tuple[Command, ...] = ()
    properties: tuple[Property, ...] = ()


@dataclass(frozen=True)
class Profile:
    device_type: str
    manufacturer_id: str
    manufacturer_name: str
    model: str
    protocol: str
    services: tuple[Service, ...] = ()
    notes: tuple[str, ...] = ()

    def command(self, service_id: str, name: str) -> Command | None:
        """The service's command of that name, if there is one."""
        return next(
            (
                command
                for service in self.services
                if service.id == service_id
                for command in service.commands
                if command.name == name
            ),
            None,
        )


def to_dict(profile: Profile) -> dict[str, Any]:
    """The profile as JSON: members are named as the fields, tuples are lists, decimals are strings."""
    return _plain(profile)


def from_dict(stored: Mapping[str, Any]) -> Profile:
    """The profile that `to_dict` wrote; KeyError, TypeError or ValueError for anything else."""
    return Profile(
        **{
            **stored,
            "services": tuple(map(_service, stored["services"])),
            "notes": tuple(stored["notes"]),
        }
    )


def _service(stored: Mapping[str, Any]) -> Service:
    commands = tuple(
        Command(
            name=command["name"],
            parameters=_parameters(command["parameters"]),
            responses=tuple(
                Response(response["name"], _parameters(response["parameters"]))
                for response in command["responses"]
            ),
        )
        for command in stored["commands"]
    )
    properties = tuple(Property(**_values(item)) for item in stored["properties"])
    return Service(**{**stored, "commands": commands, "properties": properties})


def _parameters(stored: Iterable[Mapping[str, Any]]) -> tuple[Parameter, ...]:
    return tuple(Parameter(**_values(item)) for item in stored)


def _values(stored: Mapping[str, Any]) -> dict[str, Any]:
    limits = {name: stored[name] for name in ("minimum", "maximum", "step")}
    decimals = {name: None if limit is None else Decimal(limit) for name, limit in limits.items()}
    return {**stored, **decimals, "type": DataType(stored["type"]), "choices": tuple(stored["choices"])}


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, DataType):
        return value.value
    if hasattr(value, "__dataclass_fields__"):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    return value
