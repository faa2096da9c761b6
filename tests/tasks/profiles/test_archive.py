import json
from typing import Any

import pytest

from tasks.profiles.archive import Unreadable, from_capabilities, read
from tasks.profiles.schema import DataType, Profile, from_dict, to_dict

from .samples import DEVICE_FILE, FLOW, FLOW_FILE, VALVE, real, valve, zipped, zipped_folder

FOLDERS = [
    "01-WaterMeter_Huawei_v1001",
    "02-MultiSensor_eSDK_v01",
    "03-RawDataDevice_eSDK_v02",
    "11-smokeDetector_huaweicloud",
    "12-TiKit_TiJOS_TiKit800",
]


def only(name: str, data: bytes) -> Profile:
    [profile] = read(name, data)
    return profile


def commands(profile: Profile) -> set[str]:
    return {command.name for service in profile.services for command in service.commands}


@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize("prefix", ["", "enclosing/", "one/in another/"])
def test_a_published_profile_is_imported_from_any_depth_and_survives_storage(folder: str, prefix: str):
    profile = only("p.zip", zipped_folder(folder, prefix))
    assert profile.device_type == folder.split("-")[1].split("_")[0]
    assert profile.services
    assert from_dict(json.loads(json.dumps(to_dict(profile)))) == profile


def test_the_water_meter_has_two_commands_and_no_range_that_nothing_fits():
    profile = only("p.zip", zipped_folder("01-WaterMeter_Huawei_v1001"))
    assert [service.id for service in profile.services] == ["Electricity", "WaterMeter", "WaterMeterAlarm"]
    assert [service.option for service in profile.services] == ["Optional", "Master", "Mandatory"]
    assert commands(profile) == {"SET_METER_REPORT", "SET_HIGHFLOW_ALARM"}
    [high_flow] = profile.services[2].commands[0].parameters
    assert (high_flow.minimum, high_flow.maximum, high_flow.unit) == (None, None, "L")
    assert profile.notes == ("SET_HIGHFLOW_ALARM.highFlow: max 0 is below min 1, so no range is checked",)


def test_a_sensor_has_six_commands_with_their_ranges():
    profile = only("p.zip", zipped_folder("02-MultiSensor_eSDK_v01"))
    assert len(commands(profile)) == 6
    ranges = {
        (parameter.name, parameter.minimum, parameter.maximum)
        for service in profile.services
        for command in service.commands
        for parameter in command.parameters
    }
    assert ranges == {("Period", 0, 200), ("Value", 0, 200)}
    assert profile.notes == ()


def test_an_empty_service_file_is_a_service_without_commands():
    profile = only("p.zip", zipped_folder("03-RawDataDevice_eSDK_v02"))
    assert [(service.id, service.commands) for service in profile.services] == [("RawData", ())]
    assert profile.notes == ("RawData/servicetype-capability.json is empty: the service has no commands",)


def test_a_zip_that_holds_the_same_profile_twice_is_imported_once_and_says_so():
    [path] = real("11-smokeDetector_huaweicloud/_original").iterdir()
    profile = only(path.name, path.read_bytes())
    [duration] = profile.services[0].commands[0].parameters
    assert (duration.required, duration.minimum, duration.maximum) == (False, 0, 65535)
    assert len(profile.notes) == 1
    assert "twice" in profile.notes[0]


def test_limits_written_as_strings_are_numbers():
    profile = only("p.zip", zipped_folder("12-TiKit_TiJOS_TiKit800"))
    [status] = next(service for service in profile.services if service.id == "LED").commands[0].parameters
    assert (status.minimum, status.maximum, status.step, status.max_length) == (0, 2, None, None)


