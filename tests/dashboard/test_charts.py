"""Pictures: every share can be seen, nothing lies outside, labels can be read."""

import datetime as dt

import pytest

from dashboard import charts

START = dt.datetime(2026, 11, 24, 13, 0, tzinfo=dt.UTC)


def per_cent(text: str) -> float:
    return float(text.removesuffix("%"))


def test_a_bar_is_filled_exactly_and_its_parts_follow_each_other() -> None:
    segments = charts.bar([("successful", 50), ("failed", 30), ("sent", 0), ("none", 20)])
    assert [segment.fill for segment in segments] == ["successful", "failed", "none"]
    assert [segment.start for segment in segments] == ["0.00%", "50.00%", "80.00%"]
    assert sum(per_cent(segment.width) for segment in segments) == pytest.approx(100)


def test_one_device_of_a_million_can_still_be_seen() -> None:
    most, one = charts.bar([("successful", 999_999), ("failed", 1)])
    assert per_cent(one.width) >= 0.5
    assert per_cent(most.width) + per_cent(one.width) == pytest.approx(100, abs=0.02)
    assert (most.room, one.room) == (True, False)


def test_nothing_known_is_no_bar() -> None:
    assert charts.bar([]) == charts.bar([("none", 0)]) == []


@pytest.mark.parametrize(
    ("seconds", "most", "step"),
    [(60, 60, 10), (601, 60, 30), (3600, 60, 60), (2880 * 60, 60, 3600), (86400 * 365 * 3, 60, 19 * 86400)],
)
def test_steps_are_ones_that_people_read(seconds: int, most: int, step: int) -> None:
    assert charts.step_for(seconds, most) == step
    assert seconds <= step * most


@pytest.mark.parametrize(
    ("count", "top"),
    [(0, 1), (1, 1), (7, 8), (9, 10), (10, 10), (41, 50), (612, 800), (1_000_000, 1_000_000)],
)
def test_the_scale_ends_at_a_round_number(count: int, top: int) -> None:
    assert charts.top(count) == top


def test_edges_are_counted_from_midnight_of_the_sites_zone(settings) -> None:
    moment = START + dt.timedelta(hours=1, minutes=7, seconds=8)
    assert charts.floor(moment, 10) == START + dt.timedelta(hours=1, minutes=7)
    assert charts.floor(moment, 43200) == START.replace(hour=12)
    settings.TIME_ZONE = "Asia/Kolkata"  # UTC+5:30
    assert charts.floor(moment, 3600) == START + dt.timedelta(minutes=30)
    assert charts.floor(moment, 86400) == START.replace(day=23, hour=18, minute=30)


def test_columns_stand_on_the_axis_and_on_each_other() -> None:
    edges = [START + dt.timedelta(minutes=minute) for minute in range(4)]
    picture = charts.columns(edges, [(60, 20), (0, 0), (1, 0)], None)
    high, none, low = picture.columns
    assert picture.top == 80
    assert (high.lower_y, high.lower, high.upper_y, high.upper) == ("30.0", "90.0", "0.0", "30.0")
    assert (none.lower, none.upper) == ("0.0", "0.0")
    assert float(low.lower) >= 1.5
    assert per_cent(low.start) + per_cent(low.width) <= 100
    assert picture.deadline is None


def ticks(span: dt.timedelta) -> list[str]:
    return [mark.words for mark in charts.columns([START, START + span], [(1, 0)], None).ticks]


def test_the_axis_names_times_and_days_where_the_days_differ() -> None:
    assert ticks(dt.timedelta(seconds=60)) == [f"13:00:{s}" for s in ("00", "10", "20", "30", "40", "50")] + [
        "13:01:00"
    ]
    assert ticks(dt.timedelta(minutes=25)) == ["13:00", "13:05", "13:10", "13:15", "13:20", "13:25"]
    assert ticks(dt.timedelta(hours=16))[:2] == ["11-24 18:00", "11-25 00:00"]
    assert ticks(dt.timedelta(hours=48)) == ["11-25 00:00", "11-25 12:00", "11-26 00:00", "11-26 12:00"]
    assert len(ticks(dt.timedelta(days=9))) == 3
    assert all(words.startswith("2026-1") for words in ticks(dt.timedelta(days=9)))


@pytest.mark.parametrize(("minutes", "anchor"), [(1, "start"), (10, "middle"), (19, "end")])
def test_the_deadline_is_marked_on_the_side_where_its_words_fit(minutes: int, anchor: str) -> None:
    edges = [START, START + dt.timedelta(minutes=20)]
    mark = charts.columns(edges, [(1, 0)], START + dt.timedelta(minutes=minutes)).deadline
    assert mark is not None
    assert (mark.x, mark.anchor) == (f"{minutes * 5:.2f}%", anchor)
    assert charts.columns(edges, [(1, 0)], START + dt.timedelta(minutes=21)).deadline is None
