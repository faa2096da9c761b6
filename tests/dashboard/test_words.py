"""Lengths of time and shares as people say them, and honestly."""

import datetime as dt

import pytest

from dashboard.templatetags.muster import in_minutes, share, short
from dashboard.words import STATUS_ADVICE, STATUS_WORDS, shortened, spoken, words_of


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


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Night valves", "Night valves"),
        ("a" * 40, "a" * 40),
        ("a" * 30 + " (12 of 12)", "a" * 23 + "…" + "aaaaaa (12 of 12)"[-16:]),
        ("水" * 20, "水" * 20),
        ("水" * 21, "水" * 11 + "…" + "水" * 8),
        ("", ""),
    ],
)
def test_of_a_long_name_both_ends_stay_and_wide_letters_count_twice(name: str, shown: str) -> None:
    assert shortened(name, 40) == shown


def test_a_name_is_apart_from_its_surroundings_and_whole_on_hover() -> None:
    assert short("שם <b>") == "<bdi>שם &lt;b&gt;</bdi>"
    assert short("a" * 30 + '"', 20) == f'<bdi title="{"a" * 30}&quot;">aaa…{"a" * 15}&quot;</bdi>'


@pytest.mark.parametrize(
    ("minutes", "said"), [(1, "1 minute"), (59, "59 minutes"), (90, "90 minutes (1 hour 30 minutes)"),
                          (1440, "1,440 minutes (1 day)")],
)  # fmt: skip
def test_minutes_are_said_as_the_platform_and_as_people_count_them(minutes: int, said: str) -> None:
    assert in_minutes(minutes) == said
