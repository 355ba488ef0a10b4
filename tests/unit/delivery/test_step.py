"""Who is told, and that every revision ends exactly once."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.delivery.step import delivery
from streams.events.imaging import PriorityChanged, StudyIneligible
from streams.events.measuring import LesionsMeasured
from streams.events.telling import AlertClosed, AlertRaised, MeasurementMade
from streams.events.watching import ReportSigned, StudyClosed, StudyOpened
from tests.support.lesions import DAY, nodule
from tests.support.stepping import Stepped
from tests.support.studies import ALERTS, PATIENT, STUDY, T0, WAITING, at, failure, found, routed, study_facts

OPENED, SIGNED = StudyOpened(study=STUDY, by="anna"), ReportSigned(study=STUDY, by="anna")
BOTH = ("ich", "new")


@pytest.fixture
def stage():
    return Stepped(delivery(ALERTS, WAITING))


def of(driven, kind):
    return [s for s in driven.said if isinstance(s, kind)]


def ineligible(revision=1):
    return StudyIneligible(
        facts=study_facts(),
        revision=revision,
        priority="routine",
        modality="CT",
        declined=(),
        reason="no model reads it: series 1: scout (localizer)",
        first_stored_at=T0,
        last_stored_at=at(1),
    )


class TestOutcomes:
    def test_an_ineligible_study_ends_at_once_with_its_reason(self, stage):
        (closed,) = stage.hear(ineligible())
        assert (closed.outcome, closed.reason) == ("ineligible", "no model reads it: series 1: scout (localizer)")
        assert stage.hear(ineligible()) == ()

    @pytest.mark.parametrize(
        ("events", "outcome", "reason"),
        [
            ([found(0.93)], "analysed", "ich: intracranial haemorrhage suspected (0.93)"),
            ([found(0.04)], "analysed", "ich: intracranial haemorrhage not suspected (0.04)"),
            ([failure("quality")], "rejected", "ich: no AI result, Gap of 20 mm."),
            ([failure("failed")], "failed", "ich: no AI result, The decoder crashed."),
            ([failure(final=False), found(0.04)], "analysed", "ich: intracranial haemorrhage not suspected (0.04)"),
        ],
    )
    def test_the_end_of_one_reading_is_the_end_of_the_revision(self, stage, events, outcome, reason):
        stage.hear(routed())
        for event in events:
            stage.hear(event)
        (closed,) = of(stage, StudyClosed)
        assert (closed.outcome, closed.reason, closed.models, closed.revision) == (outcome, reason, ("ich",), 1)

    def test_a_failure_that_is_tried_again_ends_nothing(self, stage):
        stage.hear(routed())
        assert stage.hear(failure(final=False)) == ()

    @pytest.mark.parametrize(
        ("one", "other", "outcome"),
        [
            (found(0.1), failure("failed", model="new"), "analysed"),
            (failure("quality"), failure("quality", model="new"), "rejected"),
            (failure("quality"), failure("failed", model="new"), "failed"),
            (failure("failed"), found(0.1, model="new", role="shadow"), "failed"),
            (failure("quality", role="shadow"), found(0.1, model="new", role="shadow"), "analysed"),
        ],
    )
    def test_all_readings_must_end_and_live_ones_decide(self, stage, one, other, outcome):
        stage.hear(routed(models=BOTH))
        assert not [s for s in stage.hear(one) if isinstance(s, StudyClosed)]
        stage.hear(other)
        assert [c.outcome for c in of(stage, StudyClosed)] == [outcome]

    def test_a_revision_that_rests_on_an_earlier_reading_ends_by_it(self, stage):
        stage.hear(routed())
        stage.hear(found(0.1))
        (closed,) = stage.hear(routed(revision=2, read_in=1))
        assert (closed.revision, closed.outcome) == (2, "analysed")

    def test_and_waits_for_it_where_it_is_still_open(self, stage):
        stage.hear(routed())
        assert stage.hear(routed(revision=2, read_in=1)) == ()
        stage.hear(failure("quality"))
        assert [(c.revision, c.outcome) for c in of(stage, StudyClosed)] == [(1, "rejected"), (2, "rejected")]

    def test_an_answer_after_the_end_still_alerts_and_ends_nothing_twice(self, stage):
        """A dead letter that was driven again must reach somebody."""
        stage.hear(routed())
        stage.hear(failure("failed"))
        assert [type(s) for s in stage.hear(found(0.93))] == [AlertRaised]

    def test_the_outcome_names_its_alert(self, stage):
        stage.hear(routed())
        alert, closed = stage.hear(found(0.93))
        assert closed.alerts == (alert.alert,)


class TestAlerts:
    def test_a_live_suspicion_of_a_named_finding_alerts_once(self, stage):
        stage.hear(routed())
        stage.hear(found(0.93))
        stage.hear(found(0.93))
        assert len(of(stage, AlertRaised)) == 1

    @pytest.mark.parametrize("event", [found(0.2), found(0.93, role="shadow"), found(0.93, name="mass")])
    def test_nothing_else_does(self, stage, event):
        stage.hear(routed())
        stage.hear(event)
        assert of(stage, AlertRaised) == []

    def test_a_finding_before_its_study_is_told_with_it(self, stage):
        assert stage.hear(found(0.93)) == ()
        alert, closed = stage.hear(routed())
        assert (alert.patient, closed.outcome) == (PATIENT, "analysed")

    @pytest.mark.parametrize(("event", "how"), [(OPENED, "opened"), (SIGNED, "read")])
    def test_opening_or_reading_closes_it(self, stage, event, how):
        stage.hear(routed())
        stage.hear(found(0.93))
        (closed,) = stage.hear(event)
        assert isinstance(closed, AlertClosed)
        assert closed.reason == how
        assert stage.hear(event) == ()

    def test_people_before_the_study_is_routed_close_nothing(self, stage):
        assert stage.hear(OPENED) == ()
        stage.hear(routed())
        assert len([s for s in stage.hear(found(0.93)) if isinstance(s, AlertRaised)]) == 1

    def test_its_read_by_time_follows_a_changed_order(self):
        waits = WAITING.__class__(by_priority={**WAITING.by_priority, "stat": 60}, by_finding={}, no_ai_after_s=9)
        driven = Stepped(delivery(ALERTS, waits))
        driven.hear(routed())
        driven.hear(PriorityChanged(study=STUDY, priority="stat"))
        assert next(s for s in driven.hear(found(0.93)) if isinstance(s, AlertRaised)).read_by == at(60)


def test_a_measurement_is_keyed_by_its_patient(stage):
    stage.hear(routed())
    said = stage.hear(found(0.93, measure="haemorrhage_volume", value=12.5, unit="ml"))
    (made,) = [s for s in said if isinstance(s, MeasurementMade)]
    assert (made.patient, made.value, made.unit, made.role) == (PATIENT, 12.5, "ml", "live")


@pytest.mark.parametrize("lesions", [(), (nodule(),)])
def test_lesions_are_told_of_their_patient_and_day_none_included(stage, lesions):
    """An empty list is told too: a later look then knows that its lesion is new."""
    stage.hear(routed(facts=study_facts(examined_on=DAY)))
    (told,) = [s for s in stage.hear(found(0.9, lesions=lesions, slice_mm=1.25)) if isinstance(s, LesionsMeasured)]
    assert (told.patient, told.study, told.examined_on, told.slice_mm) == (PATIENT, STUDY, DAY, 1.25)
    assert told.lesions == lesions


@pytest.mark.parametrize("patient", [PATIENT, ""])
def test_no_lesions_are_told_where_none_are_looked_for_or_nobody_is_known(stage, patient):
    stage.hear(routed(facts=study_facts(patient=patient)))
    said = stage.hear(found(0.9, lesions=None if patient else (nodule(),)))
    assert not [s for s in said if isinstance(s, LesionsMeasured)]


EVENTS = [
    routed(models=BOTH),
    routed(revision=2, models=BOTH),
    routed(revision=3, models=("ich",), read_in=2),
    ineligible(revision=4),
    found(0.93),
    found(0.7, revision=2),
    failure("quality", model="new"),
    found(0.9, model="new", revision=2, role="shadow"),
]


@given(st.permutations(EVENTS), st.lists(st.sampled_from(EVENTS), max_size=6))
@settings(max_examples=150, deadline=None)
def test_every_revision_ends_once_and_one_alert_is_raised_in_every_order(events, again):
    driven = Stepped(delivery(ALERTS, WAITING))
    for event in [*events, *again]:
        driven.hear(event)
    outcomes = sorted((c.revision, c.outcome, len(c.alerts)) for c in of(driven, StudyClosed))
    assert outcomes == [(1, "analysed", 1), (2, "analysed", 1), (3, "analysed", 1), (4, "ineligible", 0)]
    assert len(of(driven, AlertRaised)) == 1
