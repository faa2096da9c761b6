"""A value for a parameter, from the text of a form or as JSON already, and a command's values together."""

from collections.abc import Mapping
from decimal import Decimal, localcontext
from typing import Any

from .kinds import CHECKS, DECIMAL, READERS, BadValue
from .schema import NUMBERS, Command, DataType, Parameter

__all__ = ["BadValue", "check", "check_paras", "convert"]


def convert(parameter: Parameter, text: str) -> object:
    """The JSON value of what was typed into the parameter's field; raises BadValue."""
    value = READERS[parameter.type](text)
    if problem := check(parameter, value):
        raise BadValue(problem)
    return value


def check(parameter: Parameter, value: object) -> str | None:
    """What is wrong with a JSON value for this parameter, or None. Nothing is converted: "5" is no number."""
    return CHECKS[parameter.type](value) or next(
        (problem for limit in (_outside, _too_long, _unlisted) if (problem := limit(parameter, value))), None
    )


def check_paras(command: Command, paras: Mapping[str, object]) -> dict[str, str]:
    """The problems of a command's values by parameter name; empty when the command can be sent."""
    known = {parameter.name: parameter for parameter in command.parameters}
    problems = {name: f"is not a parameter of {command.name}" for name in paras if name not in known}
    for name, parameter in known.items():
        if name in paras:
            problem = check(parameter, paras[name])
        else:
            problem = "is required" if parameter.required else None
        if problem:
            problems[name] = problem
    return problems


def _outside(parameter: Parameter, value: Any) -> str | None:
    if parameter.type not in NUMBERS:
        return None
    number, low, high = Decimal(str(value)), parameter.minimum, parameter.maximum
    if (low is not None and number < low) or (high is not None and number > high):
        return _limits(low, high)
    with localcontext(prec=1500):
        if parameter.step and (number - (low or 0)) % parameter.step:
            return f"must go in steps of {parameter.step} from {low or 0}"
    return None


def _limits(low: Decimal | None, high: Decimal | None) -> str:
    if low is None:
        return f"must be at most {high}"
    return f"must be at least {low}" if high is None else f"must be from {low} to {high}"


def _too_long(parameter: Parameter, value: object) -> str | None:
    limit = parameter.max_length
    if parameter.type is DataType.STRING and limit and isinstance(value, str) and len(value) > limit:
        return f"must have at most {limit} characters, and has {len(value)}"
    return None


def _unlisted(parameter: Parameter, value: object) -> str | None:
    given = value if isinstance(value, list) else [value]
    if not parameter.choices or all(_listed(parameter, item) for item in given):
        return None
    return f"must be one of {', '.join(parameter.choices)}"


def _listed(parameter: Parameter, item: Any) -> bool:
    if parameter.type in NUMBERS:
        numbers = [Decimal(choice) for choice in parameter.choices if DECIMAL.fullmatch(choice)]
        return Decimal(str(item)) in numbers
    return (str(item).lower() if isinstance(item, bool) else item) in parameter.choices
