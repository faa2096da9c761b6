import json
from decimal import Decimal

import pytest

from tasks.profiles.schema import (
    Command,
    DataType,
    Parameter,
    Profile,
    Property,
    Response,
    Service,
    from_dict,
    to_dict,
)

RATE = Parameter(
    "rate",
    DataType.DECIMAL,
    True,
    Decimal("0.10"),
    Decimal("1E+300"),
    Decimal("0.1"),
    None,
    "l/s",
    ("1",),
    "How fast",
)
LEVEL = Property("level", DataType.STRING, max_length=9, method="RE")
PROFILE = Profile(
    device_type="Valve",
    manufacturer_id="Acme",
    manufacturer_name="Acme Ltd",
    model="V2",
    protocol="MQTT",
    services=(
        Service(
            id="Flow01",
            type="Flow",
            commands=(Command("SET", (RATE,), (Response("SET_RSP", (RATE,)),)),),
            properties=(LEVEL,),
        ),
    ),
    notes=("a note",),
)


def test_a_profile_comes_back_from_json_as_it_was():
    assert from_dict(json.loads(json.dumps(to_dict(PROFILE)))) == PROFILE


def test_the_stored_form_names_what_the_classes_name():
    stored = to_dict(PROFILE)
    assert stored["device_type"] == "Valve"
    assert stored["services"][0]["commands"][0]["parameters"][0] == {
        "name": "rate",
        "type": "decimal",
        "required": True,
        "minimum": "0.10",
        "maximum": "1E+300",
        "step": "0.1",
        "max_length": None,
        "unit": "l/s",
        "choices": ["1"],
        "description": "How fast",
    }


@pytest.mark.parametrize("stored", [{}, {"services": [], "notes": []}, {**to_dict(PROFILE), "more": 1}])
def test_another_form_is_not_taken_for_a_profile(stored: dict[str, object]):
    with pytest.raises((KeyError, TypeError)):
        from_dict(stored)
