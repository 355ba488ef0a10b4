"""What a finding measured, as events keyed by patient, so that a later study finds its priors."""

from __future__ import annotations

from collections.abc import Iterator

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
