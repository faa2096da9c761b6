"""A command's parameters in two shapes, fields and JSON; going from one to the other loses nothing."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from tasks.platform import jsontext
from tasks.profiles import values
from tasks.profiles.kinds import READERS
from tasks.profiles.schema import Command, DataType, Parameter

from .parameters import PREFIX, options


class Unshowable(Exception):
    """The JSON holds what fields cannot; the message says what."""


def text_of(command: Command, typed: Mapping[str, Any]) -> str:
    """The JSON of what was typed into the fields; what its type cannot be read from stands in it as text."""
    paras = {}
    for parameter in command.parameters:
        text = str(typed.get(PREFIX + parameter.name) or "")
        if text.strip() or (text and parameter.type is DataType.STRING):
            paras[parameter.name] = _value(parameter, text)
    return json.dumps(paras, ensure_ascii=False, indent=2) if paras else ""


def fields_of(command: Command, text: str) -> dict[str, str]:
    """What to type into the fields for this JSON; raises ``Unshowable``."""
    try:
        paras = jsontext.loads(text) if text.strip() else {}
    except jsontext.BadJSON as error:
        raise Unshowable(f"this is not JSON yet: {error}") from error
    if not isinstance(paras, dict):
        raise Unshowable("this is not a JSON object")
    return typed(command, paras)


def typed(command: Command, paras: Mapping[str, Any]) -> dict[str, str]:
    """Field name -> text for each parameter; raises ``Unshowable`` when reading that again would give others."""
    known = {parameter.name: parameter for parameter in command.parameters}
    reasons = [f"{name} is not a parameter of {command.name}" for name in paras if name not in known]
    texts = {}
    for name, parameter in known.items():
        text = as_typed(paras[name]) if name in paras else ""
        texts[PREFIX + name] = text
        if name in paras and not _survives(parameter, paras[name], text):
            reasons.append(
                f"{name} {values.check(parameter, paras[name]) or 'has a value that only JSON can hold'}"
            )
    if reasons:
        raise Unshowable("; ".join(reasons))
    return texts


def text_for(parameter: Parameter, value: Any) -> str | None:
    """What to type into its field for this value; None when reading that again would give another."""
    text = as_typed(value)
    return text if _survives(parameter, value, text) and not values.check(parameter, value) else None


def as_typed(value: Any) -> str:
    """The text of a field for a JSON value."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return "\n".join(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _survives(parameter: Parameter, value: Any, text: str) -> bool:
    one_line = parameter.type not in (DataType.JSON_OBJECT, DataType.STRING_LIST)
    choices = options(parameter)
    if not text or (choices and text not in choices) or (one_line and ("\n" in text or "\r" in text)):
        return False
    again = _value(parameter, text)
    return type(again) is type(value) and bool(again == value)


def _value(parameter: Parameter, text: str) -> Any:
    try:
        value = READERS[parameter.type](text)
    except values.BadValue:
        return text
    return text if isinstance(value, float) and not math.isfinite(value) else value
