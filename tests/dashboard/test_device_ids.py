"""Device ids as people paste and upload them."""

import io
import sys
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.forms import device_ids
from dashboard.forms.device_ids import Parsed, parse_text
from tasks.platform import wire


def parse_file(name: str, data: bytes) -> Parsed:
    return device_ids.parse_file(name, io.BytesIO(data))


def bad(parsed: Parsed) -> list[tuple[int, str]]:
    return [(line.number, line.text) for line in parsed.bad]


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("a\nb\nc", ["a", "b", "c"]),
        ("a\r\nb\rc\n", ["a", "b", "c"]),
        ("a, b;c\td  e", ["a", "b", "c", "d", "e"]),
        ("\n\n  a  \n\n,b,\n;;\n", ["a", "b"]),
        ("\ufeffa\nb", ["a", "b"]),
        ("deviceId\na\nb", ["a", "b"]),
        ("", []),
        (" \n,;\n", []),
        ("设备一\nпристрій", ["设备一", "пристрій"]),
    ],
)
def test_text_is_read_whatever_separates_the_ids(text: str, ids: list[str]) -> None:
    parsed = parse_text(text)
    assert (parsed.ids, parsed.bad, parsed.problem) == (ids, [], "")


@pytest.mark.parametrize(
    "data",
    [
        b"deviceId\na\nb\n",
        b"\xef\xbb\xbfdeviceId\r\na\r\nb\r\n",
        "deviceId\na\nb\n".encode("utf-16"),
        b"\xfe\xff" + "deviceId\na\nb".encode("utf-16-be"),
        b"name,device_id,place\nx,a,1\ny,b,2",
        b"name;Device ID;place\nx;a;1,5\ny;b;2,5",
        b"name\tDEVICEID\nx\ta\ny\tb",
        b'"deviceId","name"\n"a","one, two"\n"b","say ""hi"""\n',
        b"a,x\nb,y\n",
        b"a\nb\n",
        b'"a"\n"b"\n',
        b"\n\ndeviceId\n\na\n\nb\n\n",
        b"id;name\na;x\nb;y\n;\n",
        b'name,deviceId\n"over\ntwo lines",a\nx,b\n',
    ],
)
def test_a_csv_file_gives_its_column_of_ids_or_else_the_first(data: bytes) -> None:
    parsed = parse_file("fleet.CSV", data)
    assert (parsed.ids, parsed.bad, parsed.problem) == (["a", "b"], [], "")


@pytest.mark.parametrize("data", [b"a\nb", b"\xef\xbb\xbfa b", "a\nb".encode("utf-16"), b"a,b", b"a;\r\nb;"])
def test_a_text_file_is_read_as_if_it_were_pasted(data: bytes) -> None:
    assert parse_file("fleet.txt", data).ids == ["a", "b"]


@pytest.mark.parametrize(
    "data",
    [
        "deviceId\tplace\r\na\tHall 1\r\nb\tHall 2\r\n".encode("utf-16"),  # Excel's Unicode text
        b"place;Device Id\n1;a\n2;b\n",
        b"\n\nname,DEVICE_ID\nx,a\n\ny,b",
    ],
)
def test_a_table_with_headings_gives_its_column_whatever_the_file_is_called_and_also_when_it_is_pasted(
    data: bytes,
) -> None:
    parsed = parse_file("fleet.txt", data)
    assert (parsed.ids, parsed.bad, parsed.problem) == (["a", "b"], [], "")
    encoding = "utf-16" if data.startswith(b"\xff") else "utf-8"
    assert parse_text(data.decode(encoding)).ids == ["a", "b"]


def test_of_very_many_bad_lines_the_first_are_kept_and_all_counted() -> None:
    lines = [f"bad\x07{number}" for number in range(device_ids.MOST_BAD + 5)]
    parsed = parse_text("\n".join(["good", *lines]))
    assert parsed.ids == ["good"]
    assert parsed.bad_count == len(lines)
    assert [line.number for line in parsed.bad] == list(range(2, device_ids.MOST_BAD + 2))
    assert parsed.text == ""


