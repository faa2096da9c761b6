"""Lists as sets: every operation on every pair of lists, whatever the size of the parts they are worked through in."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from tasks import sets
from tasks.sets import Operation, TooMany, combine, marks, numbers, pieces

LISTS = [
    [],
    ["a"],
    ["a", "b"],
    ["b", "a"],
    ["b", "c"],
    ["c", "d"],
    ["a", "b", "c"],
    ["阀 1", "b"],
    ['"\\\\n', "b"],
]
MEANT = {
    Operation.INSTEAD: lambda mine, theirs: theirs,
    Operation.ADD: lambda mine, theirs: mine | theirs,
    Operation.BOTH: lambda mine, theirs: mine & theirs,
    Operation.WITHOUT: lambda mine, theirs: mine - theirs,
    Operation.OTHERS: lambda mine, theirs: theirs - mine,
}


def check(operation, mine, theirs):
    found = combine(operation, "\n".join(mine), "\n".join(theirs))
    ids = found.split("\n") if found else []
    assert set(ids) == MEANT[operation](set(mine), set(theirs))
    assert len(ids) == len(set(ids)) == sets.count(found)
    assert len(ids) == numbers("\n".join(mine), "\n".join(theirs))[operation]
    order = [*mine, *theirs] if operation != Operation.INSTEAD else theirs
    assert ids == sorted(ids, key=order.index)


@pytest.mark.parametrize("operation", Operation)
@pytest.mark.parametrize("mine", LISTS, ids=repr)
@pytest.mark.parametrize("theirs", LISTS, ids=repr)
def test_every_operation_gives_each_device_once_and_as_many_as_was_said(operation, mine, theirs):
    check(operation, mine, theirs)


IDS = some.lists(some.text('ab\\"阀 ', min_size=1, max_size=3), unique=True, max_size=30)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mine=IDS, theirs=IDS, part=some.integers(1, 5), piece=some.integers(0, 9))
@pytest.mark.parametrize("operation", Operation)
def test_the_size_of_the_parts_makes_no_difference(monkeypatch, operation, mine, theirs, part, piece):
    monkeypatch.setattr(sets, "PART", part)
    monkeypatch.setattr(sets, "PIECE", piece)
    check(operation, mine, theirs)


def test_pieces_are_whole_lines_and_short_ones(monkeypatch):
    monkeypatch.setattr(sets, "PIECE", 4)
    assert list(pieces("ab\ncd\nef\nghijkl\nm")) == [["ab", "cd"], ["ef", "ghijkl"], ["m"]]
    assert list(pieces("")) == []


def test_marks_tell_of_each_id_whether_it_is_among_the_others():
    assert marks("a\nb\nc", "c\na\nx") == b"\1\0\1"
    assert marks("a\nb", "") == b"\0\0"
    assert marks("", "a") == b""


def test_more_ids_than_a_task_may_list_are_refused(settings):
    settings.MOST_DEVICES = 3
    assert combine(Operation.ADD, "a\nb", "b\nc") == "a\nb\nc"
    with pytest.raises(TooMany, match="More than 3 devices"):
        combine(Operation.ADD, "a\nb", "c\nd")
