"""The devices of a task: filters, pages, counts, columns, and answers that can be read and copied whole."""

import itertools
import json
from typing import Any

import pytest
from django.db import connection
from django.http import QueryDict
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.http import urlencode

from dashboard import window as windows
from dashboard.forms.results import ResultFilter
from dashboard.window import window
from tasks.models import Application, Result, Task
from tasks.states import State
from tests.factories import ResultFactory, TaskFactory

from .pages import text_of, words

pytestmark = pytest.mark.django_db


def found(page: Any) -> list[str]:
    return [row.result.device_id for row in page.context["rows"]]


@pytest.fixture
def task(site_app: Application) -> Task:
    return TaskFactory(
        application=site_app, state=State.COMPLETE, counts={"SUCCESSFUL": 60, "FAILED": 60, "": 1}
    )


@pytest.fixture
def meters(task: Task) -> None:
    """meter-000 to meter-119, of which the odd ones failed, and one that is silent."""
    for number in range(120):
        bad = {
            "status": "FAILED",
            "error_code": "100418" if number % 3 else "100428",
            "error_text": "Off line",
        }
        ResultFactory(
            task=task, device_id=f"meter-{number:03}", source="poll" if number % 5 == 0 else "push",
            detail={"压力": f"正常 {number}", "ort": "Größe"},
            **(bad if number % 2 else {"status": "SUCCESSFUL"}),
        )  # fmt: skip
    ResultFactory(task=task, device_id="silent")


ODD = [f"meter-{n:03}" for n in range(1, 120, 2)]
EVEN = [f"meter-{n:03}" for n in range(0, 120, 2)]


@pytest.mark.usefixtures("meters")
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("status=none", ["silent"]),
        ("status=FAILED", ODD),
        ("status=FAILED&status=none", [*ODD, "silent"]),
        ("status=FAILED&status=SUCCESSFUL&status=none", [*sorted(ODD + EVEN), "silent"]),
        ("status=ODD_NEW_WORD", []),
        ("device=meter-11", [f"meter-11{n}" for n in range(10)]),
        ("device=meter-110", ["meter-110"]),
        ("device=METER-11", []),
        ("device=%25", []),
        ("device=meter-11&status=FAILED", [f"meter-11{n}" for n in (1, 3, 5, 7, 9)]),
        ("error_code=100428", [id for id in ODD if int(id[-3:]) % 3 == 0]),
        ("error_code=100428&source=poll", [id for id in ODD if int(id[-3:]) % 15 == 0]),
        ("source=poll&status=SUCCESSFUL", [id for id in EVEN if int(id[-3:]) % 5 == 0]),
        ("text=off LINE", ODD),
        ("text=正常 7", [id for id in sorted(ODD + EVEN) if str(int(id[-3:])).startswith("7")]),
        ("text=größe", sorted(ODD + EVEN)),
        ("text=Größe&device=meter-01", [f"meter-01{n}" for n in range(10)]),
        ('text="压力": "正常 8"', ["meter-008"]),
        ("text=%25", []),
        ("text=_", []),
    ],
)
def test_a_filter_finds_what_it_says_on_the_page_and_in_the_export(
    query: str, expected: list[str], desk: Client, task: Task
) -> None:
    asked = QueryDict(query)
    pages, address = [], f"/tasks/{task.pk}/results/"
    after: int | None = 0
    while after is not None:
        page = desk.get(f"{address}?{asked.urlencode()}&after={after or ''}")
        pages += found(page)
        after = page.context["paging"].after
    assert pages == expected
    form = ResultFilter(asked)
    assert sorted(form.apply(task.results.all()).values_list("device_id", flat=True)) == sorted(expected)


FIELDS = {
    "status": ["FAILED", "none"],
    "device": ["meter-0"],
    "text": ["正常"],
    "error_code": ["100418"],
    "flag": ["unexpected", "conflict"],
    "source": ["push"],
}