def test_line_numbers_go_on_from_chunk_to_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_ids, "CHUNK", 3)
    lines = ["a", "", "b c", "d", "bad\x07", "e, f", "", "", "", "bad\x08", "a"]
    for parsed in (parse_text("\n".join(lines)), parse_file("f.txt", "\r\n".join(lines).encode())):
        assert parsed.ids == ["a", "b", "c", "d", "e", "f"]
        assert bad(parsed) == [(5, "bad\x07"), (10, "bad\x08")]
        assert parsed.duplicates == 1
        assert parsed.text.split("\n")[4] == "bad\x07"


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=20), max_size=30))
def test_many_ids_are_checked_by_the_rule_for_one(words: list[str]) -> None:
    """Texts of letters that no font knows are good too, but need the closer look."""
    problems = any(map(wire.device_id_problem, words))
    assert wire.are_device_ids(words) == (not problems) or not "".join(words).isprintable()
    assert not (wire.are_device_ids(words) and problems)


@pytest.mark.parametrize(
    ("name", "data", "problem"),
    [
        (
            "f.csv",
            b"deviceId\na\n\xe9\n",
            "f.csv is not UTF-8 text (line 3). Save it as CSV UTF-8 and try again.",
        ),
        (
            "f.txt",
            "ä".encode("latin-1"),
            "f.txt is not UTF-8 text (line 1). Save it as CSV UTF-8 and try again.",
        ),
        (
            "f.xlsx",
            b"PK\x03\x04\x14\x00",
            "f.xlsx is not a text file. Save the list as CSV or TXT and try again.",
        ),
        (
            "f.txt",
            "a\nb".encode("utf-16-le"),
            "f.txt is not a text file. Save the list as CSV or TXT and try again.",
        ),
        ("f.csv", b"\xff\xfea", "f.csv is not UTF-8 text (line 1). Save it as CSV UTF-8 and try again."),
        (
            "f.csv",
            b'"' + b"x" * 200_000,
            "f.csv cannot be read as CSV: field larger than field limit (131072).",
        ),
    ],
)
def test_a_file_that_is_no_list_is_told_in_a_sentence(name: str, data: bytes, problem: str) -> None:
    parsed = parse_file(name, data)
    assert (parsed.ids, parsed.problem) == ([], problem)


def test_duplicates_are_removed_and_counted_in_the_first_order() -> None:
    parsed = parse_text("b a b\nc,a\nb")
    assert (parsed.ids, parsed.duplicates) == (["b", "a", "c"], 3)


def test_every_bad_line_is_told_with_its_number_and_the_text_goes_on_to_be_corrected() -> None:
    parsed = parse_text("a\n\nb\x07\n" + "x" * 257 + "\nc\na\n")
    assert parsed.ids == ["a", "c"]
    assert parsed.duplicates == 1
    assert bad(parsed) == [(3, "b\x07"), (4, "x" * 80)]
    assert parsed.bad[0].problem == "must not hold control characters"
    assert parsed.text.split("\n")[2] == "b\x07"
    assert parsed.text.split("\n")[3] == "x" * 257


def test_bad_rows_of_a_csv_file_have_the_line_numbers_of_the_file() -> None:
    data = b'name,deviceId\n"two\nlines",a\nx,bad\x07\n\nshort\ny,b\n'
    parsed = parse_file("f.csv", data)
    assert parsed.ids == ["a", "b"]
    assert bad(parsed) == [(4, "bad\x07"), (6, "")]


def test_two_bad_ids_on_one_line_are_both_told() -> None:
    assert bad(parse_text("ok\nx\x07, y\x07 z")) == [(2, "x\x07"), (2, "y\x07")]


def test_more_devices_than_a_task_may_have_are_refused_with_the_number(settings: Any) -> None:
    settings.MOST_DEVICES = 3
    assert parse_text("a b c a").problem == ""
    assert parse_text("a b c d").problem == "More than 3 devices are too many for one task."


@pytest.mark.parametrize("name", ["f.csv", "f.txt"])
def test_a_hundred_thousand_ids_are_read_while_one_waits(name: str) -> None:
    ids = [f"3fd1a6c2-{number:08d}-4c44-9a0c-8ac3f7a2b5de" for number in range(100_000)]
    data = "\n".join(["deviceId" if name == "f.csv" else ids[0], *ids]).encode()
    start = time.perf_counter()
    parsed = parse_file(name, data)
    sys.stdout.write(f"{name}: 100,000 ids in {time.perf_counter() - start:.2f} s\n")
    assert parsed.ids == ids
    assert parsed.bad == []
