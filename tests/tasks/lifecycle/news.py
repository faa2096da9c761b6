"""What may be heard of devices, in every combination, for Hypothesis."""

from __future__ import annotations

import datetime as dt
from itertools import pairwise

from hypothesis import strategies as st

from tasks.lifecycle.results import Observation
from tasks.platform.pushes import RANK, normal

NOON = dt.datetime(2026, 5, 1, 12, tzinfo=dt.UTC)

STATUSES = st.sampled_from(list(map(normal, [*RANK, "SUCCESSFUL", "FAILED", "odd", "even", ""])))
DETAILS = st.sampled_from([None, {"a": 1}, {"b": 1, "a": 2}, {"commandResult": "x"}, "text", 7, []])
ERRORS = st.sampled_from([("", ""), ("100418", "not existed"), ("100418", ""), ("", "because"), ("1", "one")])


@st.composite
def observations(draw, devices=("d1", "d2", "x"), commands=("", "c1", "c2", "c3")):
    """One thing that was heard, by push or by poll."""
    source = draw(st.sampled_from(["push", "push", "poll"]))
    code, text = draw(ERRORS) if source == "poll" else ("", "")
    return Observation(
        draw(st.sampled_from(devices)),
        draw(st.sampled_from(commands)),
        draw(STATUSES),
        NOON + dt.timedelta(seconds=draw(st.integers(0, 40))),
        source,
        draw(DETAILS),
        code,
        text,
    )


def retold(data, heard):
    """The same once more: in another order, some of it repeated, and cut into batches anywhere."""
    order = data.draw(st.permutations(heard + data.draw(st.lists(st.sampled_from(heard), max_size=4))))
    cuts = data.draw(st.lists(st.integers(0, len(order)), max_size=4))
    edges = [0, *sorted(cuts), len(order)]
    return [order[start:end] for start, end in pairwise(edges)]
