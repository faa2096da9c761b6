"""Values by device from a table: sets, their order, and every bad cell by its line and column."""

import time
from decimal import Decimal

import pytest

from tasks.lifecycle import textfile, values
from tasks.lifecycle.textfile import Unreadable
from tasks.lifecycle.values import BadCell, ValueSet, read, with_values
from tasks.profiles.schema import Command, DataType, Parameter

SET = Command(
    "SET",
    (
        Parameter("period", DataType.INT, required=True, minimum=Decimal(1), maximum=Decimal(10)),
        Parameter("mode", DataType.STRING, choices=("ECO", "FULL")),
        Parameter("open", DataType.BOOLEAN),
        Parameter("names", DataType.STRING_LIST),
    ),
)


def test_each_distinct_set_of_values_has_its_devices_in_the_tables_order():
    table = read("deviceId,period,mode\nd,5,ECO\na,6,\nc,5,ECO\nb, 05 ,ECO\n", SET)
    assert table.columns == ["period", "mode"]
    assert table.sets == [
        ValueSet({"period": 5, "mode": "ECO"}, ["d", "c", "b"]),
        ValueSet({"period": 6, "mode": None}, ["a"]),
    ]
    assert (table.problem, table.bad, table.devices) == ("", [], 4)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "The first line must name the columns"),
        ("a,5\nb,6", "The first line must name the columns"),
        (
            "deviceId\na",
            "There is only the column deviceId. Name a column after a parameter of SET: period, mode",
        ),
        ("deviceId,hall\na,5", "Besides deviceId there is only hall. Name a column"),
        ("deviceId,period,Period\na,5,6", "Two columns are named period. Leave one of them out."),
        ("deviceId,period\n\n ,\n", "There is no row below the headings."),
        ("deviceId,period,x\na,5,\0", "holds a character that no text has"),
        ('deviceId,period\na,"' + "5" * 140_000, "This cannot be read as CSV: field larger than field limit"),
    ],
)
def test_a_table_that_cannot_be_used_at_all_says_why(text, said):
    assert said in read(text, SET).problem
    assert read(text, SET).sets == []


def test_a_command_without_parameters_says_so():
    assert read("id,x\na,1", Command("CLOSE")).problem.endswith("CLOSE has no parameters.")


def test_every_bad_cell_is_named_by_its_line_and_column_at_once():
    table = read("id;period;mode\na;11;ECO\n;5;ECO\nb;x;HALF\nc;;ECO\na;5;ECO\na;6;ECO\nd\n", SET)
    assert table.bad == [
        BadCell(2, "period", "11", "must be from 1 to 10"),
        BadCell(3, "id", "", "must not be blank"),
        BadCell(4, "period", "x", "must be a whole number"),
        BadCell(4, "mode", "HALF", "must be one of ECO, FULL"),
        BadCell(5, "period", "", "is required"),
        BadCell(7, "id", "a", "stands on line 6 already, with other values"),
        BadCell(8, "period", "", "is required"),
    ]
    assert table.bad_count == 7


def test_of_very_many_bad_cells_the_first_are_kept_and_all_are_counted(monkeypatch):
    monkeypatch.setattr(values, "MOST_BAD", 2)
    table = read("id,period\n" + "a,x\n" * 5, SET)
    assert (len(table.bad), table.bad_count) == (2, 5)


def test_the_same_row_twice_is_removed_and_counted():
    table = read("id\tperiod\na\t5\na\t5\n", SET)
    assert (table.devices, table.duplicates, table.bad) == (1, 1, [])


def test_columns_are_found_in_any_case_and_others_are_named():
    table = read("Hall,DEVICE_ID,PERIOD,,note\nA,a,5,,x", SET)
    assert (table.columns, table.unused) == (["period"], ["Hall", "note"])


def test_cells_may_hold_several_lines_and_the_line_is_that_of_the_rows_end():
    table = read('id,period,names\na,5,"x\ny"\nb,z,\n', SET)
    assert table.bad == [BadCell(4, "period", "z", "must be a whole number")]
    assert read('id,period,names\na,5,"x\ny"\n', SET).sets[0].values["names"] == ["x", "y"]


def test_without_a_profile_a_cell_is_what_json_says_or_else_text():
    table = read('id,n,t,b,o,e\na,5,05,true,"{""x"":[1]}",\n', None)
    assert table.sets[0].values == {"n": 5, "t": "05", "b": True, "o": {"x": [1]}, "e": None}


def test_more_sets_than_may_be_are_refused_in_words(monkeypatch):
    monkeypatch.setattr(values, "MOST_SETS", 3)
    text = "id,period\n" + "".join(f"d-{n},{n}\n" for n in range(1, 5))
    assert "More than 3 different sets of values" in read(text, SET).problem
    assert len(read(text.rpartition("d-4")[0], SET).sets) == 3


def test_more_devices_than_a_list_may_hold_are_refused_in_words(settings):
    settings.MOST_DEVICES = 2
    assert "More than 2 devices" in read("id,period\na,1\nb,1\nc,1\n", SET).problem


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_files_are_read_as_spreadsheets_write_them(encoding):
    assert textfile.decode("id,é\n".encode(encoding)) == "id,é\n"


@pytest.mark.parametrize(
    ("data", "said"), [(b"PK\x03\x04", "not a text file"), (b"id\n\xff,", r"not UTF-8 text \(line 2\)")]
)
def test_what_is_no_text_says_so(data, said):
    with pytest.raises(Unreadable, match=said):
        textfile.decode(data)


def test_values_take_the_place_of_what_is_the_same_for_all():
    assert with_values({"a": 1, "b": 2}, {"b": None, "c": 3}) == {"a": 1, "c": 3}
    assert with_values(None, {"b": None}) == {}


def test_a_hundred_thousand_rows_are_read_in_about_a_second():
    text = "deviceId,period,mode\n" + "".join(f"device-{n:06},{n % 10 + 1},ECO\n" for n in range(100_000))
    started = time.monotonic()
    table = read(text, SET)
    assert (len(table.sets), table.devices) == (10, 100_000)
    assert time.monotonic() - started < 5  # about 0.4 s where nothing else runs
