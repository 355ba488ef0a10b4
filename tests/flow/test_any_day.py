"""Whatever happens to a study, in whatever order: the promises that hold at every end of the day."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.events.imaging import InstancesStored, OrderPlaced, SeriesClosed, StudyAssembled
from streams.events.telling import AlertClosed, AlertRaised, AlertUpdated, PlaceChanged
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
    stored,
    study_facts,
)

STUDIES = ("1", "2")
THICK = {"2": 5.0, "3": 1.0}
"""Series number to the distance of its slices."""


@st.composite
def happenings(draw):
    """Images in pieces, ends of associations, orders, and what people do; some of it twice."""
    events = []
    for study in STUDIES:
        facts = study_facts(study=study, patient=f"p{study}", order=f"o{study}")
        for number, step in THICK.items():
            series = f"{study}.{number}"
            cuts = sorted({0, 30, *draw(st.lists(st.integers(0, 30), max_size=2))})
            for first, last in pairwise(cuts):
                association = draw(st.sampled_from(["A", "B", f"{series}.{first}"]))
                images = [slice_of(series, i, step) for i in range(first, last)]
                events.append(stored(images, series_facts(series, number=int(number)), facts, association))
                if draw(st.booleans()):
                    counts = {series: last - first}
                    how = draw(st.sampled_from(["association-released", "association-aborted"]))
                    events.append(SeriesClosed(study=study, association=association, how=how, counts=counts))
        people = [
            StudyOpened(study=study, by="anna"),
            ReportSigned(study=study, by="anna"),
            PriorityOverridden(study=study, by="anna", priority="stat"),
            OrderPlaced(order=f"o{study}", priority="urgent"),
        ]
        events += draw(st.lists(st.sampled_from(people), max_size=3))
    events = draw(st.permutations([*events, *draw(st.lists(st.sampled_from(events), max_size=3))]))
    gaps = draw(st.lists(st.sampled_from([0.0, 0.5, 5.0, 200.0]), min_size=len(events), max_size=len(events)))
    return list(zip(events, gaps, strict=True))


ANSWERS = st.lists(st.sampled_from([4.0, 3.0, -3.0, "quality", "failed"]), min_size=1, max_size=6)


def play(day, answers, choose):
    asked = []

    def read(request):
        asked.append(request)
        given_answer = answers[len(asked) % len(answers)]
        if isinstance(given_answer, float):
            return answer_to(request, given_answer)
        return failure(
            given_answer, request.revision, reading=request.reading, study=request.study, series=request.series.series
        )

    flow = LocalFlow(POLICIES, (HEAD,), read, choose)
    clock = 0.0
    for index, (event, gap) in enumerate(day):
        clock += gap
        flow.put(envelope(event, clock, f"{index}"))
        if gap:
            flow.advance(at(clock))
    flow.advance(at(clock + 1000))
    assert flow.refused == []
    return flow


def said(flow, *kinds):
    return [e.data for envelopes in flow.records.values() for e in envelopes if isinstance(e.data, kinds)]


@given(day=happenings(), answers=ANSWERS, rng=st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_the_promises(day, answers, rng):
    flow = play(day, answers, rng.choice)
    one_outcome_for_each_revision(flow)
    nothing_that_was_stored_is_left_out(flow)
    alerts_are_raised_once_and_closed_once(flow)
    the_list_shows_the_last_places(flow)


def one_outcome_for_each_revision(flow):
    ends = Counter((c.study, c.revision) for c in said(flow, StudyClosed))
    assert ends == Counter((a.facts.study, a.revision) for a in said(flow, StudyAssembled))
    assert set(flow.listed["triage"]) <= set(STUDIES)


def nothing_that_was_stored_is_left_out(flow):
    sent = defaultdict(set)
    for event in said(flow, InstancesStored):
        sent[event.facts.study].update(i.instance for i in event.instances)
    newest = {a.facts.study: a for a in said(flow, StudyAssembled)}
    assert {study: sum(s.count for s in a.series) for study, a in newest.items()} == {
        study: len(images) for study, images in sent.items()
    }


def alerts_are_raised_once_and_closed_once(flow):
    raised: set[str] = set()
    standing: dict[str, str] = {}
    for event in said(flow, AlertRaised, AlertUpdated, AlertClosed):
        if isinstance(event, AlertRaised):
            assert event.alert not in raised, "one id is raised once"
            assert event.study not in standing, "two alerts of one finding never stand together"
            raised.add(event.alert)
            standing[event.study] = event.alert
        else:
            assert standing.get(event.study) == event.alert
            if isinstance(event, AlertClosed):
                del standing[event.study]


def the_list_shows_the_last_places(flow):
    last = {p.study: p for p in said(flow, PlaceChanged)}
    waiting = {study: place.read_by for study, place in last.items() if place.state == "waiting"}
    assert flow.listed["triage"] == waiting
    for place in last.values():
        assert place.reasons[0].wait_s == (place.read_by - place.arrived_at).total_seconds()
