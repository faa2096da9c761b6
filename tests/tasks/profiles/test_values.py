from decimal import Decimal
from typing import Any

import pytest

from tasks.profiles.schema import Command, DataType, Parameter
from tasks.profiles.values import BadValue, check, check_paras, convert

T = DataType


def parameter(kind: DataType, **limits: Any) -> Parameter:
    decimals = {
        name: Decimal(str(limits.pop(name))) for name in ("minimum", "maximum", "step") if name in limits
    }
    return Parameter("p", kind, **decimals, **limits)


GOOD: list[tuple[Parameter, str, object]] = [
    (parameter(T.INT), "5", 5),
    (parameter(T.INT), " -5 ", -5),
    (parameter(T.INT), "-2147483648", -(2**31)),
    (parameter(T.LONG), "9223372036854775807", 2**63 - 1),
    (parameter(T.INT, minimum=0, maximum=200), "200", 200),
    (parameter(T.INT, minimum=1, step=5), "11", 11),
    (parameter(T.INT, choices=("1", "2")), "2", 2),
    (parameter(T.DECIMAL), "5", 5),
    (parameter(T.DECIMAL), "5.0", 5.0),
    (parameter(T.DOUBLE), "1e3", 1000.0),
    (parameter(T.DOUBLE), ".5", 0.5),
    (parameter(T.DOUBLE, minimum=0, maximum=3000, step=0.1), "0.3", 0.3),
    (parameter(T.DOUBLE, step="1e-30"), "1e300", 1e300),
    (parameter(T.DECIMAL, choices=("0.50",)), "0.5", 0.5),
    (parameter(T.STRING), "", ""),
    (parameter(T.STRING), " two words ", " two words "),
    (parameter(T.STRING, max_length=3), "äöü", "äöü"),
    (parameter(T.STRING, choices=("on", "off")), "on", "on"),
    (parameter(T.BOOLEAN), "true", True),
    (parameter(T.BOOLEAN), "false", False),
    (parameter(T.DATE_TIME), "20151212T121212Z", "20151212T121212Z"),
    (parameter(T.DATE_TIME), "2015-12-12T12:12:12Z", "20151212T121212Z"),
    (parameter(T.DATE_TIME), "2015-12-12T12:12", "20151212T121200Z"),
    (parameter(T.DATE_TIME), "2015-12-12T20:12:12+08:00", "20151212T121212Z"),
    (parameter(T.JSON_OBJECT), '{"a": [1, null]}', {"a": [1, None]}),
    (parameter(T.STRING_LIST), "one\r\ntwo\n\nthree", ["one", "two", "three"]),
    (parameter(T.STRING_LIST), "", []),
    (parameter(T.STRING_LIST, choices=("a", "b")), "b\na", ["b", "a"]),
]
BAD: list[tuple[Parameter, str, str]] = [
    (parameter(T.INT), "", "must be a whole number"),
    (parameter(T.INT), "5.0", "must be a whole number"),
    (parameter(T.INT), "１２", "must be a whole number"),
    (parameter(T.INT), "9" * 5000, "must be a whole number"),
    (parameter(T.INT), "2147483648", "must be from -2147483648 to 2147483647"),
    (
        parameter(T.LONG),
        "9223372036854775808",
        "must be from -9223372036854775808 to 9223372036854775807",
    ),
    (parameter(T.INT, minimum=0, maximum=200), "201", "must be from 0 to 200"),
    (parameter(T.INT, minimum=0), "-1", "must be at least 0"),
    (parameter(T.INT, maximum=9), "10", "must be at most 9"),
    (parameter(T.INT, minimum=1, step=5), "10", "must go in steps of 5 from 1"),
    (parameter(T.INT, choices=("1", "2")), "3", "must be one of 1, 2"),
    (parameter(T.DECIMAL), "nan", "must be a number"),
    (parameter(T.DECIMAL), "1e999", "must be a number that a device can hold"),
    (parameter(T.DECIMAL), "9" * 400, "must be a number that a device can hold"),
    (parameter(T.DOUBLE, step=0.1), "0.35", "must go in steps of 0.1 from 0"),
    (parameter(T.STRING, max_length=3), "four", "must have at most 3 characters, and has 4"),
    (parameter(T.STRING, choices=("on", "off")), "On", "must be one of on, off"),
    (parameter(T.STRING), "a\0", "holds a character that cannot be sent"),
    (parameter(T.BOOLEAN), "yes", "must be true or false"),
    (parameter(T.DATE_TIME), "tomorrow", "must be a time such as 20151212T121212Z"),
    (parameter(T.DATE_TIME), "20150230T000000Z", "must be a time that exists, such as 20151212T121212Z"),
    (
        parameter(T.DATE_TIME),
        "0001-01-01T00:00+09:00",
        "must be a time that exists, such as 20151212T121212Z",
    ),
    (parameter(T.JSON_OBJECT), "[1]", "must be a JSON object"),
    (
        parameter(T.JSON_OBJECT),
        '{"a": 1, "a": 2}',
        "must be a JSON object: the name 'a' comes twice in one object",
    ),
    (parameter(T.JSON_OBJECT), '{"a": NaN}', "must be a JSON object: NaN is not a JSON value"),
    (
        parameter(T.JSON_OBJECT),
        '{"a": 1e999}',
        "must be a JSON object with nothing but JSON values in it",
    ),
    (parameter(T.JSON_OBJECT), '{"a": "\\u0000"}', "holds a character that cannot be sent"),
    (parameter(T.JSON_OBJECT), '{"a":' * 100_000, "must be a JSON object: it is nested too deeply"),
    (parameter(T.STRING_LIST, choices=("a", "b")), "a\nc", "must be one of a, b"),
]


