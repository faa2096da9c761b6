"""Warnings by rule: each finds its one thing, and says nothing where there is nothing to say."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from tasks import clock
from tasks.reach import Kind, Part, Reach
from tasks.targets import TargetType
from tasks.underway import Overlap
from tasks.warnings import RULES, Facts, Severity, concerns
from tests.factories import ApplicationFactory, TaskFactory, request

METER, LAMP = Kind("Meter", "m", "M1"), Kind("Lamp", "m", "L1")
READ = dt.datetime(2026, 11, 24, 12, tzinfo=dt.UTC)


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: READ + dt.timedelta(hours=1))


def facts(kind: TargetType = TargetType.DEVICE_LIST, timeout: int = 2880, **changes: Any) -> Facts:
    """Three online meters that know the command; nothing to warn of."""
    reach = changes.pop("reach", {})
    given: dict[str, Any] = {
        "count": 3, "words": "as listed", "as_of": READ, "parts": (Part(METER, 3, knows=True),),
        "statuses": {"ONLINE": 3},
    }  # fmt: skip
    asked = request(kind, timeout=timeout)
    application = ApplicationFactory.build(name="Waterworks")
    return Facts(application, asked, **{"callback": True, "reach": Reach(**given | reach)} | changes)


def told(found: Facts) -> dict[str, str]:
    return {concern.rule: concern.sentence for concern in concerns(found)}


def test_nothing_is_said_where_there_is_nothing_to_say():
    assert concerns(facts()) == []


# What is changed -> the one rule that finds it, what it says, and how grave it is.
CASES: list[tuple[dict[str, Any], str, str, Severity]] = [
    (
        {"kind": TargetType.BROADCAST},
        "broadcast",
        "Every device of Waterworks gets the command, whatever it is.",
        Severity.CAUTION,
    ),
    (
        {"is_dangerous": True},
        "dangerous",
        "WaterMeter · SET_REPORT_PERIOD is marked as dangerous.",
        Severity.CAUTION,
    ),
    (
        {
            "reach": {
                "parts": (Part(METER, 1, knows=True), Part(LAMP, 2, knows=False)),
                "incompatible_ids": ("lamp-1", "lamp-2"),
            }
        },
        "not understood",
        "2 devices have no WaterMeter · SET_REPORT_PERIOD by their profile (Lamp L1): lamp-1, lamp-2.",
        Severity.CAUTION,
    ),
    (
        {"reach": {"parts": (Part(LAMP, 1, knows=False),), "incompatible_ids": ("lamp-1",)}},
        "not understood",
        "1 device has no WaterMeter · SET_REPORT_PERIOD by their profile (Lamp L1): lamp-1.",
        Severity.CAUTION,
    ),
    (
        {"reach": {"count": 0, "parts": (), "statuses": {}}},
        "nobody",
        "The catalogue knows no device that this reaches.",
        Severity.CAUTION,
    ),
    (
        {"reach": {"unknown": 7, "unknown_ids": ("x-1", "x-2")}},
        "not in the catalogue",
        "7 devices are not in the catalogue, being new, mistyped or another application's: x-1, x-2, …",
        Severity.NOTE,
    ),
    (
        {"reach": {"unknown": 1, "unknown_ids": ("x-1",), "sampled": 2}},
        "not in the catalogue",
        "About 1 device is not in the catalogue, being new, mistyped or another application's: x-1.",
        Severity.NOTE,
    ),
    (
        {"reach": {"statuses": {"ONLINE": 1, "OFFLINE": 1, "ABNORMAL": 1}}},
        "mostly silent",
        "Most of these devices, 2 of 3, were silent when the catalogue was read. "
        "They get the command only if they report in time.",
        Severity.NOTE,
    ),
    (
        {"reach": {"statuses": {"ONLINE": 2, "INACTIVE": 1}}, "timeout": 1499},
        "too short",
        "A device that reports once a day may not do so within 1,499 minutes, and 1 of these were silent when the "
        "catalogue was read. The timeout can be up to 2,880 minutes.",
        Severity.NOTE,
    ),
    (
        {"callback": False},
        "no callback",
        "No answer is pushed: answers are read from the platform now and then, and use up its calls.",
        Severity.NOTE,
    ),
    (
        {"reach": {"as_of": READ - dt.timedelta(days=1)}},
        "old catalogue",
        "The catalogue was read 1 day ago; the fleet may look different by now.",
        Severity.NOTE,
    ),
]


@pytest.mark.parametrize(("changes", "rule", "sentence", "severity"), CASES)
def test_a_rule_finds_its_one_thing(changes, rule, sentence, severity):
    found = concerns(facts(**changes))
    assert [(concern.rule, concern.sentence, concern.severity) for concern in found] == [
        (rule, sentence, severity)
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {
            "timeout": 1500,
            "reach": {"statuses": {"ONLINE": 2, "OFFLINE": 1}},
        },  # a day's silence is waited for
        {"timeout": 10},  # all are online
        {"reach": {"statuses": {"ONLINE": 1, "OFFLINE": 1}}},  # half is not most
        {"reach": {"statuses": {}, "parts": (), "as_of": None}},  # nothing is known
        {"reach": {"parts": (Part(METER, 3, knows=None),)}},  # no profile: nobody can tell
        {"reach": {"as_of": READ - dt.timedelta(hours=23)}},
    ],
)
def test_a_rule_says_nothing_just_before_its_time(changes):
    assert concerns(facts(**changes)) == []


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("overlaps", "rule", "words"),
    [
        ([(True, 2)], "on its way", "is already on its way to 2 of these devices"),
        ([(True, 2), (True, 30)], "on its way", "is already on its way to at least 30 of these devices"),
        ([(True, None)], "on its way", "is already on its way to these devices"),
        ([(False, None)], "perhaps on its way", "whether to some of these devices is not known"),
    ],
)
def test_the_same_command_on_its_way_is_told_with_its_tasks(overlaps, rule, words):
    tasks = [TaskFactory() for _ in overlaps]
    given = [Overlap(task, is_sure, shared) for task, (is_sure, shared) in zip(tasks, overlaps, strict=True)]
    (found,) = concerns(facts(overlaps=given))
    assert (found.rule, found.tasks) == (rule, tuple(tasks))
    assert words in found.sentence


def test_cautions_come_before_notes():
    found = concerns(facts(TargetType.BROADCAST, callback=False, is_dangerous=True))
    assert [concern.rule for concern in found] == ["broadcast", "dangerous", "no callback"]


def test_a_request_that_is_not_complete_yet_is_looked_at_all_the_same():
    bare = Facts(
        ApplicationFactory.build(name="Waterworks"),
        {"param": {"type": "Broadcast"}, "timeout": None},
        callback=True,
        reach=Reach(None, "not known", statuses={"OFFLINE": 1}),
    )
    assert set(told(bare)) == {"broadcast", "mostly silent"}


def test_every_rule_has_a_case():
    tested = {rule for _, rule, _, _ in CASES} | {"on its way", "perhaps on its way"}
    assert tested == {rule.name for rule in RULES}
