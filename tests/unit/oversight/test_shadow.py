"""The replay of a record: timers by the ids that the ticker gives them, answers only for what was asked."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

from streams.events.envelope import to_kafka
from streams.events.imaging import TimerFired
from streams.events.measuring import GrowthMeasured
from streams.events.reading import ReadingAnswered
from streams.events.telling import AlertRaised, PlaceChanged
from streams.flow import addressed, agents
from streams.oversight.shadow import replay
from tests.flow.test_growth import EARLY, LATE, NODULES, chest
from tests.flow.test_growth import play as chests
from tests.flow.test_whole_studies import Day, play
from tests.support.studies import HEAD, POLICIES, ROUTING, WAITING, stack


def quiet_day():
    """A study whose end nobody tells: only a timer does."""
    day = Day()
    day.study("1", 3.0, (2, stack("1.2"), {}), count={})
    day.study("2", -3.0)
    return day


def again(flow, policies=POLICIES, inputs=None):
    found = defaultdict(dict)
    for one in replay(agents(policies, (HEAD,)), policies.digest, inputs or flow.records, addressed):
        found[one.topic][one.envelope.id] = one.envelope
    return found


def decided(flow):
    """What agents had said, by topic and id."""
    found = defaultdict(dict)
    for topic, envelopes in flow.records.items():
        found[topic] |= {e.id: e for e in envelopes if e.policy is not None}
    return {topic: said for topic, said in found.items() if said}


def test_recorded_timers_are_heard():
    """A timer of the record is known by its id, so what it led to is said again byte for byte."""
    flow = play(quiet_day())
    assert any(isinstance(e.data, TimerFired) for e in flow.records["imaging.instances"])
    replayed = {t: {i: to_kafka(e) for i, e in said.items()} for t, said in again(flow).items()}
    assert replayed == {t: {i: to_kafka(e) for i, e in said.items()} for t, said in decided(flow).items()}


def test_a_timer_that_the_record_does_not_hold_fires_by_itself():
    """A candidate that waits for less comes to its decision in the record's own time."""
    flow = play(quiet_day())
    hasty = replace(POLICIES, waiting=replace(WAITING, no_ai_after_s=1))
    assert again(flow, hasty)["triage.worklist"]


def test_a_model_that_is_switched_off_answers_nothing():
    """Recorded answers to readings that the candidate does not ask for are not heard."""
    flow = play(quiet_day())
    off = replace(POLICIES, routing=replace(ROUTING, roles={"ich": "off"}))
    said = [e.data for topic in again(flow, off).values() for e in topic.values()]
    assert any(isinstance(e.data, ReadingAnswered) for e in flow.records["triage.findings"])
    assert not any(isinstance(event, AlertRaised) for event in said)
    assert any(isinstance(event, PlaceChanged) for event in said)


def test_a_shorter_wait_changes_places_and_nothing_else():
    """Another wait for a finding moves those who have it."""
    flow = play(quiet_day())
    sooner = replace(POLICIES, waiting=replace(WAITING, by_finding=dict.fromkeys(WAITING.by_finding, 60)))
    live, shadow = decided(flow), again(flow, sooner)

    def last(said):
        return {e.data.study: e.data.read_by for e in said["triage.worklist"].values()}

    assert last(shadow)["1"] < last(live)["1"]
    assert last(shadow)["2"] == last(live)["2"]
    assert shadow["triage.outcomes"].keys() == live["triage.outcomes"].keys()


def test_lesions_of_years_ago_are_heard_though_the_record_has_forgotten_where_they_came_from():
    """Measurements are kept longer than the rest: the growth since then is said again as it was."""
    flow = chests(chest(EARLY), chest(LATE, 60))
    inputs = {
        t: [e for e in said if t == "triage.measurements" or about(e) != EARLY] for t, said in flow.records.items()
    }
    inputs["triage.measurements"] = [e for e in inputs["triage.measurements"] if not isinstance(e.data, GrowthMeasured)]
    found = defaultdict(dict)
    for one in replay(agents(POLICIES, (NODULES,)), POLICIES.digest, inputs, addressed):
        found[one.topic][one.envelope.id] = one.envelope.data
    assert [g for g in found["triage.measurements"].values() if isinstance(g, GrowthMeasured)] == [
        e.data for e in flow.records["triage.measurements"] if isinstance(e.data, GrowthMeasured)
    ]


def about(envelope):
    """The study of an event."""
    return getattr(envelope.data, "study", None) or getattr(getattr(envelope.data, "facts", None), "study", None)


def test_an_empty_record_says_nothing():
    """Nothing recorded, nothing decided."""
    assert replay(agents(POLICIES, (HEAD,)), POLICIES.digest, {}, addressed) == []
