from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.platform.jsontext import BadJSON, clean, cleaned, loads


@pytest.mark.parametrize(
    "text", ["{}", "[]", "null", "1", '"x"', " {} \n", '{"a":{"a":1}}', "[1e300, -0.5, 18446744073709551616]"]
)
def test_plain_json_is_read_like_anywhere(text):
    assert loads(text) == json.loads(text)
    assert loads(text.encode()) == json.loads(text)


def test_a_byte_order_mark_is_dropped_once():
    assert loads(b"\xef\xbb\xbf{}") == {}
    assert loads("\ufeff{}") == {}
    with pytest.raises(BadJSON):
        loads("\ufeff\ufeff{}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "Expecting value"),
        (b"{} {}", "Extra data"),
        (b"{'a':1}", "Expecting property name"),
        (b'{"a":1,}', ""),
        (b"\xff", "UTF-8"),
        (b'"\xe4"', "UTF-8"),
        ('{"a":1}'.encode("utf-16"), "UTF-8"),
        ('{"a":1}'.encode("utf-16-le"), ""),
        ('{"a":1}'.encode("utf-32-le"), ""),
        (b'"\xed\xa0\x80"', "UTF-8"),
        (b'{"a":1,"a":2}', "member 'a' twice"),
        (b'[{"b":{"a":1,"x":0,"a":1}}]', "member 'a' twice"),
        (b"NaN", "NaN"),
        (b"[Infinity]", "Infinity"),
        (b"-Infinity", "-Infinity"),
        (b"1e400", "too large"),
        (b"-1e400", "too large"),
        (b"9" * 5000, "5000 characters"),
        (b"0." + b"9" * 5000, "5002 characters"),
        (b"[" * 100_000, "nested"),
        (b"[" * 100_000 + b"]" * 100_000, "nested"),
        (b'{"a":' * 5000 + b"1" + b"}" * 5000, "nested"),
        (b'"a\nb"', "control character"),
        (b'"\\x"', "escape"),
    ],
)
def test_anything_else_is_refused_with_a_sentence(text, message):
    with pytest.raises(BadJSON) as caught:
        loads(text)
    assert message in caught.value.message


def test_the_place_is_told():
    with pytest.raises(BadJSON) as caught:
        loads('{\n  "a": tru\n}')
    assert (caught.value.line, caught.value.column) == (2, 8)
    with pytest.raises(BadJSON) as caught:
        loads(b'{\n\n"a": "\xff"}')
    assert caught.value.line == 3


def test_nesting_is_bounded_at_64():
    assert loads("[" * 64 + "1" + "]" * 64)
    with pytest.raises(BadJSON):
        loads("[" * 65 + "]" * 65)


def test_a_hundred_thousand_members_twice_are_found_quickly():
    with pytest.raises(BadJSON):
        loads(json.dumps({str(i): i for i in range(100_000)})[:-1] + ',"99999":1}')


def test_text_is_cleaned_of_what_databases_refuse():
    assert clean("a\0b\ud800c\U0001f6b0") == "a\ufffdb\ufffdc\U0001f6b0"
    assert cleaned({"a\0": ["\udfff", 1, None, {"b": "\0"}]}) == {
        "a\ufffd": ["\ufffd", 1, None, {"b": "\ufffd"}]
    }


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(raw):
    try:
        loads(raw)
    except BadJSON as error:
        str(error).encode()
