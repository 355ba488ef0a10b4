"""A model's circuit: open after three faults in a row, closed by its canary; whose fault a fault is."""

from __future__ import annotations

from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from streams.runtime.inference.circuit import (
    LONGEST_PAUSE_S,
    OPENS_AFTER,
    Answered,
    Circuit,
    Event,
    Fault,
    ProbeAnswered,
    ProbeFailed,
    blames,
    doubted,
    pause_s,
    step,
)

A, B = Fault("study a", "away"), Fault("study b", "away")
EVENTS = st.sampled_from([A, B, Answered(), ProbeAnswered(), ProbeFailed("away")])


def after(*events: Event, circuit: Circuit | None = None, now: float = 0.0) -> Circuit:
    circuit = circuit or Circuit()
    for event in events:
        circuit = step(circuit, event, now)
    return circuit


@given(st.lists(EVENTS, max_size=30))
def test_it_is_open_from_the_third_fault_in_a_row_until_its_canary_is_answered(events: list[Event]):
    """The law, by an oracle: nothing but the canary closes, only studies' answers forgive, faults are what opens."""
    circuit, is_open, row, times = Circuit(), False, 0, count()
    for event in events:
        before, circuit = circuit, step(circuit, event, float(next(times)))
        if isinstance(event, Answered):
            row = 0
        elif isinstance(event, Fault | ProbeFailed):
            row += 1
            is_open = is_open or row >= OPENS_AFTER
        elif not before.sound:
            is_open = False
        assert circuit.is_open == is_open
        assert circuit.faults == row
        assert (circuit.probe_at is None) == circuit.sound, "who is in doubt is asked its canary"
        assert not (circuit.is_open and circuit.sound)


def test_two_faults_and_an_answer_are_nothing():
    """Nothing is left of them."""
    assert after(A, B, Answered()) == Circuit()


def test_a_canary_in_vain_is_a_fault_too():
    """One study meets a server that is away; the second canary in vain opens."""
    assert not after(A, ProbeFailed("away")).is_open
    assert after(A, ProbeFailed("away"), ProbeFailed("gone")).why == "gone"
    assert after(A, ProbeFailed("away"), ProbeFailed("gone")).is_open


def test_a_canary_forgives_nothing():
    """Of a model that answers its canary and no study one more fault opens, and its next canary waits longer."""
    circuit = after(A, B, A)
    first = circuit.probe_at
    assert first is not None
    circuit = after(ProbeAnswered(), circuit=circuit, now=10.0)
    assert not circuit.is_open
    circuit = after(B, circuit=circuit, now=10.0)
    assert circuit.is_open
    assert circuit.probe_at is not None
    assert circuit.probe_at - 10.0 > first


def test_an_answer_to_what_was_asked_before_does_not_close():
    """The canary decides; but the row is over."""
    circuit = after(A, B, A, Answered())
    assert circuit.is_open
    assert after(ProbeAnswered(), A, circuit=circuit).is_open is False


def test_pauses_grow_to_a_small_bound():
    """1 s to 15 s, for ever."""
    assert [pause_s(n) for n in range(7)] == [1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 15.0]
    assert pause_s(10**9) == LONGEST_PAUSE_S


def test_a_model_that_is_not_proven_is_asked_about_no_study():
    """Its canary is due at once, and blames nobody."""
    circuit = doubted("not loaded", 5.0)
    assert (circuit.is_open, circuit.probe_at) == (True, 5.0)
    assert not blames(circuit, "study a")
    assert blames(step(circuit, ProbeAnswered(), 6.0), "study a")


class TestWhoseFault:
    """Told apart by what is known of the model when it gives no answer about a study."""

    def tries(self, study: str, *events: Event) -> list[bool]:
        """Whether each fault of the study was its own."""
        circuit, own = Circuit(), []
        for event in events:
            if isinstance(event, Fault) and event.study == study:
                own.append(blames(circuit, study))
            circuit = step(circuit, event, 0.0)
        return own

    def test_images_that_end_the_model_each_time_are_to_blame_each_time(self):
        """Its canary is answered in between."""
        assert self.tries("study a", *(A, ProbeAnswered()) * 7) == [True] * 7

    def test_a_server_that_is_away_costs_one_try(self):
        """From the second on nothing is known of the model."""
        assert self.tries("study a", A, A, ProbeFailed("away"), A, A) == [True, False, False, False]

    def test_a_model_that_fails_for_several_blames_nobody(self):
        """It answers its canary, and neither of two studies: slow, say."""
        assert self.tries("study b", A, ProbeAnswered(), *(B, ProbeAnswered(), A, ProbeAnswered()) * 5) == [False] * 5

    def test_who_was_hit_beside_the_guilty_is_free_again(self):
        """It is answered, and the guilty is alone."""
        events = (A, B, ProbeAnswered(), Answered(), A, ProbeAnswered(), A)
        assert self.tries("study a", *events) == [True] * 3
        assert self.tries("study b", *events) == [False]
