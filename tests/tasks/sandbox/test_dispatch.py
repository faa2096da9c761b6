from array import array

from hypothesis import given
from hypothesis import strategies as some

from tasks.sandbox.config import Pace
from tasks.sandbox.dice import pick, roll
from tasks.sandbox.dispatch import (
    CANCELED,
    DELIVERED,
    EXPIRED,
    FAILED,
    PENDING,
    SENT,
    SUCCESSFUL,
    TIMEOUT,
    Dispatch,
)

ORDER = {PENDING: 0, SENT: 1, DELIVERED: 2}
MIX = (0.93, 0.04, 0.03, 0.0, 0.0)


def dispatch(size=1, lifetime=600.0, **pace):
    return Dispatch(1, {}, None, 0.0, 0.0, lifetime, Pace(**pace), array("I", range(size)))


def statuses(one, seconds, outcome=0, asleep=False):
    return [status for _, status in one.advance(seconds, lambda index: (outcome, asleep))]


def test_a_thousand_devices_take_about_thirty_seconds_at_the_default_pace():
    one = dispatch(1000)

    def deal(index):
        return pick(MIX, roll(1, 1, index)), roll(2, index) > 0.94

    list(one.advance(15.0, deal))
    assert 400 < one.done < 700
    list(one.advance(35.0, deal))
    assert one.finished
    assert 880 < one.counts[SUCCESSFUL] < 970


def test_each_outcome_has_its_path():
    paths = {
        0: [SENT, DELIVERED, SUCCESSFUL],
        1: [SENT, DELIVERED, FAILED],
        2: [SENT, TIMEOUT],
        3: [EXPIRED],
        4: [SENT, DELIVERED, TIMEOUT],
    }
    for outcome, path in paths.items():
        one = dispatch()
        assert [s for t in range(0, 700, 10) for s in statuses(one, float(t), outcome)] == path
        assert one.timed_out == (outcome >= 3)


def test_a_sleeper_gets_its_command_when_it_wakes():
    one = dispatch(wake=50.0)
    assert statuses(one, 40.0, asleep=True) == []
    assert statuses(one, 60.0, asleep=True) == [SENT, DELIVERED, SUCCESSFUL]


def test_one_that_sleeps_too_long_expires():
    assert statuses(dispatch(wake=1000.0), 2000.0, asleep=True) == [EXPIRED]


def test_a_cancelled_command_stays_cancelled():
    one = dispatch(2)
    assert one.cancel(0)
    assert not one.cancel(0)
    assert statuses(one, 100.0) == [SENT, DELIVERED, SUCCESSFUL]
    assert one.statuses[0] == CANCELED
    assert one.finished


@given(
    times=some.lists(some.floats(0, 40), min_size=1, max_size=20),
    outcomes=some.lists(some.integers(0, 4), min_size=1, max_size=30),
    stop=some.integers(1, 100),
)
def test_statuses_only_move_forward_and_the_counts_agree_wherever_time_is_cut(times, outcomes, stop):
    one = dispatch(len(outcomes), lifetime=30.0)
    seen = dict.fromkeys(range(len(outcomes)), 0)
    for now in [*sorted(times), 100.0, 100.0]:
        for count, (position, status) in enumerate(one.advance(now, lambda i: (outcomes[i], i % 3 == 0))):
            assert ORDER.get(status, 3) > seen[position]
            seen[position] = ORDER.get(status, 3)
            if count == stop and now < 100:
                break
        assert one.counts == [one.statuses.count(status) for status in range(8)]
    assert one.finished
