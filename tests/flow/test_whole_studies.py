"""Whole studies through all agents in one process: one outcome for each revision, one alert for each bleed."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.events.envelope import to_kafka
from streams.events.imaging import OrderPlaced, SeriesClosed, StudyAssembled
from streams.events.telling import AlertClosed, AlertRaised, PlaceChanged
from streams.events.watching import PriorityOverridden, ReportSigned, StudyClosed, StudyOpened
from streams.runtime.processing.local import LocalFlow
from tests.support.studies import (
    HEAD,
    POLICIES,
    answer_to,
    at,
    envelope,
    failure,
    series_facts,
    slice_of,
    stack,
    stored,
    study_facts,
)

SHADOW = replace(HEAD, name="new", role="shadow")
FAR = 100_000


class Day:
    """A day's arrivals: studies by name, each with what its images would make of a model."""

    def __init__(self):
        self.events = []
        self.logits = {}

    def study(self, name, logit, *series, order=None, start=0.0, association="A", count=None):
        """Series are (number, slices, changes of each image or of the series' facts)."""
        facts = study_facts(study=name, patient=f"p{name}", order=f"o{name}")
        self.logits[name] = logit
        counts = {}
        for number, images, changes in series or ((2, stack(f"{name}.2"), {}),):
            uid = f"{name}.{number}"
            counts[uid] = len(images)
            header = series_facts(uid, number=number, **changes)
            half = len(images) // 2
            for part in (images[:half], images[half:]):
                if part:
                    self.say(stored(part, header, facts, association, start), start)
        told = SeriesClosed(study=name, association=association, how="association-released", counts=count or counts)
        self.say(told, start + 0.5)
        if order:
            self.say(OrderPlaced(order=f"o{name}", priority=order), start)
        return self

    def say(self, event, seconds=0.0):
        self.events.append(envelope(event, seconds, f"{len(self.events)}/{event!r}"))

    def read(self, request):
        logit = self.logits[request.study]
        if isinstance(logit, str):
            return failure(
                logit,
                request.revision,
                request.model,
                reading=request.reading,
                study=request.study,
                role=request.role,
                series=request.series.series,
            )
        return answer_to(request, logit)


def a_day():
    day = Day()
    day.study("1", 3.0, order="routine")
    day.study("2", -3.0, order="stat")
    day.study("3", "quality")
    day.study("4", "failed", order="urgent")
    day.study("5", 3.0, (2, stack("5.2"), {"body_part": "CHEST"}))
    day.study("6", 3.0, (1, (slice_of("6.1", 0, localizer=True),), {}))
    scout = (1, (slice_of("7.1", 0, localizer=True),), {})
    day.study("7", 2.0, scout, (2, stack("7.2", 140, 1.0), {}), (3, stack("7.3"), {}))
    day.study("8", 4.0, (2, stack("8.2")[:24], {}))
    day.study("8", 4.0, (2, stack("8.2")[24:], {}), start=60, association="B")
    day.study("9", 3.0)
    day.study("9", 3.0, start=90, association="B")
    return day


def play(day, seed=None, contracts=(HEAD,)):
    """Play the day; with a seed, all of it is there at once, and topics and keys are heard in a random order."""
    rng = random.Random(seed)
    flow = LocalFlow(POLICIES, contracts, day.read, *([rng.choice] if seed is not None else []))
    for event in sorted(day.events, key=lambda e: e.time):
        if seed is None:
            flow.advance(event.time)
        flow.put(event)
    flow.advance(at(FAR))
    assert flow.refused == []
    return flow


def said(flow, kind):
    return [e.data for envelopes in flow.records.values() for e in envelopes if isinstance(e.data, kind)]


def outcomes(flow):
    found = defaultdict(list)
    for closed in said(flow, StudyClosed):
        found[closed.study].append((closed.revision, closed.outcome))
    return {study: sorted(ends) for study, ends in found.items()}


def places(flow):
    """The last place of each study."""
    return {p.study: p for p in said(flow, PlaceChanged)}


def test_each_study_ends_as_it_should():
    flow = play(a_day())
    assert outcomes(flow) == {
        "1": [(1, "analysed")],
        "2": [(1, "analysed")],
        "3": [(1, "rejected")],
        "4": [(1, "failed")],
        "5": [(1, "ineligible")],
        "6": [(1, "ineligible")],
        "7": [(1, "analysed")],
        "8": [(1, "analysed"), (2, "analysed")],
        "9": [(1, "analysed")],
    }
    assert Counter(a.study for a in said(flow, AlertRaised)) == Counter(["1", "7", "8", "9"])


def test_every_revision_has_exactly_one_outcome():
    flow = play(a_day(), contracts=(HEAD, SHADOW))
    ends = Counter((c.study, c.revision) for c in said(flow, StudyClosed))
    assert set(ends.values()) == {1}
    assert set(ends) == {(a.facts.study, a.revision) for a in said(flow, StudyAssembled)}


