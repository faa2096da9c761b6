from typing import Any

from tasks.profiles.schema import DataType
from tasks.profiles.services import service

from .samples import FLOW


def parse(**changes: Any) -> Any:
    notes: list[str] = []
    return service({**FLOW, **changes}, notes), notes


def test_every_member_arrives_in_its_place():
    rate = {"paraName": "rate", "dataType": "decimal", "unit": "l/s", "description": "How fast"}
    response = {"responseName": "SET_RSP", "paras": [rate]}
    parsed, notes = parse(
        serviceId="Flow01",
        option="Master",
        commands=[{"commandName": "SET", "paras": [rate], "responses": [response]}],
    )
    assert (parsed.id, parsed.type, parsed.option, parsed.description) == (
        "Flow01",
        "Flow",
        "Master",
        "Flow of water",
    )
    [command] = parsed.commands
    assert (command.name, command.responses[0].name) == ("SET", "SET_RSP")
    assert command.parameters == command.responses[0].parameters
    assert (command.parameters[0].unit, command.parameters[0].description) == ("l/s", "How fast")
    [rate_property] = parsed.properties
    assert (rate_property.type, rate_property.method, rate_property.maximum) == (DataType.INT, "RE", 200)
    assert notes == []


def test_eighteen_commands_without_parameters_are_eighteen_commands():
    listed = [{"commandName": f"StartSystem{number}", "paras": None} for number in range(18)]
    parsed, notes = parse(commands=listed, properties=None)
    assert len(parsed.commands) == 18
    assert all(command.parameters == command.responses == () for command in parsed.commands)
    assert notes == []


def test_what_has_no_name_or_a_name_twice_is_left_out_with_a_note():
    command = {"commandName": "C", "paras": [{"paraName": "p", "dataType": "int"}] * 2}
    parsed, notes = parse(commands=[command, {"paras": []}, command, 7], properties={})
    assert [[parameter.name for parameter in command.parameters] for command in parsed.commands] == [["p"]]
    assert "C: paras: 'p' comes twice, the first one counts" in notes
    assert "Flow: commands: an entry without a name is left out" in notes
    assert "Flow: commands: 'C' comes twice, the first one counts" in notes
    assert "Flow: commands, entry 4 is not an object: left out" in notes
    assert "Flow: properties is not a list: left out" in notes
