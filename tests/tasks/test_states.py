import pytest

from tasks.states import FINAL, MEANING, TRANSITIONS, State, diagram


def test_every_state_has_a_row_and_a_meaning():
    assert set(TRANSITIONS) == set(State) == set(MEANING)


def test_final_are_just_the_states_that_nothing_leaves():
    assert {state for state in State if not TRANSITIONS[state]} == FINAL
    assert {State.COMPLETE, State.TIMED_OUT, State.REFUSED, State.CANCELLED, State.ABANDONED} == FINAL


def test_every_state_can_be_reached_and_every_state_can_end():
    def following(state: State) -> set[State]:
        found, waiting = set(), [state]
        while waiting:
            for after in TRANSITIONS[waiting.pop()]:
                if after not in found:
                    found.add(after)
                    waiting.append(after)
        return found

    assert {State.QUEUED} | following(State.QUEUED) == set(State)
    assert all(state in FINAL or following(state) & FINAL for state in State)


def test_nothing_unconfirmed_is_sent_without_going_through_the_queue():
    """S12: only the guarded probe or a person puts it there; tests/tasks/lifecycle/test_evidence.py proves it."""
    assert State.SUBMITTING not in TRANSITIONS[State.UNCONFIRMED]


@pytest.mark.parametrize("origin", State)
def test_the_diagram_shows_every_move(origin):
    lines = [line.strip() for line in diagram().splitlines()]
    assert lines[:2] == ["stateDiagram-v2", "[*] --> QUEUED"]
    drawn = {line.split(" --> ")[1] for line in lines if line.startswith(f"{origin} --> ")}
    assert drawn == {str(to) for to in TRANSITIONS[origin]} | ({"[*]"} if origin in FINAL else set())
