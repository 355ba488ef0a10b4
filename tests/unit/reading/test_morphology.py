"""Discs, holes and rims of whole stacks agree with the definitions, slice by slice."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import ndimage

from streams.reading.morphology import filled, narrowed, rims, widened

stacks = arrays(np.bool_, array_shapes(min_dims=3, max_dims=3, min_side=1, max_side=12))
reaches = st.one_of(st.floats(0, 6), st.sampled_from([1.0, 2.0, 2.3, 3.0, 4.3, 5.0, 5.3]))


@given(stacks, reaches)
def test_widened_is_a_threshold_on_distance(stack: np.ndarray, reach: float):
    """Marked afterwards: what lies at most `reach` from a mark of its own slice, and nothing in an empty slice."""
    expected = [ndimage.distance_transform_edt(~plane) <= reach if plane.any() else plane for plane in stack]
    assert np.array_equal(widened(stack, reach), np.stack(expected))


@given(stacks, reaches)
def test_narrowed_is_a_threshold_on_depth(stack: np.ndarray, reach: float):
    """Kept: what lies further than `reach` from an unmarked pixel; a slice without any stays whole."""
    expected = [ndimage.distance_transform_edt(plane) > reach if not plane.all() else plane for plane in stack]
    assert np.array_equal(narrowed(stack, reach), np.stack(expected))


@given(stacks)
def test_filled_fills_what_four_neighbours_cannot_leave(stack: np.ndarray):
    """As scipy fills each slice by itself: no slice knows of the next."""
    assert np.array_equal(filled(stack), np.stack([ndimage.binary_fill_holes(plane) for plane in stack]))


@given(stacks)
def test_rims_are_what_an_erosion_takes_away(stack: np.ndarray):
    """By the cross, with nothing beyond the edge."""
    assert np.array_equal(rims(stack), np.stack([plane & ~ndimage.binary_erosion(plane) for plane in stack]))
