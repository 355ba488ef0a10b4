"""Each reported number of a finding becomes one measurement of the patient."""

from __future__ import annotations

from dataclasses import replace

from streams.delivery.measuring import measurements
from streams.events.reading import Quantity
from tests.unit.events.test_words import PLAIN


def test_volume_first_then_quantities():
    finding = replace(
        PLAIN,
        measure="volume",
        value=5.0,
        unit="ml",
        value_low=4.0,
        value_high=6.5,
        quantities=(Quantity(name="percent", value=20.0, unit="%"),),
    )
    volume, percent = measurements(finding, "patient-1")
    assert (volume.name, volume.value, volume.low, volume.high) == ("volume", 5.0, 4.0, 6.5)
    assert (percent.name, percent.value, percent.unit, percent.low) == ("percent", 20.0, "%", None)
    assert {volume.patient, percent.patient} == {"patient-1"}


def test_nothing_measured_nothing_said():
    assert list(measurements(PLAIN, "patient-1")) == []
