"""An agent's decision: stages in a row, each with its own parts, and ids that repeat after a crash."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from streams.events.envelope import Envelope
from streams.events.identifiers import event_id
from streams.stage import ALL, NOTHING, Agent, Listing, Outcome, Stage, all_parts, decide
from tests.support.studies import T0


@dataclass(frozen=True, slots=True)
class Heard:
    word: str


@dataclass(frozen=True, slots=True)
class Counted:
    count: int


@dataclass(frozen=True, slots=True)
class Echoed:
    word: str


@dataclass(frozen=True, slots=True)
class Tally:
    count: int = 0


def count(parts, event, now):
    """Counts words; "none" deletes the count, "all" asks for every part."""
    if event.word == "all" and "tally:other" not in parts:
        return Outcome(needs_all=True)
    if event.word == "none":
        return Outcome(changes={"tally": None})
    tally = Tally(parts.get("tally", Tally()).count + 1)
    return Outcome(
        changes={"tally": tally},
        says=(Counted(tally.count), Counted(-tally.count)),
        timers={"later": now + timedelta(seconds=1)},
        keeps=(event.word.encode(),),
        listing=Listing(read_by=now),
    )


def echo(parts, event, _now):
    assert all(name == "last" for name in parts), "a stage sees its own parts only"
    word = event.word if isinstance(event, Heard) else str(event.count)
    return Outcome(changes={"last": Tally(len(parts))}, says=(Echoed(word),))


def listen(event):
    return ("tally",) if isinstance(event, Heard) else ()


COUNT = Stage(name="count", hears=(Heard,), says=(Counted,), kinds={"tally": Tally}, step=count, needs=listen)
ECHO = Stage(
    name="echo",
    hears=(Heard, Counted),
    says=(Echoed,),
    kinds={"last": Tally},
    step=echo,
    needs=lambda _event: ("last",),
)
AGENT = Agent(name="agent", title="", topic="t", keyed_by="word", stages=(COUNT, ECHO))


def heard(word):
    return Envelope(id="cause", time=T0, key="k", data=Heard(word), traceparent="00-1-2-01")


def test_a_stage_hears_the_event_and_what_stages_before_it_said():
    decision = decide(AGENT, {}, heard("a"), "policy")
    assert [e.data for e in decision.says] == [Counted(1), Counted(-1), Echoed("a"), Echoed("1"), Echoed("-1")]


def test_parts_and_timers_carry_their_stages_name():
    decision = decide(AGENT, {"count.tally": Tally(4)}, heard("a"), "policy")
    assert decision.changes == {"count.tally": Tally(5), "echo.last": Tally(1)}
    assert decision.timers == {"count.later": T0 + timedelta(seconds=1)}
    assert (decision.keeps, decision.listing) == ((b"a",), Listing(read_by=T0))


def test_ids_follow_from_cause_stage_and_place():
    """The same event gives the same ids after every crash, and no two alike."""
    one, again = (decide(AGENT, {}, heard("a"), "policy") for _ in range(2))
    assert one == again
    assert [e.id for e in one.says] == [
        event_id("cause", stage, index)
        for stage, index in [("count", 0), ("count", 1), *(("echo", i) for i in range(3))]
    ]


def test_what_is_said_carries_cause_time_policy_and_trace():
    said = decide(AGENT, {}, heard("a"), "policy").says[0]
    assert (said.cause, said.time, said.policy, said.traceparent) == ("cause", T0, "policy", "00-1-2-01")


def test_a_step_that_needs_all_decides_nothing():
    decision = decide(AGENT, {}, heard("all"), "policy")
    assert decision.needs_all
    assert (decision.changes, decision.says, decision.timers) == ({}, (), {})
    assert not decide(AGENT, {"count.tally:other": Tally()}, heard("all"), "policy").needs_all


def test_a_deleted_part_is_told_to_the_edge_and_gone_for_the_stage():
    assert decide(AGENT, {"count.tally": Tally(4)}, heard("none"), "policy").changes["count.tally"] is None


def test_an_event_that_no_stage_hears_does_nothing():
    decision = decide(AGENT, {}, Envelope(id="x", time=T0, key="k", data=Echoed("a")), "policy")
    assert (decision.changes, decision.says) == ({}, ())
    assert Outcome() == NOTHING


def test_an_agent_hears_what_its_stages_hear_and_do_not_say_themselves():
    assert AGENT.hears == {Heard}


def test_an_agent_needs_what_any_of_its_stages_needs():
    assert AGENT.needs(Heard("a")) == ("count.tally", "echo.last")
    greedy = Stage(name="all", hears=(Heard,), says=(), kinds={}, step=count, needs=all_parts)
    wider = Agent(name="agent", title="", topic="t", keyed_by="word", stages=(COUNT, greedy))
    assert wider.needs(Heard("a")) is ALL


def test_a_part_is_read_back_by_its_kind():
    assert AGENT.kind("count.tally:1.2.3") is Tally
    assert AGENT.kind("echo.last") is Tally