@pytest.mark.parametrize(
    ("path", "note"),
    [
        ("serivce/Flow/profile/servicetype-capability.json", "service folder is spelled 'serivce'"),
        ("serivce/Flow/servicetype-capability.json", "service folder is spelled 'serivce'"),
        ("service/servicetype-capability.json.json", "has its '.json' twice"),
        ("service/Flow/servicetype-capability.json", None),
        ("Service/Flow/profile/servicetype-capability.json", "service folder is spelled 'Service'"),
        ("service\\Flow\\profile\\servicetype-capability.json", None),
    ],
)
def test_a_misplaced_service_file_is_found(path: str, note: str | None):
    files = {DEVICE_FILE: {"devices": [VALVE]}, path: {"services": [FLOW]}}
    profile = only("p.zip", zipped(files))
    assert commands(profile) == {"SET_RATE"}
    assert [note] if note else not profile.notes
    assert all(note and note in written for written in profile.notes)
    assert len(profile.notes) == (1 if note else 0)


def test_a_service_file_outside_the_only_profile_still_belongs_to_it():
    files = {"Valve/" + DEVICE_FILE: {"devices": [VALVE]}, FLOW_FILE: {"services": [FLOW]}}
    assert commands(only("p.zip", zipped(files))) == {"SET_RATE"}


def test_several_profiles_in_one_zip_keep_their_own_services():
    files: dict[str, Any] = {}
    for model in ("V2", "V3"):
        for path, content in valve(model=model).items():
            files[f"{model}/{path}"] = content
    files[f"V3/{FLOW_FILE}"] = {"services": [{**FLOW, "commands": []}]}
    first, second = read("p.zip", zipped(files))
    assert (first.model, commands(first)) == ("V2", {"SET_RATE"})
    assert (second.model, commands(second)) == ("V3", set())


def test_two_different_profiles_of_one_device_are_refused():
    files = {f"a/{path}": content for path, content in valve().items()}
    files |= {f"b/{path}": content for path, content in valve(protocolType="CoAP").items()}
    with pytest.raises(Unreadable, match="hold two different profiles of Valve Acme V2"):
        read("p.zip", zipped(files))


@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("alone", [True, False])
def test_a_single_file_with_its_services_inlined_is_a_profile(bom: bytes, alone: bool):
    device = {**VALVE, "serviceCapabilities": [{**FLOW, "serviceId": "Flow", "option": "Master"}]}
    document = device if alone else {"devices": [device]}
    profile = only("valve.json", bom + json.dumps(document).encode())
    assert (profile.protocol, commands(profile), profile.notes) == ("MQTT", {"SET_RATE"}, ())
    assert commands(only("valve.zip", zipped({"valve.json": {"devices": [device]}}))) == {"SET_RATE"}


def test_services_of_one_type_are_told_apart_by_their_ids():
    announced = [{"serviceId": name, "serviceType": "Flow"} for name in ("Flow01", "Flow02")]
    profile = only("p.zip", zipped(valve(serviceTypeCapabilities=announced)))
    assert [(service.id, service.type) for service in profile.services] == [
        ("Flow01", "Flow"),
        ("Flow02", "Flow"),
    ]
    assert all(service.commands for service in profile.services)


def test_inlined_services_of_one_type_are_all_kept():
    inlined = [{**FLOW, "serviceId": "Flow01"}, {**FLOW, "serviceId": "Flow02", "commands": None}]
    device = {**VALVE, "serviceCapabilities": inlined}
    device["serviceTypeCapabilities"] = [{"serviceId": "Flow01", "serviceType": "Flow"}]
    profile = only("v.json", json.dumps(device).encode())
    assert [(service.id, len(service.commands)) for service in profile.services] == [
        ("Flow01", 1),
        ("Flow02", 0),
    ]
    assert profile.notes == ("service Flow02 is described but not announced: it is taken in",)


def test_announced_services_find_their_own_description_by_id():
    inlined = [{**FLOW, "serviceId": "Flow01"}, {**FLOW, "serviceId": "Flow02", "commands": None}]
    announced = [{"serviceId": name, "serviceType": "Flow"} for name in ("Flow02", "Flow01")]
    device = {**VALVE, "serviceCapabilities": inlined, "serviceTypeCapabilities": announced}
    profile = only("v.json", json.dumps(device).encode())
    assert [(service.id, len(service.commands)) for service in profile.services] == [
        ("Flow02", 0),
        ("Flow01", 1),
    ]
    assert profile.notes == ()


