"""Lengths of time and shares as people say them, and honestly."""

import datetime as dt

import pytest

from dashboard.templatetags.muster import share
from dashboard.words import STATUS_ADVICE, STATUS_WORDS, spoken, words_of


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "0 seconds"), (0.4, "0 seconds"), (1, "1 second"), (59, "59 seconds"), (60, "1 minute"),
        (725, "12 minutes 5 seconds"), (3609, "1 hour"), (3900, "1 hour 5 minutes"), (90000, "1 day 1 hour"),
        (86400 * 1500, "1,500 days"),
    ],
)  # fmt: skip
def test_a_length_of_time_is_said_in_its_two_largest_units(seconds: float, words: str) -> None:
    assert spoken(dt.timedelta(seconds=seconds)) == words


@pytest.mark.parametrize(
    ("part", "whole", "words"),
    [
        (0, 0, "0 %"), (0, 5, "0 %"), (1, 1_000_000, "< 0.1 %"), (1, 2001, "< 0.1 %"), (1, 1000, "0.1 %"),
        (1, 3, "33.3 %"), (1, 2, "50 %"), (9994, 10_000, "99.9 %"), (99_999, 100_000, "> 99.9 %"), (7, 7, "100 %"),
    ],
)  # fmt: skip
def test_a_few_are_not_none_and_nearly_all_are_not_all(part: int, whole: int, words: str) -> None:
    assert share(part, whole).replace("\N{NO-BREAK SPACE}", " ") == words


def test_every_status_has_words_and_advice_and_a_strange_one_its_own() -> None:
    assert set(STATUS_ADVICE) == set(STATUS_WORDS) - {"SUCCESSFUL"}
    assert words_of("ODD") == ("ODD", "calm")
