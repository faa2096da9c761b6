from __future__ import annotations

import pickle

import pytest

from tasks.platform.errors import (
    CATALOGUE,
    Consequence,
    Full,
    NotAccepted,
    OutcomeUnknown,
    PlatformError,
    Refused,
    Throttled,
    TokenRejected,
    classify,
    excerpt,
    look_up,
    reason_for,
)

LATER, UNKNOWN, REFUSED = Consequence.NOT_ACCEPTED, Consequence.UNKNOWN, Consequence.REFUSED

# The rows of the API page, "Error Codes", copied by hand and not from the code.
PAGE = [
    (200, "100203", "The application is not existed.", REFUSED),
    (200, "101001", "Resource doesn't exist.", REFUSED),
    (200, "105001", "The batchTask count has reached the limit.", LATER),
    (200, "105002", "The batchTask name has exist.", REFUSED),
    (400, "105201", "The tagName and tagValue has been used on the platform.", REFUSED),
    (400, "50400", "The input is invalid.", REFUSED),
    (401, "100028", "The user has no right.", REFUSED),
    (403, "100203", "The application is not existed.", REFUSED),
    (403, "100217", "The application hasn't been authorized.", REFUSED),
    (403, "1010009", "app throttle exceed.", LATER),
    (403, "1010005", "App_key or access_token is invalid.", LATER),
    (404, "105202", "The tag is not existed.", REFUSED),
    (500, "100203", "The application is not existed.", REFUSED),
    (500, "50252", "Internal server error.", UNKNOWN),
]

# Rows of other pages and SDKs.
OTHERS = [
    (400, "100247", REFUSED, "refused"),
    (400, "102202", REFUSED, "refused"),
    (400, "100022", REFUSED, "refused"),
    (401, "100208", LATER, "login"),
    (403, "100208", LATER, "login"),
    (401, "100006", LATER, "token"),
    (401, "100002", LATER, "token"),
    (401, "100025", LATER, "login"),
    (403, "1005", LATER, "token"),
    (404, "105005", REFUSED, "no such task"),
    (200, "100217", REFUSED, "refused"),
    (200, "100418", REFUSED, "refused"),
    (200, "100428", REFUSED, "refused"),
    (200, "100431", REFUSED, "refused"),
    (400, "102203", REFUSED, "refused"),
    (400, "100223", REFUSED, "refused"),
    (403, "100612", REFUSED, "refused"),
    (500, "100001", UNKNOWN, "server error"),
    (500, "100023", UNKNOWN, "server error"),
    (500, "100220", REFUSED, "refused"),
    (400, "100222", REFUSED, "refused"),
    (500, "101016", UNKNOWN, "server error"),
    (500, "101017", UNKNOWN, "server error"),
    (400, "100019", REFUSED, "refused"),
    (200, "100403", REFUSED, "refused"),
    (200, "100601", REFUSED, "refused"),
    *((200, code, REFUSED, "refused") for code in ("100426", "100432", "100610", "100611", "200001")),
    *((200, code, REFUSED, "refused") for code in ("100003", "100007", "100412", "100416")),
    *((200, code, REFUSED, "refused") for code in ("103026", "103027", "103028")),
]


@pytest.mark.parametrize(("status", "code", "text", "consequence"), PAGE)
def test_every_row_of_the_api_page_is_in_the_catalogue(status, code, text, consequence):
    row = look_up(status, code)
    assert row is not None
    assert (row.status, row.code, row.text, row.consequence) == (status, code, text, consequence)
    assert classify(status, code) is consequence


@pytest.mark.parametrize(("status", "code", "consequence", "reason"), OTHERS)
def test_every_other_known_error_is_classified(status, code, consequence, reason):
    assert (classify(status, code), reason_for(status, code)) == (consequence, reason)


def test_the_catalogue_holds_these_rows_and_no_others():
    known = {(status, code) for status, code, *_ in [*PAGE, *OTHERS]}
    assert len(CATALOGUE) == len({(row.status, row.code) for row in CATALOGUE}) == len(known)
    assert {row.code for row in CATALOGUE} == {code for _, code in known}


def test_every_row_tells_an_operator_what_it_means_and_what_to_do():
    for row in CATALOGUE:
        assert row.meaning.endswith("."), row
        assert row.advice.endswith("."), row
        assert row.source


