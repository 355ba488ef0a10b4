"""Chest studies of one patient over the years through all agents: growth is told, also where the prior comes late."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta

import pytest

from streams.contract import Answer, Tensors
from streams.events.envelope import to_kafka
from streams.events.imaging import SeriesClosed
from streams.events.measuring import GrowthMeasured, LesionsMeasured
from streams.events.watching import StudyClosed
from streams.flow import BY_NAME, PARTITIONS
from streams.oversight.ledger import Ledger
from streams.oversight.story import story
from streams.runtime.processing.local import LocalFlow
from tests.support.lesions import DAY, moved, nodule
from tests.support.studies import (
    HEAD,
    POLICIES,
    answer_to,
    at,
    envelope,
    failure,
    series_facts,
    stack,
    stored,
    study_facts,
)

NODULES = replace(
    HEAD,
    name="nodules",
    needs=replace(HEAD.needs, body_part="chest", contrast="any"),
    tensors=Tensors(function="chest", inputs={}, outputs={}),
    answer=Answer(function="nodules"),
    finding=replace(HEAD.finding, name="lung_nodule"),
    measure=None,
)
SHADOW = replace(NODULES, name="candidate", role="shadow")
EARLY, LATE = "1.2.10", "1.2.20"
SEEN = {
    EARLY: (nodule("n1", 8, (0.2, 0.5, 0.6)), nodule("n2", 6, (0.8, 0.4, 0.3))),
    LATE: (moved(nodule("n1", 12, (0.2, 0.5, 0.6)), (5, 0, 240)), moved(nodule("n2", 7, (0.3, 0.2, 0.2)), (5, 0, 240))),
}
DAYS = {EARLY: DAY, LATE: DAY + timedelta(days=365)}


def chest(study, start=0.0, patient="grace", association="A"):
    """A chest study as a sender brings it."""
    facts = study_facts(study=study, patient=patient, order=None, examined_on=DAYS[study])
    series = series_facts(f"{study}.1", number=1, body_part="CHEST")
    images = stack(series.series, 60, 2.5)
    closed = SeriesClosed(study=study, association=association, how="association-released", counts={series.series: 60})
    return [
        envelope(stored(images, series, facts, association, start), start, f"{study}{association}"),
        envelope(closed, start + 1, f"{study}{association} closed"),
    ]


def read(request):
    return replace(answer_to(request), lesions=SEEN[request.study], slice_mm=1.0, mask_ml=None)


def play(*studies, read=read, contracts=(NODULES,), seed=None):
    rng = random.Random(seed)
    flow = LocalFlow(POLICIES, contracts, read, *([rng.choice] if seed is not None else []))
    for event in [e for study in studies for e in study]:
        flow.put(event)
        if seed is None:
            flow.advance(event.time)
    flow.advance(at(100_000))
    assert flow.refused == []
    return flow


def said(flow, kind):
    return [e.data for e in flow.records["triage.measurements"] if isinstance(e.data, kind)]


def standing(flow):
    last = {(g.model, g.study): g for g in sorted(said(flow, GrowthMeasured), key=lambda g: g.edition)}
    return {name: replace(g, measurement="", edition=0, supersedes=None) for name, g in last.items()}


def test_growth_is_told_from_pixels_to_patient():
    flow = play(chest(EARLY), chest(LATE, 60))
    growth = standing(flow)["nodules", LATE]
    one, two = growth.lesions
    assert (one.state, one.changes[0].verdict, one.changes[0].days) == ("followed", "grown", 365)
    assert (two.state, [u.label for u in growth.unseen]) == ("new", ["n2"])
    assert {e.key for e in flow.records["triage.measurements"]} == {"grace"}
    assert [len(told.lesions) for told in said(flow, LesionsMeasured)] == [2, 2]


@pytest.mark.parametrize("seed", range(6))
def test_a_prior_that_arrives_late_gives_the_same_end(seed):
    """Sent first, sent last, or all at once in any order of topics."""
    plain = standing(play(chest(EARLY), chest(LATE, 60)))
    late = play(chest(LATE), chest(EARLY, 600))
    assert standing(late) == plain
    assert [(g.study, g.edition) for g in said(late, GrowthMeasured)] == [(LATE, 1), (EARLY, 1), (LATE, 2)]
    assert standing(play(chest(LATE), chest(EARLY), seed=seed)) == plain


def test_the_same_record_gives_the_same_bytes():
    one, again = (play(chest(EARLY), chest(LATE, 60)) for _ in range(2))
    for topic, envelopes in one.records.items():
        assert [to_kafka(e) for e in envelopes] == [to_kafka(e) for e in again.records[topic]]


def test_another_patient_is_never_a_prior():
    flow = play(chest(EARLY, patient="ada"), chest(LATE, 60))
    assert standing(flow)["nodules", LATE].compared == ()


def test_each_model_is_held_against_itself_and_a_shadow_says_so():
    flow = play(chest(EARLY), chest(LATE, 60), contracts=(NODULES, SHADOW))
    found = standing(flow)
    assert {name: g.role for name, g in found.items() if name[1] == LATE} == {
        ("nodules", LATE): "live",
        ("candidate", LATE): "shadow",
    }


def test_a_study_without_an_answer_is_not_one_without_nodules():
    """What could not be read says nothing of what is there: nothing is gone, and the next study has no prior in it."""

    def broken(request):
        if request.study == EARLY:
            return failure("quality", reading=request.reading, study=EARLY, model="nodules")
        return read(request)

    flow = play(chest(EARLY), chest(LATE, 60), read=broken)
    assert {c.outcome for e in flow.records["triage.outcomes"] for c in [e.data]} == {"rejected", "analysed"}
    assert all(isinstance(e.data, StudyClosed) for e in flow.records["triage.outcomes"])
    assert standing(flow)["nodules", LATE].lesions[0].state == "baseline"


def test_why_tells_the_growth_and_the_ledger_keeps_the_newest():
    flow = play(chest(LATE), chest(EARLY, 600))
    record = [(topic, e) for topic, envelopes in flow.records.items() for e in envelopes]
    lines = [line.sentence for line in story(record, LATE) if line.what == "GrowthMeasured"]
    assert "n1 right 12.0 x 12.0 mm seen for the first time" in lines[0]
    assert lines[1].startswith(
        "lung nodules against 1 earlier study, measured anew (edition 2): n1 right 12.0 x 12.0 mm"
    )
    assert "has grown since 2026-03-01: +238 % [" in lines[1]
    assert "doubling in 208 days [" in lines[1]
    assert "n2 left of 2026-03-01 (6.0 mm) is not seen now" in lines[1]
    ledger = Ledger()
    for topic, told in reversed(record):
        ledger.take(topic, told, told.time)
    assert ledger.lines[LATE].growths["nodules"].edition == 2


def test_measurements_are_kept_for_years_in_as_many_partitions_as_states():
    topic = BY_NAME["triage.measurements"]
    assert topic.partitions == PARTITIONS
    assert topic.retention_days > 10 * 365
