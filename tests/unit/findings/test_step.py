"""Scores become findings: calibration, threshold, measurement; what is no number passes nowhere."""

from __future__ import annotations

from dataclasses import replace
from math import exp, inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.contract import Calibration
from streams.errors import EventUnreadable
from streams.events.reading import QualityNote
from streams.findings.step import calibrated, findings
from tests.support.stepping import Stepped
from tests.support.studies import HEAD, ROUTING, answer


def stage(policy=ROUTING, contract=HEAD):
    return Stepped(findings(policy, [contract]))


def test_the_score_is_platts():
    contract = replace(HEAD, finding=replace(HEAD.finding, calibration=Calibration(a=2.0, b=-1.0)))
    (made,) = stage(contract=contract).hear(answer(1.5))
    assert made.score == pytest.approx(1 / (1 + exp(-2.0)))
    assert made.positive


@pytest.mark.parametrize(("threshold", "positive"), [(0.5, True), (0.9, False)])
def test_the_policys_threshold_stands_before_the_contracts(threshold, positive):
    (made,) = stage(replace(ROUTING, thresholds={"ich": threshold})).hear(answer(0.0 if threshold == 0.5 else 2.0))
    assert (made.threshold, made.positive) == (threshold, positive)


def test_a_score_on_the_line_is_positive():
    (made,) = stage().hear(answer(0.0))
    assert made.score == made.threshold == 0.5
    assert made.positive


def test_the_measurement_goes_with_a_positive_finding():
    (made,) = stage().hear(answer(3.0))
    assert (made.measure, made.value, made.unit) == ("haemorrhage_volume", 12.5, "ml")


@pytest.mark.parametrize("case", ["negative", "not reported", "no mask", "no measure"])
def test_and_otherwise_there_is_none(case):
    contract = HEAD
    if case == "not reported":
        contract = replace(HEAD, measure=replace(HEAD.measure, report=False))
    if case == "no measure":
        contract = replace(HEAD, measure=None)
    event = answer(-3.0 if case == "negative" else 3.0, mask_ml=None if case == "no mask" else 12.5)
    (made,) = stage(contract=contract).hear(event)
    assert (made.measure, made.value, made.unit) == (None, None, "")


@pytest.mark.parametrize(("code", "measured"), [("gap", None), ("uneven", 12.5)])
def test_nothing_is_measured_on_images_that_forbid_it(code, measured):
    """The finding stands, with the fault beside it; policy names the faults that take the measurement."""
    note = QualityNote(code=code, sentence="Slices are missing.")
    stage = Stepped(findings(ROUTING, [HEAD], withholds=("gap",)))
    (made,) = stage.hear(answer(3.0, quality=(note,)))
    assert made.positive
    assert made.value == measured
    assert made.quality == (note,)


@pytest.mark.parametrize("event", [answer(nan), answer(inf), answer(-inf), answer(mask_ml=nan), answer(mask_ml=-1.0)])
def test_what_is_no_number_is_set_aside(event):
    with pytest.raises(EventUnreadable):
        stage().hear(event)


def test_a_calibration_that_gives_no_number_is_set_aside():
    contract = replace(HEAD, finding=replace(HEAD.finding, calibration=Calibration(a=nan)))
    with pytest.raises(EventUnreadable, match="calibration"):
        stage(contract=contract).hear(answer())


def test_a_model_that_is_not_here_is_set_aside_by_name():
    with pytest.raises(EventUnreadable, match="'other'"):
        stage().hear(answer(model="other"))


def test_a_reading_that_is_answered_twice_makes_one_finding():
    """It may have been asked in both lanes."""
    driven = stage()
    assert len(driven.hear(answer(3.0))) == 1
    assert driven.hear(answer(2.0)) == ()
    assert len(driven.hear(answer(2.0, revision=2))) == 1


def test_the_role_is_the_one_that_was_asked_for():
    (made,) = stage().hear(answer(role="shadow"))
    assert made.role == "shadow"


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(-50, 50), st.floats(-50, 50))
def test_calibration_gives_a_probability_for_every_logit(logit, a, b):
    assert 0.0 <= calibrated(logit, Calibration(a=a, b=b)) <= 1.0
