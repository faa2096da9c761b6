"""The rows of a table of values as text."""

import pytest

from tasks.lifecycle import value_rows, values

TABLE = '\ufeffdeviceId;note;count\r\n\r\nd-1;"two\r\nlines";1\r\n d-2 ;;4\r\nd-1;x;1\r\n\r\nd-3;;1'


def test_a_device_stands_on_the_line_on_which_reading_finds_it():
    found = value_rows.lines_of(TABLE, {"d-1", "d-2", "d-3", "d-4"})
    assert found == {"d-1": 4, "d-2": 5, "d-3": 8}


@pytest.mark.parametrize(
    ("out", "left"),
    [
        ((), TABLE),
        (("d-9",), TABLE),
        (("d-2",), TABLE.replace(" d-2 ;;4\r\n", "")),
        (("d-1",), "\ufeffdeviceId;note;count\r\n\r\n d-2 ;;4\r\n\r\nd-3;;1"),
        (("d-1", "d-2", "d-3"), "\ufeffdeviceId;note;count\r\n\r\n\r\n"),
    ],
)
def test_all_rows_of_a_device_are_left_out_and_nothing_else(out, left):
    assert value_rows.without(TABLE, set(out)) == left


def test_what_is_left_reads_as_before_without_those_devices():
    before = values.read(TABLE, None)
    after = values.read(value_rows.without(TABLE, {"d-1"}), None)
    assert [(each.values, each.devices) for each in before.sets] == [
        ({"note": "two\r\nlines", "count": 1}, ["d-1"]),
        ({"note": None, "count": 4}, ["d-2"]),
        ({"note": None, "count": 1}, ["d-3"]),
    ] or before.bad_count
    assert [each.devices for each in after.sets] == [["d-2"], ["d-3"]]


@pytest.mark.parametrize("text", ["", "\n\n", "id\tcount", "a,b\n1,2"])
def test_a_table_without_rows_or_devices_has_none_to_leave_out(text):
    assert value_rows.lines_of(text, {"1"}) == {}
    assert value_rows.without(text, {"1"}) == text
