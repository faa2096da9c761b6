"""One typed, labelled form field for each parameter of a profile's command."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from django import forms

from tasks.profiles import values
from tasks.profiles.schema import Command, DataType, Parameter

PREFIX = "para:"
"""Names of parameter fields start with it, so that no parameter can shadow a field of the form."""


class ParameterField(forms.Field):
    """Converts with ``profiles.values.convert``; the widget suits the type. Empty optional ones give None."""

    def __init__(self, parameter: Parameter, **kwargs: Any) -> None:
        self.parameter = parameter
        super().__init__(
            label=parameter.name,
            required=parameter.required,
            widget=_widget(parameter),
            help_text=_help(parameter),
            **kwargs,
        )

    def to_python(self, value: Any) -> Any:
        text = value if isinstance(value, str) else ""
        if not text.strip() and not (self.parameter.type == DataType.STRING and text):
            return None
        try:
            return values.convert(self.parameter, text)
        except values.BadValue as error:
            raise forms.ValidationError(f"{self.parameter.name} {error}") from error

    def validate(self, value: Any) -> None:
        if value is None and self.required:
            raise forms.ValidationError("This parameter is required by the profile.", code="required")


def fields_of(command: Command) -> dict[str, ParameterField]:
    """Form field name -> field, in the profile's order."""
    return {PREFIX + parameter.name: ParameterField(parameter) for parameter in command.parameters}


def options(parameter: Parameter) -> tuple[str, ...]:
    """What a select offers for it; empty when it is typed."""
    if parameter.type in (DataType.STRING_LIST, DataType.JSON_OBJECT):
        return ()
    return ("true", "false") if parameter.type is DataType.BOOLEAN else parameter.choices


def _choice(parameter: Parameter, *choices: tuple[str, str]) -> forms.Widget:
    return forms.Select(choices=[("", "Choose…" if parameter.required else "Leave out"), *choices])


def _number(parameter: Parameter) -> forms.Widget:
    # A text input with a numeric keyboard: number inputs lose what they cannot parse, and round what is long.
    return forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"})


WIDGETS: dict[DataType, Callable[[Parameter], forms.Widget]] = {
    DataType.INT: _number,
    DataType.LONG: _number,
    DataType.DECIMAL: _number,
    DataType.DOUBLE: _number,
    DataType.STRING: lambda _: forms.TextInput(attrs={"autocomplete": "off"}),
    DataType.DATE_TIME: lambda _: forms.TextInput(attrs={"placeholder": "2026-12-31T23:59"}),
    DataType.JSON_OBJECT: lambda _: forms.Textarea(attrs={"rows": 3, "class": "code", "placeholder": "{ }"}),
    DataType.STRING_LIST: lambda _: forms.Textarea(attrs={"rows": 3, "placeholder": "one a line"}),
}


def _widget(parameter: Parameter) -> forms.Widget:
    if choices := options(parameter):
        return _choice(parameter, *((choice, choice) for choice in choices))
    return WIDGETS[parameter.type](parameter)


def _help(parameter: Parameter) -> str:
    kind = {DataType.DATE_TIME: "date and time, UTC", DataType.JSON_OBJECT: "JSON object"}.get(
        parameter.type, parameter.type.value
    )
    parts = [parameter.description, kind]
    low, high = parameter.minimum, parameter.maximum
    if low is not None and high is not None:
        parts.append(f"{_plain(low)} to {_plain(high)}")
    elif low is not None:
        parts.append(f"at least {_plain(low)}")
    elif high is not None:
        parts.append(f"at most {_plain(high)}")
    if parameter.step is not None:
        parts.append(f"in steps of {_plain(parameter.step)}")
    if parameter.max_length:
        parts.append(f"at most {parameter.max_length} characters")
    if parameter.unit:
        parts.append(f"unit: {parameter.unit}")
    return " · ".join(filter(None, parts))


def _plain(number: Decimal) -> str:
    return f"{number:f}".rstrip("0").rstrip(".") if "." in f"{number:f}" else f"{number:f}"