def test_a_service_that_is_announced_but_not_described_has_no_commands():
    profile = only("p.zip", zipped({DEVICE_FILE: {"devices": [VALVE]}}))
    assert [service.id for service in profile.services] == ["Flow"]
    assert profile.notes == ("service Flow is announced but not described: it has no commands",)


def test_the_platforms_answer_is_a_profile_without_an_identity():
    answer = {
        "deviceCapabilities": [{"deviceId": "d1", "serviceCapabilities": [{**FLOW, "serviceId": "Flow"}]}]
    }
    profile = only("answer.json", json.dumps(answer).encode())
    assert (profile.device_type, profile.model, commands(profile)) == ("", "", {"SET_RATE"})
    assert "does not say the deviceType" in profile.notes[0]


def test_capabilities_from_the_platform_take_the_identity_that_is_given():
    profile = from_capabilities(
        device_type="Valve",
        manufacturer_id="Acme",
        manufacturer_name="Acme Ltd",
        model="V2",
        protocol="MQTT",
        services=[{**FLOW, "serviceId": "Flow", "option": None}, None, "rubbish"],
    )
    assert (profile.device_type, profile.manufacturer_name, commands(profile)) == (
        "Valve",
        "Acme Ltd",
        {"SET_RATE"},
    )
    assert profile.services[0].commands[0].parameters[0].type is DataType.INT
    assert profile.notes == (
        "serviceCapabilities, entry 2 is not an object: left out",
        "serviceCapabilities, entry 3 is not an object: left out",
    )


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("a.json", b"", "a.json is empty."),
        ("a.json", b'{"devices": []} bye', "a.json is not valid JSON: line 1, column 17: Extra data."),
        ("a.json", b'{"devices": [], "devices": []}', "the name 'devices' comes twice"),
        ("a.json", b'{"a": NaN}', "NaN is not a JSON value"),
        ("a.json", b"\xff\xfe{\x00}\x00", "a.json is not text in UTF-8"),
        ("a.json", b"[" * 100_000, "nested too deeply"),
        ("a.json", b"[" + b"9" * 5000 + b"]", "a.json is not valid JSON: a number has 5000 digits."),
        ("a.json", b" " * 6_000_000, "a.json is larger than 5 MiB."),
        ("a.json", b"[1, 2]", "a.json is not a device profile"),
        ("a.json", b'{"devices": []}', "a.json lists no device."),
        ("a.json", b'{"devices": [{"model": "V2"}]}', "a device has no deviceType"),
        ("a.json", b'{"deviceCapabilities": null}', "holds no device"),
        ("a.json", json.dumps({"services": [FLOW]}).encode(), "import the whole profile"),
        ("a.json", json.dumps({"devices": [VALVE] * 101}).encode(), "lists 101 devices; 100 are allowed"),
        ("a.zip", zipped({"readme.txt": "hello"}), "a.zip holds no devicetype-capability.json"),
        ("a.zip", zipped({FLOW_FILE: {"services": [FLOW]}}), "a.zip holds no devicetype-capability.json"),
        ("a.zip", zipped({DEVICE_FILE: ""}), f"a.zip: {DEVICE_FILE} is empty"),
        ("a.zip", zipped({**valve(), FLOW_FILE: "{"}), f"{FLOW_FILE} is not valid JSON: line 1"),
        ("a.zip", zipped({**valve(), FLOW_FILE: []}), f"{FLOW_FILE} is not a service description"),
    ],
)
def test_what_cannot_be_imported_is_refused_with_a_sentence(name: str, data: bytes, sentence: str):
    with pytest.raises(Unreadable) as refused:
        read(name, data)
    assert sentence in str(refused.value)


def test_notes_are_no_longer_than_a_person_would_read():
    rubbish = [{"paraName": f"p{number}", "dataType": "?"} for number in range(500)]
    command = {"commandName": "C", "paras": rubbish}
    profile = only("p.zip", zipped({**valve(), FLOW_FILE: {"services": [{**FLOW, "commands": [command]}]}}))
    assert len(profile.notes) == 100
    assert profile.notes[-1] == "and 401 more"
    assert len(profile.services[0].commands[0].parameters) == 500