@pytest.mark.parametrize(("given", "text", "value"), GOOD)
def test_what_was_typed_becomes_a_value(given: Parameter, text: str, value: object):
    converted = convert(given, text)
    assert converted == value
    assert type(converted) is type(value)
    assert check(given, converted) is None


@pytest.mark.parametrize(("given", "text", "sentence"), BAD)
def test_what_does_not_fit_is_refused_in_words(given: Parameter, text: str, sentence: str):
    with pytest.raises(BadValue) as refused:
        convert(given, text)
    assert str(refused.value) == sentence


@pytest.mark.parametrize(
    ("kind", "value", "sentence"),
    [
        (T.INT, "5", "must be a whole number"),
        (T.INT, 5.0, "must be a whole number"),
        (T.INT, True, "must be a whole number"),
        (T.DECIMAL, "5", "must be a number"),
        (T.DECIMAL, float("inf"), "must be a number that a device can hold"),
        (T.DOUBLE, False, "must be a number"),
        (T.STRING, 5, "must be text"),
        (T.STRING, None, "must be text"),
        (T.STRING, "\ud800", "holds a character that cannot be sent"),
        (T.BOOLEAN, 1, "must be true or false"),
        (T.BOOLEAN, "true", "must be true or false"),
        (T.DATE_TIME, "2015-12-12T12:12:12Z", "must be a time such as 20151212T121212Z"),
        (T.DATE_TIME, 20151212, "must be a time such as 20151212T121212Z"),
        (T.JSON_OBJECT, "{}", "must be a JSON object"),
        (T.JSON_OBJECT, {"a": {1}}, "must be a JSON object with nothing but JSON values in it"),
        (T.STRING_LIST, "a", "must be a list of texts"),
        (T.STRING_LIST, ["a", 1], "must be a list of texts"),
    ],
)
def test_a_typed_value_is_not_converted(kind: DataType, value: object, sentence: str):
    assert check(parameter(kind), value) == sentence


def test_a_commands_values_are_checked_together():
    command = Command(
        "SET_RATE",
        (
            Parameter("rate", T.INT, required=True, minimum=Decimal(0), maximum=Decimal(200)),
            Parameter("note", T.STRING),
            Parameter("zone", T.INT, required=True),
        ),
    )
    assert check_paras(command, {"rate": 5, "zone": 1}) == {}
    assert check_paras(command, {"rate": 201, "note": None, "Rate": 5}) == {
        "rate": "must be from 0 to 200",
        "note": "must be text",
        "zone": "is required",
        "Rate": "is not a parameter of SET_RATE",
    }
    assert check_paras(Command("STOP"), {}) == {}
