"""The tables of words are complete: what the code can say, an operator is told in full."""

import ast
import re
from pathlib import Path

import pytest

from tasks.lifecycle import outcomes, queue, words
from tasks.lifecycle.queue import Wait
from tasks.platform import errors, transport, verdicts
from tasks.platform.errors import CATALOGUE, Consequence
from tasks.states import State
from tests.factories import TaskFactory, TransitionFactory

ROOT = Path(outcomes.__file__).parents[2]
SOURCES = [*(ROOT / "tasks/platform").glob("*.py"), *(ROOT / "tasks/lifecycle").glob("*.py")]


def said(argument):
    """Every text that a call of a PlatformError in these modules gives as this keyword."""
    kinds = {name for name in errors.__all__ if isinstance(getattr(errors, name), type)}
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Call)
                and getattr(node.func, "id", getattr(node.func, "attr", "")) in kinds
            ):
                for keyword in node.keywords:
                    if keyword.arg == argument and isinstance(keyword.value, ast.Constant):
                        yield keyword.value.value


def test_every_reason_of_a_failure_has_a_remedy():
    reasons = {*said("reason"), *(row.reason for row in CATALOGUE), *verdicts._SENTENCES}
    reasons |= {errors.reason_for(status, code) for status in range(100, 600) for code in ("", "x")}
    reasons |= {reason for _, reason, _ in transport._UNREACHED} | {"call budget"}
    assert reasons == set(words.REMEDIES)


def test_every_outcome_of_an_attempt_has_its_words():
    text = Path(outcomes.__file__).read_text()
    kept = set(re.findall(r'_close_attempt\(task, "([^"]+)"', text)) | {outcomes.UNKNOWN, ""}
    assert kept | set(map(str, Consequence)) == set(words.OUTCOMES)


def test_every_reason_to_wait_has_advice():
    waits = {
        node.args[0].value
        for node in ast.walk(ast.parse(Path(queue.__file__).read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Wait"
    }
    assert waits == set(queue.ADVICE)
    assert Wait("next", "").advice


@pytest.mark.parametrize(
    "text",
    [
        *(part for each in words.OUTCOMES.values() for part in (each.happened, each.muster, each.you)),
        *words.REMEDIES.values(),
        *queue.ADVICE.values(),
        *(part for row in CATALOGUE for part in (row.meaning, row.advice)),
    ],
)
def test_words_are_sentences_without_jargon(text):
    assert re.fullmatch(r"[“A-Z].*\.", text)
    jargon = "exception|traceback|socket|lease|fence|compare-and-set|null|HTTP|JSON|stack|retry"
    assert not re.search(rf"\b({jargon})\b", text, re.IGNORECASE)


@pytest.mark.django_db
@pytest.mark.parametrize("reason", sorted(words.REMEDIES))
@pytest.mark.parametrize("state", [State.QUEUED, State.UNCONFIRMED, State.REFUSED])
def test_a_task_that_met_a_failure_says_what_can_be_done(reason, state):
    task = TaskFactory(state=state)
    TransitionFactory(task=task, to_state=state, evidence={"reason": reason})
    assert words.remedy(task) == words.REMEDIES[reason]


@pytest.mark.django_db
def test_the_catalogue_says_it_better_and_a_task_without_a_failure_says_nothing():
    row = CATALOGUE[0]
    task = TaskFactory(state=State.REFUSED, error_code=row.code, error_status=row.status)
    assert words.remedy(task) == row.advice
    assert words.remedy(TaskFactory()) == ""
    assert words.remedy(TaskFactory(state=State.RUNNING, error_code=row.code)) == ""
