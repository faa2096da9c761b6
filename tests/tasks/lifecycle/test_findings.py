"""Two findings join into one, whatever came first: the laws, and each rule by an example."""

from __future__ import annotations

import datetime as dt
import json
from functools import reduce
from itertools import combinations, permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.lifecycle.findings import Finding, finding, join, rank
from tasks.lifecycle.results import Observation
from tasks.platform.pushes import RANK
from tests.tasks.lifecycle.news import NOON, observations

HEARD = observations(devices=("d",), commands=("c",))
FINDINGS = st.lists(HEARD.map(finding), min_size=1, max_size=4).map(lambda few: reduce(join, few))


def heard(status, source="push", minutes=0, **more):
    return finding(Observation("d", "c", status, NOON + dt.timedelta(minutes=minutes), source, **more))


def total(*findings):
    """What they amount to, in every order."""
    outcomes = {reduce(join, order) for order in permutations(findings)}
    assert len(outcomes) == 1
    return outcomes.pop()


@given(FINDINGS, FINDINGS, FINDINGS)
def test_c03_joining_is_commutative_associative_and_idempotent(a, b, c):
    assert join(a, b) == join(b, a)
    assert join(join(a, b), c) == join(a, join(b, c))
    assert join(a, a) == a
    assert join(join(a, b), b) == join(a, b)


@given(FINDINGS)
def test_nothing_heard_adds_nothing(a):
    assert join(a, Finding()) == join(Finding(), a) == a


@given(FINDINGS, FINDINGS)
def test_c05_a_rank_never_goes_down(a, b):
    assert rank(join(a, b).status) >= max(rank(a.status), rank(b.status))


# The whole matrix, by hand: the order of strength, and the groups that contradict each other.
LADDER = [[""], ["odd"], ["PENDING"], ["SENT"], ["DELIVERED"], ["CANCELED", "EXPIRED", "TIMEOUT"]]
LADDER += [["FAILED", "SUCCESSFUL"]]
FLAT = [(level, status) for level, statuses in enumerate(LADDER) for status in statuses]


@pytest.mark.parametrize(("one", "other"), list(combinations(FLAT, 2)))
def test_c04_c05_c06_two_statuses_join_by_rank(one, other):
    (low, first), (high, second) = one, other
    outcome = total(heard(first), heard(second))
    assert outcome.status == (second if high > low else min(first, second))
    assert outcome.conflict == (high == low)


def test_every_known_status_has_its_place_on_the_ladder():
    assert {status for _, status in FLAT} == {*RANK, "odd", ""}


def test_a_conflict_lasts_until_a_higher_rank_settles_it():
    both = (heard("TIMEOUT"), heard("EXPIRED"))
    assert total(*both, heard("TIMEOUT")).conflict
    assert not total(*both, heard("SUCCESSFUL")).conflict


@pytest.mark.parametrize(("pushed", "polled"), [("FAILED", "SUCCESSFUL"), ("SUCCESSFUL", "FAILED")])
def test_c36_the_platforms_own_list_is_believed_before_a_push(pushed, polled):
    outcome = total(heard(pushed), heard(polled, "poll", error_code="1"))
    assert (outcome.status, outcome.source, outcome.conflict) == (polled, "poll", True)
    assert outcome.error_code == "1"
    assert total(heard(pushed), heard(polled, "poll"), heard(pushed, "poll")).status == "FAILED"


def test_c36_a_push_of_a_higher_rank_is_believed_before_the_list():
    outcome = total(heard("SUCCESSFUL"), heard("TIMEOUT", "poll"))
    assert (outcome.status, outcome.source, outcome.conflict) == ("SUCCESSFUL", "push", False)


def test_a_push_that_the_list_confirms_keeps_what_the_device_said():
    outcome = total(
        heard("SUCCESSFUL", detail={"light": 1}),
        heard("SUCCESSFUL", "poll", detail={"commandResult": "SUCCESSFUL"}),
        heard("SUCCESSFUL", "poll"),
    )
    assert (outcome.source, outcome.conflict, json.loads(outcome.detail)) == ("poll", False, {"light": 1})


def test_what_contradicting_answers_said_is_kept_side_by_side():
    outcome = total(
        heard("SUCCESSFUL", detail={"a": 1}), heard("FAILED", detail="why"), heard("FAILED", "poll")
    )
    assert json.loads(outcome.detail) == {"SUCCESSFUL": {"a": 1}, "FAILED": "why"}


def test_each_time_is_that_of_the_first_news_of_it():
    outcome = total(
        heard("SENT", minutes=3),
        heard("SENT", minutes=1),
        heard("TIMEOUT", minutes=4),
        heard("SUCCESSFUL", minutes=9),
        heard("SUCCESSFUL", "poll", minutes=7),
        heard("DELIVERED", minutes=8),
    )
    noon = NOON.replace(tzinfo=None)
    minutes = [
        (at - noon).seconds // 60 for at in (outcome.sent_at, outcome.delivered_at, outcome.finished_at)
    ]
    assert minutes == [1, 8, 7], "a device that answered late has the time of its answer, not of the time-out"


def test_how_a_database_writes_json_makes_no_difference():
    mine = heard("SENT", detail={"b": 1, "a": "é"})
    its = mine._replace(detail='{"a":   "\u00e9", "b": 1}')
    assert join(its, mine) == its
    assert join(mine, its) == mine
