from decimal import Decimal
from typing import Any

import pytest

from tasks.profiles.limits import values
from tasks.profiles.schema import DataType


def parse(**raw: Any) -> tuple[dict[str, Any], list[str]]:
    notes: list[str] = []
    return values({"dataType": "int", **raw}, "C.p", notes), notes


@pytest.mark.parametrize("kind", list(DataType))
def test_a_type_in_the_platforms_spelling_needs_no_note(kind: DataType):
    assert parse(dataType=kind.value) == (parse(dataType=kind.value)[0], [])
    assert parse(dataType=kind.value)[0]["type"] is kind


@pytest.mark.parametrize(
    ("written", "kind"),
    [
        ("Integer", DataType.INT),
        ("LONG", DataType.LONG),
        ("float", DataType.DECIMAL),
        ("number", DataType.DECIMAL),
        ("String", DataType.STRING),
        ("bool", DataType.BOOLEAN),
        ("datetime", DataType.DATE_TIME),
        ("DateTime", DataType.DATE_TIME),
        ("json", DataType.JSON_OBJECT),
        ("stringList", DataType.STRING_LIST),
        ("string_list", DataType.STRING_LIST),
    ],
)
def test_another_spelling_is_read_with_a_note(written: str, kind: DataType):
    parsed, notes = parse(dataType=written)
    assert parsed["type"] is kind
    assert notes == [f"C.p: type '{written}' is read as {kind}"]


@pytest.mark.parametrize("written", ["tensor", "", None, 7, ["int"]])
def test_an_unknown_type_is_a_string_with_a_note(written: object):
    parsed, notes = parse(dataType=written)
    assert parsed["type"] is DataType.STRING
    assert "so it is treated as a string" in notes[0]


@pytest.mark.parametrize(
    ("raw", "limits", "notes"),
    [
        ({"min": 0, "max": 200}, (0, 200), []),
        ({"min": "-1000000", "max": "1000000"}, (-1000000, 1000000), []),
        ({"min": "0.0", "max": " 100.50 "}, (0, Decimal("100.5")), []),
        ({"min": 0, "max": 0}, (None, None), []),
        ({"min": "0.0", "max": "0"}, (None, None), []),
        ({"min": None, "max": None}, (None, None), []),
        ({"min": "", "max": ""}, (None, None), []),
        ({"min": 3}, (3, None), []),
        ({"max": 3}, (None, 3), []),
        ({"min": 1, "max": 0}, (None, None), ["C.p: max 0 is below min 1, so no range is checked"]),
        ({"min": 5, "max": 5}, (None, None), ["C.p: max 5 equals min 5, so no range is checked"]),
        ({"min": "low", "max": 5}, (None, 5), ["C.p: min is not a number: left out"]),
        ({"min": True, "max": 5}, (None, 5), ["C.p: min is not a number: left out"]),
        ({"min": "1_0", "max": 50}, (None, 50), ["C.p: min is not a number: left out"]),
        (
            {"min": 0, "max": "1e999"},
            (0, None),
            ["C.p: max is beyond every number a device knows: left out"],
        ),
        ({"min": 0, "max": 10**5000}, (0, None), ["C.p: max is not a number: left out"]),
    ],
)
def test_ranges(raw: dict[str, Any], limits: tuple[object, object], notes: list[str]):
    parsed, written = parse(**raw)
    assert (parsed["minimum"], parsed["maximum"]) == limits
    assert written == notes


def test_limits_that_do_not_apply_to_the_type_are_noise():
    parsed, notes = parse(dataType="string", min="1", max="2147483646", step=1, maxLength=0)
    assert (parsed["minimum"], parsed["maximum"], parsed["step"], parsed["max_length"]) == (None,) * 4
    assert parse(dataType="int", maxLength=10)[0]["max_length"] is None
    assert parse(dataType="string", maxLength="1024")[0]["max_length"] == 1024
    assert notes == []


@pytest.mark.parametrize(
    ("step", "kept"), [(0, None), (0.0, None), (None, None), (0.1, Decimal("0.1")), ("5", 5)]
)
def test_a_step_of_zero_is_no_step(step: object, kept: object):
    parsed, notes = parse(step=step)
    assert (parsed["step"], notes) == (kept, [])


@pytest.mark.parametrize(
    ("raw", "note"),
    [
        ({"step": -1}, "C.p: step -1 is negative, so no step is checked"),
        ({"dataType": "string", "maxLength": -1}, "C.p: maxLength -1 is not a length: left out"),
        ({"dataType": "string", "maxLength": 1.5}, "C.p: maxLength 1.5 is not a length: left out"),
        ({"required": "maybe"}, "C.p: required is neither true nor false: it is read as false"),
        ({"enumList": {"a": 1}}, "C.p: enumList is not a list: left out"),
        (
            {"unit": "m\0s"},
            "'m\N{REPLACEMENT CHARACTER}s' held a character that cannot be stored: it was replaced",
        ),
    ],
)
def test_nonsense_is_noted(raw: dict[str, Any], note: str):
    parsed, notes = parse(**raw)
    assert notes == [note]
    assert (parsed["step"], parsed["max_length"], parsed["required"], parsed["choices"]) == (
        None,
        None,
        False,
        (),
    )


@pytest.mark.parametrize(
    ("raw", "choices"),
    [
        (None, ()),
        ([], ()),
        (["on", "off", "on"], ("on", "off")),
        ([1, 2.5, None, True], ("1", "2.5", "true")),
        ("on, off", ("on", "off")),
    ],
)
def test_choices(raw: object, choices: tuple[str, ...]):
    assert parse(enumList=raw)[0]["choices"] == choices


@pytest.mark.parametrize(
    ("raw", "required"),
    [(True, True), (False, False), (None, False), ("true", True), ("False", False), (1, True)],
)
def test_required_is_false_unless_it_is_said(raw: object, *, required: bool):
    assert parse(required=raw)[0]["required"] is required
