"""Findings: a raw answer becomes a calibrated score, held against its threshold."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from math import exp, isfinite

from streams.contract import Calibration, Contract
from streams.errors import EventUnreadable
from streams.events.reading import FindingMade, Quantity, ReadingAnswered
from streams.findings.state import Answered
from streams.policy import RoutingPolicy
from streams.stage import NOTHING, Outcome, Parts, Stage

ANSWERED = "answered"
READINGS_MOST = 64


def findings(
    policy: RoutingPolicy,
    contracts: Sequence[Contract],
    withholds: Collection[str] = (),
    earlier: Sequence[Contract] = (),
) -> Stage:
    """The stage; each reading makes one finding, however often it is answered.

    earlier: contracts of versions that answered before: an answer is judged by the contract of who gave it.
    withholds: codes of faults in the images with which nothing is measured (streams.policy.QualityPolicy).
    """
    by_name = {contract.name: contract for contract in contracts}
    by_version = {(contract.name, contract.version): contract for contract in (*earlier, *contracts)}

    def step(parts: Parts, event: object, _now: datetime) -> Outcome:
        assert isinstance(event, ReadingAnswered)
        known = parts.get(ANSWERED)
        readings = known.readings if isinstance(known, Answered) else ()
        if event.reading in readings:
            return NOTHING
        contract = by_version.get((event.model, event.model_version)) or by_name.get(event.model)
        if contract is None:
            raise EventUnreadable(f"an answer of {event.model!r}, a model that is not installed here")
        threshold = policy.thresholds.get(event.model, contract.finding.threshold)
        found = finding(_claimed(event, withholds), contract, threshold)
        answered = Answered(readings=(*readings, event.reading)[-READINGS_MOST:])
        return Outcome(changes={ANSWERED: answered}, says=(found,))

    return Stage(
        name="findings",
        hears=(ReadingAnswered,),
        says=(FindingMade,),
        kinds={ANSWERED: Answered},
        step=step,
        needs=lambda event: (ANSWERED,) if isinstance(event, ReadingAnswered) else (),
    )


def calibrated(logit: float, calibration: Calibration) -> float:
    """Platt's probability (Platt 1999), for logits of any size."""
    turned = calibration.a * logit + calibration.b
    if turned >= 0:
        return 1.0 / (1.0 + exp(-turned))
    grown = exp(turned)
    return grown / (1.0 + grown)


def finding(answer: ReadingAnswered, contract: Contract, threshold: float) -> FindingMade:
    """The finding of an answer; its measurement only where the contract reports one and the finding is positive.

    Raises:
        EventUnreadable: a number in it is none.
    """
    if not isfinite(answer.study_logit):
        raise EventUnreadable(f"{answer.model} answered {answer.study_logit}, which is no number")
    score = calibrated(answer.study_logit, contract.finding.calibration)
    if not isfinite(score):
        raise EventUnreadable(f"the calibration of {answer.model} gives no number")
    positive = score >= threshold
    measured = _volume(answer, contract) if positive else _NOT_MEASURED
    return FindingMade(
        study=answer.study,
        revision=answer.revision,
        model=answer.model,
        model_version=answer.model_version,
        role=answer.role,
        series=answer.series,
        name=contract.finding.name,
        code=contract.finding.code,
        score=score,
        threshold=threshold,
        positive=positive,
        key_instances=answer.key_instances,
        mask=answer.mask,
        measure=measured.name or None,
        value=measured.value if measured.name else None,
        unit=measured.unit,
        value_low=measured.low,
        value_high=measured.high,
        lesions=answer.lesions,
        quantities=tuple(_sound(q, answer) for q in answer.quantities if contract.quantities.get(q.name)),
        grades=answer.grades,
        slice_mm=answer.slice_mm,
        quality=answer.quality,
        model_seconds=answer.model_seconds,
        last_stored_at=answer.last_stored_at,
    )


def _claimed(answer: ReadingAnswered, withholds: Collection[str]) -> ReadingAnswered:
    """The answer without its measurements where a fault of the images forbids them."""
    if any(note.code in withholds for note in answer.quality):
        return replace(answer, mask_ml=None, quantities=())
    return answer


_NOT_MEASURED = Quantity(name="", value=0.0, unit="")


def _volume(answer: ReadingAnswered, contract: Contract) -> Quantity:
    """The mask's volume with its 95 % interval, where the contract reports one."""
    measure, value = contract.measure, answer.mask_ml
    if measure is None or not measure.report or value is None:
        return _NOT_MEASURED
    if not (isfinite(value) and value >= 0):
        raise EventUnreadable(f"{answer.model} measured {value}, which is no volume")
    low = high = None
    if measure.uncertainty is not None:
        share, floor = measure.uncertainty
        half = max(share * value, floor)
        low, high = max(0.0, value - half), value + half
    return Quantity(name=measure.name, value=value, unit=measure.unit, low=low, high=high)


def _sound(quantity: Quantity, answer: ReadingAnswered) -> Quantity:
    if not isfinite(quantity.value):
        raise EventUnreadable(f"{answer.model} measured {quantity.name} as {quantity.value}, which is no number")
    return quantity
