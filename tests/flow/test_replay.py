"""The record stepped again: the same policies differ in nothing, another threshold in exactly what it changes."""

from __future__ import annotations

from dataclasses import replace

from streams.events.envelope import Envelope, to_kafka
from streams.events.reading import FindingMade
from streams.events.telling import AlertRaised
from streams.flow import addressed, agents
from streams.oversight.shadow import replay
from tests.flow.test_whole_studies import SHADOW, a_day, play
from tests.support.studies import HEAD, POLICIES, ROUTING


def by_topic(pairs):
    """What agents said, by topic and id, as bytes; what doors, timers and models said is left out."""
    return {(topic, e.id): to_kafka(replace(e, policy=None)) for topic, e in pairs if e.policy is not None}


def recorded(flow):
    return [(topic, e) for topic, envelopes in flow.records.items() for e in envelopes]


def again(flow, policies=POLICIES):
    said = replay(agents(policies, (HEAD, SHADOW)), policies.digest, flow.records, addressed)
    return [(one.topic, one.envelope) for one in said]


def test_the_same_policies_say_the_same_bytes():
    flow = play(a_day(), contracts=(HEAD, SHADOW))
    assert by_topic(again(flow)) == by_topic(recorded(flow))


def test_another_threshold_changes_exactly_the_studies_between():
    """A logit of 2 is 0.88 and one of 3 is 0.95: a threshold of 0.9 takes back study 7 and no other."""
    flow = play(a_day(), contracts=(HEAD, SHADOW))
    candidate = replace(POLICIES, routing=replace(ROUTING, thresholds={"ich": 0.9}))

    def alerts(pairs: list[tuple[str, Envelope]]) -> set[str]:
        return {e.data.study for _topic, e in pairs if isinstance(e.data, AlertRaised)}

    assert alerts(recorded(flow)) - alerts(again(flow, candidate)) == {"7"}
    positive = [e.data for _t, e in again(flow, candidate) if isinstance(e.data, FindingMade) and e.data.positive]
    assert {f.threshold for f in positive} == {0.9, 0.5}
