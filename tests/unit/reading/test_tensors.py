"""A head's slabs: thin slices averaged, grey by the window, and every mask finds its way back."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from streams.contract import Tensors
from streams.reading.functions import TENSORS
from streams.reading.planes import Axes
from streams.reading.tensors import WIDTH, NoAnatomy, head_slabs
from streams.reading.volume import Volume

SIZE, PIXEL = 200, 1.1


def head(step: float, *, shift: float = 0.0, ball: tuple[float, float, float] | None = (20.0, -15.0, 25.0)):
    """A round head of 150 mm on slices `step` apart, with a ball of blood (radius 15 mm) at z, y, x in mm."""
    count = round(150 / step)
    z = ((np.arange(count) + 0.5) * step - 75)[:, None, None]
    y = ((np.arange(SIZE) + 0.5 - SIZE / 2) * PIXEL)[None, :, None] - shift * z
    x = ((np.arange(SIZE) + 0.5 - SIZE / 2) * PIXEL)[None, None, :]
    level = np.sqrt((z / 70) ** 2 + (y / 80) ** 2 + (x / 65) ** 2)
    hu = np.where(level < 1, 32, np.where(level < 1.1, 900, np.where(level < 1.2, 40, -1000))).astype(np.float32)
    blood = np.zeros(hu.shape, np.bool_)
    if ball is not None:
        blood = (z - ball[0]) ** 2 + (y - ball[1]) ** 2 + (x - ball[2]) ** 2 < 15**2
        hu[blood] = 65
    return hu, (step, PIXEL, PIXEL), np.arange(count) * step + 0.5 * step, blood


@pytest.mark.parametrize(("step", "slabs"), [(0.625, 30), (1.25, 30), (2.5, 30), (3.0, 25), (4.0, 38), (5.0, 30)])
def test_slabs_of_any_thickness(step, slabs):
    """Thin slices become slabs as near 5 mm as their number allows; slices of 3.4 mm and more are used as they come."""
    hu, spacing, places, _ = head(step)
    made = head_slabs(hu, spacing, places)
    assert made.tensor.shape[1:] == (4, WIDTH, WIDTH)
    assert made.tensor.dtype == np.uint8
    assert abs(len(made.tensor) - slabs) <= 1
    assert made.members[0, 0] == 0
    assert made.members[-1, 1] == len(hu)
    assert np.array_equal(made.members[1:, 0], made.members[:-1, 1])
    assert made.slab_mm.sum() == pytest.approx(150, abs=5)


def test_grey_and_neighbours():
    """Brain of 32 HU is 104 of 255, blood brighter, bone 255, outside 0; the outer channels are the neighbours."""
    hu, spacing, places, _ = head(5.0)
    tensor = head_slabs(hu, spacing, places).tensor
    middle = len(tensor) // 2
    inside = tensor[middle, 3] > 0
    assert np.median(tensor[middle, 1][inside]) == 104
    assert tensor[middle, 1].max() == 255
    assert tensor[:, 1, 0, 0].max() == 0
    assert np.array_equal(tensor[middle, 0], tensor[middle - 1, 1])
    assert np.array_equal(tensor[middle, 2], tensor[middle + 1, 1])
    assert set(np.unique(tensor[:, 3])) == {0, 255}


@pytest.mark.parametrize("step", [1.25, 5.0])
@pytest.mark.parametrize("shift", [0.0, 0.33], ids=["straight", "tilted"])
def test_mask_way_back(step, shift):
    """Blood marked on the slabs lies on the blood of the slices, and has its volume (14.1 ml)."""
    hu, spacing, places, blood = head(step, shift=shift)
    made = head_slabs(hu, spacing, places)
    grey = made.tensor[:, 1].reshape(-1, 96, 2, 96, 2).mean((2, 4))
    deep = ndimage.binary_erosion(made.tensor[:, 3, ::2, ::2] > 0, np.ones((1, 3, 3)), iterations=4)
    marked = ((grey > 140) & deep).astype(np.float32)
    back = made.mask_to_source(marked)
    assert back.shape == hu.shape
    core = 2 * (back & blood).sum() / (back.sum() + blood.sum())
    assert core > 0.8
    assert made.volume_ml(marked) == pytest.approx(blood.sum() * np.prod(spacing) / 1000, rel=0.2)


@pytest.mark.parametrize(("dy", "dx"), [(-24, 0), (5, 24), (17, -23)])
def test_place_in_the_picture_does_not_matter(dy, dx):
    """A head elsewhere in the picture gives the same slabs up to a pixel, and masks go back to where it is."""
    hu, spacing, places, _ = head(5.0)
    first = head_slabs(hu, spacing, places)
    moved = head_slabs(np.roll(hu, (dy, dx), (1, 2)), spacing, places)
    shift = np.abs(moved.origin_px[0] - first.origin_px[0] - (dy, dx))
    assert shift.max() <= 3
    one = np.zeros((len(first.tensor), 96, 96), np.float32)
    one[:, 40:50, 40:50] = 1
    rows = np.flatnonzero(moved.mask_to_source(one)[3].any(axis=1))
    assert rows[0] == pytest.approx(moved.origin_px[0, 0] + 80 / PIXEL, abs=1)


def test_bad_values_do_not_spread():
    """NaN, padding and metal stay where they are."""
    hu, spacing, places, _ = head(5.0)
    hu[:, :20] = np.nan
    hu[:, -20:] = -32768
    hu[10, 100:104, 100:104] = 30000
    made = head_slabs(hu, spacing, places)
    assert (made.tensor[9, 3] > 0).sum() > 10000


def test_no_anatomy():
    """A volume without a head, and too few slices, say so in a sentence."""
    hu, spacing, places, _ = head(5.0)
    with pytest.raises(NoAnatomy, match="No brain"):
        head_slabs(np.full_like(hu, -1000), spacing, places)
    with pytest.raises(NoAnatomy, match="2 slabs"):
        head_slabs(hu[:2], spacing, places[:2])


def test_registry():
    """A contract's name leads to the function, and its input carries the contract's name."""
    hu, spacing, places, _ = head(5.0)
    count = len(hu)
    volume = Volume(
        hu=hu.astype(np.int16),
        spacing_mm=spacing,
        positions_mm=places,
        tilt_deg=0.0,
        instances=tuple(map(str, range(count))),
        axes=Axes(),
    )
    tensors = Tensors(function="head_slabs", inputs={}, outputs={})
    assert TENSORS["head_slabs"](volume, tensors).inputs["HEAD"].shape[1:] == (4, 192, 192)
