"""What a finding measured, in words: nothing is left out, nothing is said that is not there."""

from __future__ import annotations

from dataclasses import replace

import pytest

from streams.events.reading import Code, FindingMade, Grade, Lesion, QualityNote, Quantity
from streams.events.words import measured, verdict
from tests.support.studies import T0

PLAIN = FindingMade(
    study="1.2",
    revision=1,
    model="m",
    model_version="1",
    role="live",
    series="1.2.3",
    name="nodule",
    code=Code(scheme="SCT", value="1", meaning="x"),
    score=0.5,
    threshold=0.5,
    positive=True,
    model_seconds=0.1,
    last_stored_at=T0,
)
NODULE = Lesion(
    label="n1",
    score=0.9,
    instance="1.2.3.4",
    centre_mm=(0.0, 0.0, 0.0),
    volume_mm3=420.0,
    diameter_mm=9.1,
    perpendicular_mm=7.04,
    texture="solid",
)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ""),
        ({"value": 12.34, "unit": "ml"}, "12.3 ml"),
        ({"value": 12.34, "unit": "ml", "value_low": 10.0, "value_high": 15.0}, "12.3 ml [10.0 to 15.0]"),
        ({"lesions": ()}, "none marked"),
        ({"lesions": (NODULE,)}, "one marked, solid 9.1 x 7.0 mm, 0.42 ml"),
        (
            {"lesions": (NODULE, replace(NODULE, label="n2", volume_mm3=1500.0, texture=""))},
            "2 marked, the largest 9.1 x 7.0 mm, 1.50 ml",
        ),
        (
            {
                "grades": (Grade(name="A", probability=0.2), Grade(name="B", probability=0.8)),
                "quantities": (Quantity(name="percent_density", value=21.0, unit="%", low=15.0, high=27.0),),
            },
            "grade B (0.80), percent density 21.0 % [15.0 to 27.0]",
        ),
    ],
)
def test_words(changes, words):
    assert measured(replace(PLAIN, **changes)) == words


TILTED = QualityNote(code="tilted", sentence="The slices are tilted.")
NOISY = QualityNote(code="noise", sentence="The images are noisy.")


@pytest.mark.parametrize(
    ("positive", "faults", "said"),
    [
        (True, (), "suspected"),
        (True, (TILTED,), "suspected"),
        (False, (), "not suspected"),
        (False, (TILTED,), "not suspected, with reservations (The slices are tilted.)"),
        (False, (TILTED, NOISY), "not suspected, with reservations (The slices are tilted. And 1 more.)"),
    ],
)
def test_a_negative_of_faulty_images_is_never_a_plain_negative(positive, faults, said):
    """What was wrong with the images stands in the same sentence."""
    assert verdict(replace(PLAIN, positive=positive, quality=faults)) == said
