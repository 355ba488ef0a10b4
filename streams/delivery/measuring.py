"""What a finding measured, as events keyed by patient, so that a later study finds its priors."""

from __future__ import annotations

from collections.abc import Iterator

from streams.delivery.state import Known
from streams.events.measuring import LesionsMeasured
from streams.events.reading import FindingMade, Quantity
from streams.events.telling import MeasurementMade


def measurements(finding: FindingMade, patient: str) -> Iterator[MeasurementMade]:
    """One for the volume of the mask and one for each quantity, in this order."""
    if finding.measure and finding.value is not None:
        volume = Quantity(
            name=finding.measure,
            value=finding.value,
            unit=finding.unit,
            low=finding.value_low,
            high=finding.value_high,
        )
        yield _measurement(finding, patient, volume)
    for quantity in finding.quantities:
        yield _measurement(finding, patient, quantity)


def lesions(finding: FindingMade, known: Known) -> LesionsMeasured | None:
    """All lesions of a finding, so that the patient's other studies are held against them.

    A study in which none was marked says so too: a later one then knows that its lesions are new, and an earlier
    one's are gone. Where the model looks for no single lesions, or the patient is unknown, there is nothing to follow.
    """
    if finding.lesions is None or not known.patient:
        return None
    return LesionsMeasured(
        patient=known.patient,
        study=finding.study,
        revision=finding.revision,
        series=finding.series,
        model=finding.model,
        model_version=finding.model_version,
        role=finding.role,
        finding=finding.name,
        examined_on=known.examined_on,
        slice_mm=finding.slice_mm,
        lesions=finding.lesions,
        quality=finding.quality,
    )


def _measurement(finding: FindingMade, patient: str, quantity: Quantity) -> MeasurementMade:
    return MeasurementMade(
        patient=patient,
        study=finding.study,
        revision=finding.revision,
        name=quantity.name,
        value=quantity.value,
        unit=quantity.unit,
        low=quantity.low,
        high=quantity.high,
        model=finding.model,
        model_version=finding.model_version,
        role=finding.role,
        series=finding.series,
    )