def test_the_worklist_is_in_the_order_of_read_by_times():
    flow = play(a_day())
    order = sorted(flow.listed["triage"], key=lambda study: (flow.listed["triage"][study], study))
    assert order == ["1", "7", "8", "9", "2", "4", "3", "5", "6"]
    assert {study: place.read_by for study, place in places(flow).items()} == flow.listed["triage"]


def test_the_same_record_gives_the_same_bytes():
    one, again = (play(a_day(), contracts=(HEAD, SHADOW)) for _ in range(2))
    for topic, envelopes in one.records.items():
        assert [to_kafka(e) for e in envelopes] == [to_kafka(e) for e in again.records[topic]]
    assert one.objects == again.objects


def test_every_event_has_an_id_of_its_own():
    flow = play(a_day(), contracts=(HEAD, SHADOW))
    for topic, envelopes in flow.records.items():
        assert max(Counter(e.id for e in envelopes).values()) == 1, topic


@given(seed=st.integers(0, 2**32), twice=st.sets(st.integers(0, 30), max_size=10))
@settings(max_examples=25, deadline=None)
def test_neither_repeats_nor_the_order_between_topics_change_the_end(seed, twice):
    """Kafka orders one key of one topic and nothing else; doors may say an event again."""
    day = a_day()
    plain = play(a_day())
    day.events += [event for index, event in enumerate(day.events) if index in twice]
    mixed = play(day, seed)
    assert outcomes(mixed) == outcomes(plain)
    assert Counter(a.alert for a in said(mixed, AlertRaised)) == Counter(a.alert for a in said(plain, AlertRaised))
    assert places(mixed) == places(plain)


def test_an_order_that_comes_after_the_study_hastens_its_reading():
    day = Day().study("1", -3.0)
    day.say(OrderPlaced(order="o1", priority="stat"), 30)
    flow = play(day)
    urgent = flow.records["triage.readings.urgent"]
    routine = flow.records["triage.readings.routine"]
    assert [e.data.reading for e in urgent] == [e.data.reading for e in routine]
    assert outcomes(flow) == {"1": [(1, "analysed")]}
    assert places(flow)["1"].priority == "stat"


def test_a_reading_that_fails_at_first_is_answered_in_the_end():
    day = Day().study("1", 3.0)
    tries = []

    def read(request):
        tries.append(request)
        if len(tries) < 3:
            return replace(failure(reading=request.reading), study="1", final=False, attempt=len(tries))
        return answer_to(request)

    day.read = read
    flow = play(day)
    assert outcomes(flow) == {"1": [(1, "analysed")]}
    assert len(said(flow, AlertRaised)) == 1


def test_a_bleed_on_the_late_slices_of_a_study_that_is_read_alerts_again():
    """The worst that this software can do is to let it pass in silence."""
    day = Day().study("1", 3.0, (2, stack("1.2")[:24], {}))
    day.say(ReportSigned(study="1", by="anna"), 30)
    day.study("1", 3.0, (2, stack("1.2")[24:], {}), start=60, association="B")
    flow = play(day)
    raised = said(flow, AlertRaised)
    assert [a.revision for a in raised] == [1, 2]
    assert raised[0].alert != raised[1].alert
    assert [c.alert for c in said(flow, AlertClosed)] == [raised[0].alert]
    assert places(flow)["1"].state == "waiting"
    assert "1" in flow.listed["triage"]


def test_what_people_do_reaches_the_list_by_the_topic_of_feedback():
    day = Day().study("1", 3.0).study("2", 3.0)
    day.say(StudyOpened(study="1", by="anna"), 30)
    day.say(PriorityOverridden(study="2", by="anna", priority="routine"), 30)
    flow = play(day)
    assert list(flow.listed["triage"]) == ["2"]
    assert places(flow)["2"].read_by == at(86400)
    assert {p.state for p in [places(flow)["1"]]} == {"opened"}


@pytest.mark.parametrize("how", ["association-aborted", None])
def test_a_sender_that_breaks_off_is_taken_after_a_quiet_time(how):
    day = Day()
    day.logits["1"] = 3.0
    facts = study_facts(study="1")
    day.say(stored(stack("1.2"), series_facts("1.2"), facts))
    if how:
        day.say(SeriesClosed(study="1", association="A", how=how, counts={"1.2": 28}), 1)
    flow = play(day)
    (assembled,) = said(flow, StudyAssembled)
    assert assembled.series[0].whole_by == "quiet"
    assert outcomes(flow) == {"1": [(1, "analysed")]}


def test_no_identity_stands_in_any_event():
    """Only the keyed hash of the patient travels, and on what is keyed by patient it is the key."""
    flow = play(a_day())
    assert {e.key for e in flow.records["triage.measurements"]} == {"p1", "p7", "p8", "p9"}


def test_an_impossible_event_is_set_aside_and_stops_nothing():
    day = Day().study("1", 3.0)
    flow = LocalFlow(POLICIES, (HEAD,), day.read)
    flow.put(envelope(stored([slice_of("1.2", 0, digest="")], facts=study_facts(study="1"))))
    for event in day.events:
        flow.put(event)
    flow.advance(at(FAR))
    assert ["digest" in r.reason for r in flow.refused] == [True]
    assert outcomes(flow) == {"1": [(1, "analysed")]}
