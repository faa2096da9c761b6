from __future__ import annotations

import socket
import time

import pytest

from tasks.platform.line import Line, TooLate


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def test_one_call_uses_one_connection(pair):
    with Line(5, None) as line:
        line.hold(pair[0])
        line.ready()
        assert line.sent
        with pytest.raises(ConnectionError, match="one connection"):
            line.hold(pair[1])


def test_another_address_may_be_tried_before_one_is_connected(pair):
    with Line(5, None) as line:
        line.hold(pair[0])
        line.hold(pair[1])
        assert not line.sent


def test_a_line_is_cut_at_its_deadline_and_sends_nothing_more(pair):
    ours, theirs = pair
    theirs.settimeout(5)
    with Line(0.1, None) as line:
        line.hold(ours)
        assert theirs.recv(1) == b""
        time.sleep(0.01)
        with pytest.raises(TooLate):
            line.ready()
        assert not line.sent


def test_a_line_that_is_over_is_not_cut_any_more(pair):
    ours, theirs = pair
    theirs.settimeout(0.2)
    with Line(0.1, None) as line:
        line.hold(ours)
    with pytest.raises(TimeoutError):
        theirs.recv(1)
