"""The inside of the skull is found in heads as they come, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from streams.reading.brain import Stack, disc, intracranial, widen

N = 120
STEP = 5.0


def skull(*, open_mm: float = 0.0, slices: int = 28, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Ellipsoid of brain in bone and scalp on the 2 mm grid; returns HU and the true inside."""
    z, y, x = np.mgrid[:slices, :N, :N].astype(np.float32)
    z = (z - slices * 0.4) * STEP
    y = (y - N / 2) * 2 - shift * z
    x = (x - N / 2) * 2
    level = np.sqrt((z / 75) ** 2 + (y / 82) ** 2 + (x / 66) ** 2)
    inside = level < 1
    hu = np.full(level.shape, -1000.0, np.float32)
    hu[level < 1.2] = 30.0
    hu[(level >= 1) & (level < 1.09)] = 800.0
    hu[(level >= 1) & (level < 1.09) & (np.abs(y) < open_mm / 2) & (x > 0)] = 30.0
    hu[inside] = 32.0
    return hu, inside


def overlap(found: np.ndarray, truth: np.ndarray) -> float:
    return float(2 * (found & truth).sum() / (found.sum() + truth.sum()))


@pytest.mark.parametrize("open_mm", [0.0, 6.0, 60.0], ids=["whole skull", "burr hole", "craniotomy"])
def test_inside_of_the_skull(open_mm):
    """The cavity is found within a few per cent, also where bone is missing."""
    hu, inside = skull(open_mm=open_mm)
    found = intracranial(Stack(hu, STEP))
    assert found is not None
    assert overlap(found, inside) > 0.94


def test_tilt():
    """A stack whose slices drift, as from a tilted gantry, is found as well as a straight one."""
    hu, inside = skull(shift=0.3)
    found = intracranial(Stack(hu, STEP))
    assert found is not None
    assert overlap(found, inside) > 0.94


def test_blood_belongs_to_the_inside():
    """Blood of 75 HU against the bone is not taken for bone."""
    hu, inside = skull()
    rim = inside & (ndimage.distance_transform_edt(inside, sampling=(STEP, 2, 2)) < 8)
    hu[rim] = 75.0
    found = intracranial(Stack(hu, STEP))
    assert found is not None
    assert (found & rim).sum() > 0.9 * rim.sum()


def test_no_brain():
    """A body without a skull, air, and bone without brain hold no inside of a skull."""
    hu, _ = skull()
    assert intracranial(Stack(np.where(hu > 100, 30, hu), STEP)) is None
    assert intracranial(Stack(np.full_like(hu, -1000), STEP)) is None
    assert intracranial(Stack(np.full_like(hu, 900), STEP)) is None


def test_spinal_canal_is_left_out():
    """A canal under the skull, closed by bone, is not brain."""
    hu, inside = skull(slices=36)
    z, y, x = np.mgrid[:36, :N, :N]
    radius = np.hypot((y - N / 2) * 2, (x - N / 2) * 2)
    low = z < 4
    hu[low] = np.where(radius < 14, 30, np.where(radius < 24, 700, np.where(radius < 60, 50, -1000)))[low]
    found = intracranial(Stack(hu, STEP))
    assert found is not None
    assert not found[:3].any()
    assert overlap(found, inside & ~low) > 0.9


def test_widen_and_disc():
    """Widening goes as far as it says, in plane only."""
    dot = np.zeros((3, 21, 21), np.bool_)
    dot[1, 10, 10] = True
    wide = widen(dot, 6.0)
    assert not wide[0].any()
    assert not wide[2].any()
    assert np.array_equal(wide[1, 7:14, 7:14], disc(6.0))
