"""Whatever is uploaded, the answer is an import or a sentence."""

import io
import json
import zipfile
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tasks.profiles.archive import Unreadable, from_capabilities, read
from tasks.profiles.schema import Profile, from_dict, to_dict
from tasks.profiles.values import BadValue, check, convert

from .samples import FLOW, VALVE, valve, zipped

RELAXED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
WHOLE = {"devices": [{**VALVE, "serviceCapabilities": [FLOW]}]}
NAMES = [
    *("devices", "deviceType", "serviceCapabilities", "serviceTypeCapabilities", "serviceId", "serviceType"),
    *("commands", "commandName", "paras", "paraName", "dataType", "responses", "properties", "required"),
    *("min", "max", "step", "maxLength", "enumList", "unit", "deviceCapabilities", "services"),
]
STRANGE = ["", "\0", "\ud800", "NaN", "1e999", "-0.0", "１２", "true", "string", "int", "jsonObject"]
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.sampled_from(STRANGE)
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=6),
    max_leaves=20,
)


def import_or_sentence(name: str, data: bytes) -> list[Profile]:
    try:
        profiles = read(name, data)
    except Unreadable as refused:
        return sentence(refused)
    assert profiles
    for profile in profiles:
        stored = json.dumps(to_dict(profile), ensure_ascii=False, allow_nan=False)
        assert "\\u0000" not in stored
        assert from_dict(json.loads(stored.encode())) == profile
    return profiles


def sentence(refused: Unreadable) -> list[Profile]:
    assert str(refused).encode().endswith(b".")
    return []


@RELAXED
@given(st.binary(), st.sampled_from(["x.zip", "x.json", "", "\ud800.zip", "a/b\0"]))
@example(b"PK\x03\x04", "x.json")
def test_any_bytes(data: bytes, name: str):
    import_or_sentence(name, data)


@RELAXED
@given(st.data())
def test_a_profile_with_any_one_member_replaced(data: st.DataObject):
    document = json.loads(json.dumps(WHOLE))
    holder, key = data.draw(st.sampled_from(list(places(document))))
    holder[key] = data.draw(JSON)
    import_or_sentence("x.json", json.dumps(document).encode())


@RELAXED
@given(JSON)
def test_any_services_of_any_shape(raw: Any):
    import_or_sentence("x.json", json.dumps({"devices": [{**VALVE, "serviceCapabilities": raw}]}).encode())
    import_or_sentence("x.json", json.dumps({"devices": raw}).encode())
    import_or_sentence("x.json", json.dumps({"deviceCapabilities": [{"serviceCapabilities": raw}]}).encode())
    from_capabilities(
        device_type="T", manufacturer_id="M", manufacturer_name="", model="1", protocol="", services=[raw]
    )


@RELAXED
@given(
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=6),
    st.integers(0, 100),
    st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]),
)
def test_a_zip_with_any_bytes_changed_or_cut_off(changes: list[tuple[int, int]], cut: int, method: int):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for path, content in valve().items():
            archive.writestr(path, json.dumps(content))
    data = bytearray(file.getvalue())
    for position, byte in changes:
        data[position % len(data)] = byte
    import_or_sentence("x.zip", bytes(data[: len(data) - (cut if cut > 50 else 0)]))


@RELAXED
@given(st.dictionaries(st.sampled_from(NAMES), SCALARS, max_size=9), st.text(), JSON)
def test_any_value_for_any_parameter_is_sent_or_answered(raw: dict[str, Any], text: str, value: Any):
    service = {**FLOW, "commands": [{"commandName": "C", "paras": [{**raw, "paraName": "p"}]}]}
    document = {"devices": [{**VALVE, "serviceCapabilities": [service]}]}
    for profile in import_or_sentence("x.json", json.dumps(document).encode()):
        for command in profile.services[0].commands:
            [parameter] = command.parameters
            assert check(parameter, value) is None or str(check(parameter, value))
            try:
                converted = convert(parameter, text)
            except BadValue as refused:
                str(refused).encode()
            else:
                assert check(parameter, converted) is None
                json.dumps(converted, allow_nan=False, ensure_ascii=False).encode()


def test_the_small_profile_itself_is_imported():
    assert import_or_sentence("x.zip", zipped(valve()))
    assert import_or_sentence("x.json", json.dumps(WHOLE).encode())


def places(node: Any) -> Any:
    for key, value in list(node.items() if isinstance(node, dict) else enumerate(node)):
        yield node, key
        if isinstance(value, dict | list):
            yield from places(value)