def test_rows_of_one_code_have_one_consequence():
    for row in CATALOGUE:
        assert classify(row.status or 200, row.code) is look_up(None, row.code).consequence


@pytest.mark.parametrize(
    ("status", "code", "consequence", "reason"),
    [
        # A known code decides, whatever the status.
        (200, "1010009", LATER, "throttled"),
        (503, "105001", LATER, "full"),
        (401, "1010005", LATER, "token"),
        (400, "50252", UNKNOWN, "server error"),
        (429, "105002", REFUSED, "name taken"),
        # An unknown code: only a 4xx is a refusal.
        (400, "999999", REFUSED, "refused"),
        (401, "999999", REFUSED, "refused"),
        (404, "IOT.0404", REFUSED, "refused"),
        (200, "999999", UNKNOWN, "bad answer"),
        (500, "999999", UNKNOWN, "server error"),
        (408, "999999", UNKNOWN, "no answer"),
        (429, "999999", LATER, "throttled"),
        # No code: the status alone.
        (200, "", UNKNOWN, "bad answer"),
        (201, "", UNKNOWN, "bad answer"),
        (204, "", UNKNOWN, "bad answer"),
        (301, "", REFUSED, "redirect"),
        (302, "", UNKNOWN, "redirect"),
        (303, "", UNKNOWN, "redirect"),
        (304, "", UNKNOWN, "bad answer"),
        (307, "", REFUSED, "redirect"),
        (308, "", REFUSED, "redirect"),
        (400, "", UNKNOWN, "bad answer"),
        (401, "", LATER, "token"),
        (403, "", UNKNOWN, "bad answer"),
        (404, "", UNKNOWN, "bad answer"),
        (408, "", UNKNOWN, "no answer"),
        (413, "", UNKNOWN, "bad answer"),
        (429, "", LATER, "throttled"),
        *((status, "", UNKNOWN, "server error") for status in (500, 501, 502, 503, 504, 507, 599)),
    ],
)
def test_what_the_catalogue_does_not_list_follows_the_status(status, code, consequence, reason):
    assert (classify(status, code), reason_for(status, code)) == (consequence, reason)


@pytest.mark.parametrize("status", range(100, 600))
def test_nothing_without_a_code_is_resent_or_refused_but_by_these_statuses(status):
    expected = dict.fromkeys((301, 307, 308), REFUSED) | dict.fromkeys((401, 429), LATER)
    assert classify(status, "") is expected.get(status, UNKNOWN)


@pytest.mark.parametrize(
    ("kind", "consequence"),
    [
        (NotAccepted, LATER),
        (TokenRejected, LATER),
        (Throttled, LATER),
        (Full, LATER),
        (Refused, REFUSED),
        (OutcomeUnknown, UNKNOWN),
    ],
)
def test_an_exception_carries_its_consequence_and_survives_pickling(kind, consequence):
    error = kind("A sentence.", reason="full", status=200, code="1", description="d", answer="a", sent=True)
    copy = pickle.loads(pickle.dumps(error))
    assert isinstance(copy, PlatformError)
    assert str(copy) == "A sentence."
    assert copy.consequence is consequence
    assert vars(copy) == vars(error)


def test_an_excerpt_shows_no_token_and_no_secret():
    body = b'{"accessToken": "AAA", "refreshToken":"BBB","secret":"CCC","say":"Bearer DDD and EEE"}'
    text = excerpt(body, "EEE")
    assert not any(secret in text for secret in ("AAA", "BBB", "CCC", "DDD", "EEE"))
    assert '"accessToken": "***"' in text


@pytest.mark.parametrize("written", ['a "b"/c', "a%20%22b%22/c", "a+%22b%22%2Fc", 'a \\"b\\"/c'])
def test_a_secret_is_not_shown_in_any_spelling(written):
    assert excerpt(f"<{written}>".encode(), 'a "b"/c', "") == "<***>"


def test_an_excerpt_is_bounded_and_can_be_stored():
    assert len(excerpt(b"\xff\0" * 10**6)) == 4096
    assert "\0" not in excerpt(b"a\0b")


def test_a_secret_at_the_edge_of_the_excerpt_is_not_cut_in_two():
    assert "sec" not in excerpt(b"x" * 4090 + b"secret-of-the-house", "secret-of-the-house")
