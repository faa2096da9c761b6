from hypothesis import given
from hypothesis import strategies as some

from tasks.platform import counters
from tasks.platform.answers import task_status
from tasks.platform.pushes import FINAL_STATUSES

PAGE = {  # the vendor's own example, whose rates contradict its counters
    "status": "Complete",
    "totalCnt": 100,
    "successCnt": 70,
    "failCnt": 10,
    "timeoutCnt": 10,
    "expiredCnt": 10,
    "completeCnt": 100,
    "successRate": 70,
}


def test_only_the_plain_counters_are_kept():
    kept = counters.counts_of(task_status(PAGE))
    assert kept == {"total": 100, "success": 70, "fail": 10, "timeout": 10, "expired": 10}


def test_every_final_status_is_of_one_kind():
    assert sorted(status for kind in counters.KINDS.values() for status in kind.statuses) == sorted(
        FINAL_STATUSES
    )


def test_what_agrees_needs_no_words():
    theirs = counters.counts_of(task_status(PAGE))
    ours = {"SUCCESSFUL": 70, "FAILED": 8, "CANCELED": 2, "TIMEOUT": 20}  # the details call both Timeout
    assert counters.difference(theirs, ours, 100) == ""
    assert counters.difference(theirs, ours, None) == ""
    assert counters.difference({}, {}, None) == ""


def test_what_differs_is_said_in_numbers():
    theirs = counters.counts_of(task_status(PAGE))
    ours = {"SUCCESSFUL": 69, "FAILED": 11, "TIMEOUT": 20}
    assert counters.difference(theirs, ours, 100) == (
        "The platform counts 10 failed, 70 successful; the results here are 11 failed, 69 successful."
    )
    words = counters.difference(theirs, ours | {"SUCCESSFUL": 70, "FAILED": 10}, 1_000)
    assert words == "The platform counts 100 devices; the results here are 1,000 devices."


@given(
    theirs=some.dictionaries(
        some.sampled_from(["success", "fail", "timeout", "expired"]), some.integers(0, 9)
    ),
    ours=some.dictionaries(some.sampled_from([*FINAL_STATUSES, "", "SENT"]), some.integers(0, 9)),
)
def test_there_are_words_exactly_where_a_kind_differs(theirs, ours):
    differ = any(one != other for one, other in counters.pairs(theirs, ours).values())
    assert bool(counters.difference(theirs, ours, None)) is differ
