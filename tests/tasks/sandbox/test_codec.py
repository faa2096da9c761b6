import json
from itertools import chain

import pytest

from tasks.sandbox.catalogue import ROOT, packages, profiles
from tasks.sandbox.codec import BAD_PARAS, CHECKS, NO_COMMAND, NO_SERVICE, objection, reply

METER, LIGHT, LOCK, AIR = profiles()


def command(service, method, **paras):
    return {"serviceId": service, "method": method, "paras": paras}


CASES = [
    (METER, command("Valve", "SET_VALVE", value="OPEN"), None),
    (METER, command("Valve", "SET_VALVE", value="AJAR"), BAD_PARAS),
    (METER, command("Valve", "SET_VALVE"), BAD_PARAS),
    (METER, command("Valve", "SET_VALVE", value="OPEN", extra=1), BAD_PARAS),
    (METER, command("Valve", "EXPLODE"), NO_COMMAND),
    (METER, command("Brightness", "PUT", brightness=80), NO_SERVICE),
    (None, command("Valve", "SET_VALVE", value="OPEN"), NO_SERVICE),
    (METER, command("WaterMeter", "SET_TEMPERATURE_READ_PERIOD", value="12"), None),
    (METER, command("WaterMeter", "SET_REPORT_PERIOD", period=0), BAD_PARAS),
    (METER, command("WaterMeter", "SET_REPORT_PERIOD", period=1441), BAD_PARAS),
    (METER, command("WaterMeter", "SET_REPORT_PERIOD", period=True), BAD_PARAS),
    (METER, command("WaterMeter", "SET_REPORT_PERIOD", period=1.5), BAD_PARAS),
    (METER, command("WaterMeter", "SET_REPORT_PERIOD", period=5, startTime="20300101T000000Z"), None),
    (METER, command("WaterMeter", "SET_REPORT_PERIOD", period=5, startTime="tomorrow"), BAD_PARAS),
    (METER, command("WaterMeter", "SET_REPORT_PERIOD", period=5, startTime=None), None),
    (METER, command("WaterMeter", "CORRECT_READING", reading=12.5, reason="x" * 65), BAD_PARAS),
    (LIGHT, command("Light", "SWITCH", on=True), None),
    (LIGHT, command("Light", "SWITCH", on="perhaps"), BAD_PARAS),
    (LIGHT, command("Light", "IDENTIFY"), None),
    (LIGHT, command("Schedule", "SET_SCHEDULE", validFrom="20300101T000000Z", days=["MON"], plan={}), None),
    (LIGHT, command("Schedule", "SET_SCHEDULE", validFrom="20300101T000000Z", days=["Moonday"]), BAD_PARAS),
    (LIGHT, command("Schedule", "SET_SCHEDULE", validFrom="20300101T000000Z", days=[], plan="x"), BAD_PARAS),
    (LOCK, command("Lock", "UNLOCK"), None),
    (LOCK, command("Lock", "UNLOCK", durationMs="1" * 400), BAD_PARAS),
    (AIR, command("AirQuality", "CALIBRATE", reference="nan"), BAD_PARAS),
]


@pytest.mark.parametrize(("profile", "given", "wanted"), CASES, ids=lambda value: str(value)[:50])
def test_a_device_takes_what_its_profile_allows(profile, given, wanted):
    assert objection(profile, given) == wanted


def test_the_profiles_use_every_data_type():
    commands = chain.from_iterable(s["commands"] for p in profiles() for s in p.services)
    assert {para["dataType"] for one in commands for para in one["paras"] or []} == set(CHECKS)


def test_the_profiles_are_packages_in_the_platforms_layout():
    for folder in ROOT.iterdir():
        device = json.loads((folder / "profile" / "devicetype-capability.json").read_text())["devices"][0]
        assert folder.name == f"{device['deviceType']}_{device['manufacturerId']}_{device['model']}"
        assert f"{folder.name}" in packages()


def test_a_good_answer_repeats_what_was_set():
    said = reply(METER, command("Valve", "SET_VALVE", value="CLOSE"), good=True, dice=7)
    assert said == {"result": 0, "valve_state": "CLOSE"}
    assert reply(LIGHT, command("Light", "SWITCH", on=True), good=True, dice=7)["light_state"] == 1
    assert reply(LIGHT, command("Light", "IDENTIFY"), good=True, dice=7) is None


def test_a_bad_answer_says_so_and_is_always_the_same():
    given = command("AirQuality", "CALIBRATE", reference=400)
    said = reply(AIR, given, good=False, dice=7)
    assert said["result"] > 0
    assert -50 <= said["offset"] <= 50
    assert said == reply(AIR, given, good=False, dice=7) != reply(AIR, given, good=False, dice=8)
