"""The classifier of body parts: what it is made of, what it says, and the figures that it was judged by."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from streams.reading.quality.body import body_of
from streams.reading.quality.features import FEATURES, features
from streams.reading.quality.look import SLICES_MOST, look_at
from streams.reading.quality.parts import MODEL, PARTS, read_model
from tests.support.painted import CHEST_MM, HEAD_MM, chest, head, volume

FIGURES = Path(__file__).parents[4] / "training/quality/figures.json"


def shown(hu: np.ndarray, spacing_mm: tuple[float, float, float]) -> list[str]:
    look = look_at(volume(hu, spacing_mm))
    return [PARTS[k] for k in MODEL.probabilities(features(look, body_of(look)), look.step_mm).argmax(1)]


def test_the_model_has_a_weight_for_every_part_and_feature():
    assert MODEL.weights.shape == (len(PARTS), len(FEATURES))
    assert np.isfinite(MODEL.weights).all()
    assert (MODEL.scale > 0).all()


def test_a_missing_weight_is_an_error():
    """A file of another version is not read as if it were of this one."""
    with pytest.raises(KeyError):
        read_model("[mean]\narea = 1.0\n")


def test_parts_lie_where_they_are():
    """The middle of a head and of a chest, of thick and of thin slices, coarse and fine."""
    assert set(shown(head()[8:22], HEAD_MM)) == {"head"}
    assert set(shown(chest()[25:50], CHEST_MM)) == {"chest"}
    assert set(shown(head()[8:22].repeat(5, axis=0), (1.0, 1.2, 1.2))) == {"head"}
    assert set(shown(chest()[25:50, ::2, ::2], (5.0, 4.4, 4.4))) == {"chest"}


def test_probabilities_sum_to_one():
    look = look_at(volume(chest(), CHEST_MM))
    found = MODEL.probabilities(features(look, body_of(look)), look.step_mm)
    assert np.allclose(found.sum(1), 1)


def test_a_look_is_small_however_large_the_series():
    """It holds the first and the last slice, and no more slices than it may."""
    thin = np.broadcast_to(head()[:1], (900, 192, 192))
    look = look_at(volume(thin, (0.5, 1.2, 1.2)))
    assert len(look.index) <= SLICES_MOST
    assert (look.index[0], look.index[-1]) == (0, 899)


def test_the_figures_tell_of_what_was_left_out():
    """A part was judged on patients that the fit had not seen; no interval is narrower than its patients allow."""
    figures = json.loads(FIGURES.read_text())
    for row in figures.values():
        low, high = row["interval_95"]
        assert 0 <= low < high <= 1
        assert row["patients"] == len(row["by_patient"])
        assert row["right"] == sum(right for right, _ in row["by_patient"].values())
        assert high - low > 0.3, "so few patients tell no more"
