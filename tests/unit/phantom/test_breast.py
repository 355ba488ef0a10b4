"""Laws of the mammogram phantom: the dense share is what was asked for, and brighter; the muscle is in MLO only."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.phantom.breast import Machine, machine_of, mammogram, woman_of

PLAIN = Machine(label=False)


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 9999), st.floats(0.02, 0.8), st.sampled_from(["CC", "MLO"]))
def test_the_dense_share_is_what_was_asked_for(seed, dense, position):
    """Within one point of percent, in either view of any woman on any machine."""
    made = mammogram(woman_of(seed, dense=dense), position, machine_of(seed), 1.5)
    assert made.percent == pytest.approx(100 * dense, abs=1)
    assert 0 <= made.grey.min() <= made.grey.max() <= 1


def test_only_the_oblique_view_shows_the_muscle():
    woman = woman_of(6, dense=0.3)
    assert not mammogram(woman, "CC", PLAIN, 1.0).muscle.any()
    made = mammogram(woman, "MLO", PLAIN, 1.0)
    assert 0.02 < made.muscle.sum() / made.inside.sum() < 0.4
    assert not (made.muscle & made.dense).any()


def test_dense_tissue_and_muscle_are_brighter_than_fat_and_air_is_darkest():
    made = mammogram(woman_of(6, dense=0.3), "MLO", PLAIN, 1.0)
    fat = made.inside & ~made.muscle & ~made.dense
    levels = [float(np.median(made.grey[bits])) for bits in (~made.inside, fat, made.dense)]
    assert levels == sorted(levels)
    assert np.median(made.grey[made.muscle]) > levels[1]


def test_the_same_seed_gives_the_same_picture_and_the_other_breast_another():
    woman = woman_of(6, dense=0.3)
    one, again, other = (mammogram(woman, "CC", PLAIN, 1.5, side) for side in (0, 0, 1))
    assert np.array_equal(one.grey, again.grey)
    assert not np.array_equal(one.dense, other.dense)
