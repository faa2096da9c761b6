"""The platform's JSON of services and commands to our shape, noting what was tolerated."""

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from .documents import short
from .limits import Notes, text, values
from .schema import Command, Parameter, Property, Response, Service

Named = TypeVar("Named", Command, Parameter, Property, Response)


def service(raw: dict[str, Any], notes: Notes, *, folder: str = "") -> Service:
    """One member of `serviceCapabilities` or of a service file's `services`."""
    kind = text(raw.get("serviceType"), notes)
    name = text(raw.get("serviceId"), notes) or kind or text(folder, notes)
    return Service(
        id=name,
        type=kind or name,
        option=text(raw.get("option"), notes),
        description=text(raw.get("description"), notes),
        commands=_named(raw.get("commands"), f"{name}: commands", notes, _command),
        properties=_named(raw.get("properties"), f"{name}: properties", notes, _property),
    )


def objects(raw: object, label: str, notes: Notes) -> Iterator[dict[str, Any]]:
    """The JSON objects of a list that may be null; whatever else it holds is noted and left out."""
    if raw is None:
        return
    if not isinstance(raw, list):
        notes.append(f"{label} is not a list: left out")
        return
    for number, item in enumerate(raw, start=1):
        if isinstance(item, dict):
            yield item
        else:
            notes.append(f"{label}, entry {number} is not an object: left out")


def _named(
    raw: object, label: str, notes: Notes, parse: Callable[[dict[str, Any], Notes], Named]
) -> tuple[Named, ...]:
    found: dict[str, Named] = {}
    for item in objects(raw, label, notes):
        parsed = parse(item, notes)
        if not parsed.name:
            notes.append(f"{label}: an entry without a name is left out")
        elif parsed.name in found:
            notes.append(f"{label}: '{short(parsed.name)}' comes twice, the first one counts")
        else:
            found[parsed.name] = parsed
    return tuple(found.values())


def _command(raw: dict[str, Any], notes: Notes) -> Command:
    name = text(raw.get("commandName"), notes)
    return Command(
        name=name,
        parameters=_parameters(name, raw, notes),
        responses=_named(raw.get("responses"), f"{short(name)}: responses", notes, _response),
    )


def _response(raw: dict[str, Any], notes: Notes) -> Response:
    name = text(raw.get("responseName"), notes)
    return Response(name=name, parameters=_parameters(name, raw, notes))


def _parameters(owner: str, raw: dict[str, Any], notes: Notes) -> tuple[Parameter, ...]:
    def parse(item: dict[str, Any], notes: Notes) -> Parameter:
        name = text(item.get("paraName"), notes)
        return Parameter(name=name, **values(item, f"{short(owner)}.{short(name)}", notes))

    return _named(raw.get("paras"), f"{short(owner)}: paras", notes, parse)


def _property(raw: dict[str, Any], notes: Notes) -> Property:
    name = text(raw.get("propertyName"), notes)
    method = text(raw.get("method"), notes)
    return Property(name=name, method=method, **values(raw, short(name), notes))