@pytest.mark.usefixtures("meters")
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_every_combination_of_filters_pages_through_exactly_what_passes(
    size: int, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when a page may look at three rows only."""
    monkeypatch.setattr(windows, "LOOKED_AT", 3)
    Result.objects.filter(device_id__endswith="7").update(unexpected=True)
    Result.objects.filter(device_id__endswith="9").update(conflict=True)
    names = [each for n in range(len(FIELDS) + 1) for each in itertools.combinations(FIELDS, n)]
    for chosen in names:
        asked = QueryDict(mutable=True)
        for name in chosen:
            asked.setlist(name, FIELDS[name] if name != "flag" else FIELDS[name][len(chosen) % 2 :][:1])
        form = ResultFilter(asked)
        pages: list[int] = []
        after: int | None = 0
        while after is not None:
            page = window(form.search(task), {"after": str(after or "")}, size)
            pages += [row.pk for row in page.rows]
            after = page.after
        assert sorted(pages) == sorted(form.apply(task.results.all()).values_list("pk", flat=True)), asked
        assert len(pages) == len(set(pages))


@pytest.mark.usefixtures("meters")
def test_a_search_that_was_broken_off_says_how_far_it_came_and_goes_on(
    desk: Client, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows, "LOOKED_AT", 100)
    page = desk.get(f"/tasks/{task.pk}/", {"text": "正常 119"})
    said = words(page)
    assert "0 found among the first 100 devices" in said
    assert "Search the next 100 →" in said
    more = desk.get(f"/tasks/{task.pk}/results/", {"text": "正常 119", "after": page.context["paging"].after})
    assert found(more) == ["meter-119"]
    assert "No further device" not in words(more)


@pytest.mark.usefixtures("meters")
def test_a_search_through_several_statuses_says_exactly_how_many_it_looked_at(
    task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows, "LOOKED_AT", 40)
    page = window(ResultFilter(QueryDict("text=no&status=SUCCESSFUL&status=FAILED")).search(task), {}, 50)
    assert (page.rows, page.looked_at) == (
        [],
        20 + 19,
    )  # twenty of one status, and those of the other up to there
    assert page.after == task.results.get(device_id="meter-038").pk


@pytest.mark.usefixtures("meters")
def test_a_link_from_another_search_never_leaves_what_is_searched(task: Task) -> None:
    elsewhere = {"after": str(task.results.get(device_id="meter-003").pk)}
    page = window(ResultFilter(QueryDict("device=meter-11")).search(task), elsewhere, 50)
    assert [row.device_id for row in page.rows] == [f"meter-11{n}" for n in range(10)]


@pytest.mark.usefixtures("meters")
def test_the_page_tells_how_many_pass_and_never_counts_beyond_its_cap(
    desk: Client, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    ResultFactory(task=task, device_id="stranger", status="FAILED", unexpected=True)
    address = f"/tasks/{task.pk}/"
    assert "122 devices" in words(desk.get(address))
    assert "61 devices pass the filter" in words(desk.get(address, {"status": "FAILED"}))
    assert "1 device passes the filter" in words(desk.get(address, {"flag": "unexpected"}))
    assert "100 devices pass the filter" in words(desk.get(address, {"device": "meter-0"}))
    monkeypatch.setattr(windows, "COUNTED", 20)
    monkeypatch.setattr("dashboard.views.results.COUNTED", 20)
    assert "more than 20 devices pass the filter" in words(desk.get(address, {"device": "meter-0"}))
    assert "61 devices pass the filter" in words(desk.get(address, {"status": "FAILED"}))


@pytest.mark.parametrize(
    "odd",
    [
        {"status": "\x00"}, {"status": "x" * 5000}, {"device": "%"}, {"device": "\x00"}, {"device": "x" * 300},
        {"device": "\U0010ffff"}, {"device": "\ud7ff"}, {"after": "x"}, {"after": "9" * 30}, {"after": "-1"},
        {"text": "\\"}, {"text": "'\"%_\\u"}, {"flag": "nonsense"}, {"source": "x"}, {"error_code": "x" * 40},
        {"after": "999999"},
    ],
    ids=str,
)  # fmt: skip
def test_odd_values_harm_nothing_and_wrong_ones_are_named(
    odd: dict[str, str], desk: Client, task: Task
) -> None:
    ResultFactory(task=task, device_id="one")
    page = desk.get(f"/tasks/{task.pk}/", odd)
    assert page.status_code == 200
    wrong = bool(page.context["result_form"].errors)
    assert ("It filters nothing" in words(page)) is wrong
    assert (found(page) == ["one"]) or not wrong


@pytest.mark.usefixtures("meters")
def test_an_address_follows_the_filter_but_not_the_page_that_renews_itself(desk: Client, task: Task) -> None:
    address = f"/tasks/{task.pk}/results/?status=FAILED&device=&text="
    answer = desk.get(address, HTTP_HX_REQUEST="true")
    assert answer["HX-Replace-Url"] == f"/tasks/{task.pk}/?status=FAILED"
    assert desk.get(f"{address}&after=3", HTTP_HX_REQUEST="true")["HX-Push-Url"].endswith(
        "?status=FAILED&after=3"
    )
    renewed = desk.get(address, HTTP_HX_REQUEST="true", HTTP_HX_TRIGGER="results")
    assert not {"HX-Replace-Url", "HX-Push-Url"} & set(renewed.headers)


def test_the_task_page_keeps_the_filter_of_its_address(desk: Client, task: Task) -> None:
    page = text_of(desk.get(f"/tasks/{task.pk}/?status=FAILED&status=none&device=m"))
    for field in ('value="FAILED" checked', 'value="none" checked', 'name="device" value="m"'):
        assert field in page
    assert 'value="SENT" checked' not in page


# Columns


def test_the_chosen_columns_are_remembered_with_and_without_htmx(desk: Client, task: Task) -> None:
    ResultFactory(task=task, device_id="one", command_id="command-7", source="push", status="SUCCESSFUL")
    address = f"/tasks/{task.pk}/"
    assert "command-7" not in words(desk.get(address))
    answer = desk.post(
        f"{address}results/columns/?status=SUCCESSFUL", {"column": ["source", "command", "nonsense"]}
    )
    assert answer["Location"] == f"{address}?status=SUCCESSFUL#devices-heading"
    page = desk.get(address)
    assert page.context["headings"] == ["Source", "commandId"]
    assert "command-7" in words(page)
    assert "pushed" in words(page)
    fragment = desk.post(f"{address}results/columns/", {"column": []}, HTTP_HX_REQUEST="true")
    assert text_of(fragment).lstrip().startswith('<div id="results"')
    assert desk.get(address).context["headings"] == []


# Answers


def test_an_answer_is_shown_as_the_device_gave_it(desk: Client, task: Task) -> None:
    ResultFactory(
        task=task, status="SUCCESSFUL", detail={"n": 1.0, "ok": True, "none": None, "wert": "größer"}
    )  # in the order in which PostgreSQL keeps members
    assert '{"n": 1.0, "ok": true, "none": null, "wert": "größer"}' in words(desk.get(f"/tasks/{task.pk}/"))


def test_a_long_answer_is_unfolded_whole_and_a_very_long_one_has_an_address(desk: Client, task: Task) -> None:
    long = {"log": ["行" * 30] * 20}
    ResultFactory(task=task, status="SUCCESSFUL", detail=long)
    assert json.dumps(long, ensure_ascii=False, indent=2).replace('"', "&quot;") in text_of(
        desk.get(f"/tasks/{task.pk}/")
    )
    Result.objects.update(detail={"log": "行" * 9000})
    page = desk.get(f"/tasks/{task.pk}/")
    assert len(text_of(page)) < 40_000
    whole = desk.get(f"/tasks/{task.pk}/results/{Result.objects.get().pk}/")
    assert json.loads(whole.content) == {"log": "行" * 9000}
    assert whole["Content-Type"] == "text/plain; charset=utf-8"
    assert desk.get(f"/tasks/{task.pk + 1}/results/{Result.objects.get().pk}/").status_code == 404


def test_an_error_comes_with_advice_and_a_flag_with_its_words(desk: Client, task: Task) -> None:
    ResultFactory(
        task=task, status="FAILED", error_code="100428", error_text="As sent.", conflict=True, unexpected=True
    )
    said = words(desk.get(f"/tasks/{task.pk}/"))
    for part in ("100428 As sent.", "Send again when the device reports.", "contradicted", "not on the list"):
        assert part in said


@pytest.mark.parametrize("query", [{}, {"status": ["FAILED", "SENT"]}, {"text": "x"}, {"device": "2-"}])
def test_a_page_of_results_asks_the_same_for_five_devices_and_for_five_hundred(
    query: dict[str, Any], desk: Client, task: Task
) -> None:
    asked = []
    for many in (5, 500):
        for number in range(many):
            ResultFactory(task=task, device_id=f"{many}-{number}", status="SENT", detail="x")
        with CaptureQueriesContext(connection) as queries:
            desk.get(f"/tasks/{task.pk}/results/?{urlencode(query, doseq=True)}")
        asked.append(len(queries))
    assert asked[0] == asked[1] <= 8
