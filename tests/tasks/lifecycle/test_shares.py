"""The rows of one device in one task: which there are, and which of them counts."""

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.lifecycle.findings import finding, join, rank
from tasks.lifecycle.shares import Share, settled
from tests.tasks.lifecycle.news import NOON, Observation, observations, retold

LISTED = (Share(1, "d", ""),)
HEARD = st.lists(observations(devices=("d",)), min_size=1, max_size=6)


def shares_of(start, batches, *, by_list=True):
    shares = list(start)
    for batch in batches:
        news = {}
        for seen in batch:
            known = news.get(seen.command_id)
            news[seen.command_id] = join(known, finding(seen)) if known else finding(seen)
        if news:
            shares = settled(shares, "d", news, by_list=by_list)
            ids = {share.id for share in shares} - {None}
            shares = [share if share.id else share._replace(id=max(ids, default=0) + 1 + n) for n, share in
                      enumerate(shares)]  # fmt: skip
    return shares


def outcome(shares):
    return sorted(share._replace(id=None) for share in shares)


def heard(status, command="c1", source="push", **more):
    return Observation("d", command, status, NOON, source, **more)


@settings(max_examples=500)
@given(heard=HEARD, start=st.sampled_from([LISTED, ()]), by_list=st.booleans(), data=st.data())
def test_c03_the_rows_are_a_function_of_the_set_of_what_was_heard(heard, start, by_list, data):
    if not by_list:
        start = ()
    once = shares_of(start, [heard], by_list=by_list)
    assert outcome(shares_of(start, retold(data, heard), by_list=by_list)) == outcome(once)
    assert settled(once, "d", _news(heard), by_list=by_list) == once, "C7: again, without effect"


def _news(heard):
    news = defaultdict(list)
    for seen in heard:
        news[seen.command_id].append(finding(seen))
    return {
        command: findings[0] if len(findings) == 1 else _joined(findings)
        for command, findings in news.items()
    }


def _joined(findings):
    first, *others = findings
    for other in others:
        first = join(first, other)
    return first


@given(heard=HEARD, data=st.data())
def test_a_listed_device_has_one_row_that_counts_and_another_device_none(heard, data):
    batches = retold(data, heard)
    assert [share.unexpected for share in shares_of(LISTED, batches)].count(False) == 1
    assert all(share.unexpected for share in shares_of((), batches))
    assert not any(share.unexpected for share in shares_of((), batches, by_list=False))


@given(heard=HEARD, data=st.data())
def test_what_counts_never_tells_less_than_before(heard, data):
    """So a task that its answers completed could not have been completed too early."""
    best = -2
    for end in range(len(heard) + 1):
        (counted,) = (share for share in shares_of(LISTED, [heard[:end]]) if not share.unexpected)
        assert rank(counted.finding.status) >= best
        best = rank(counted.finding.status)


def test_the_row_of_the_list_is_that_of_the_first_command():
    (share,) = shares_of(LISTED, [[heard("SENT")], [heard("SUCCESSFUL")]])
    assert (share.id, share.command_id, share.unexpected) == (1, "c1", False)


def test_of_two_commands_the_one_that_tells_more_counts():
    shares = shares_of(LISTED, [[heard("SENT", "a")], [heard("SUCCESSFUL", "b")]])
    assert {share.command_id: share.unexpected for share in shares} == {"a": True, "b": False}


@pytest.mark.parametrize("by_list", [True, False])
def test_where_a_report_names_no_command_all_of_the_device_is_one_row(by_list):
    shares = shares_of(
        (), [[heard("SENT", "b")], [heard("SENT", "a")], [heard("FAILED", "")]], by_list=by_list
    )
    (share,) = shares
    assert (share.command_id, share.finding.status, share.anonymous) == ("a", "FAILED", True)
    assert share.id == 1
