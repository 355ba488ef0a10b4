"""Laws of the chest with nodules: known places and sizes, one person over years."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from streams.phantom.chest import Nodule, chest_with_nodules, free_places, nodule_frame
from streams.phantom.head import Scan
from streams.phantom.lattice import Frame
from streams.phantom.texture import SOFT

QUIET = Scan(SOFT, 0.0, 1)


def near(z: float, frame: Frame) -> Frame:
    """The frame's slices within 12 mm of a height."""
    return replace(frame, z=tuple(other for other in frame.z if abs(other - z) <= 12))


def mass_mm3(nodules: tuple[Nodule, ...], thickness: float) -> float:
    """What nodules add to the chest, in mm3 of tissue that fills a whole voxel."""
    frame = near(nodules[0].centre[2], nodule_frame(thickness, size=192))
    plain = chest_with_nodules(5, (), frame, QUIET)
    added = (chest_with_nodules(5, nodules, frame, QUIET) - plain) / (30.0 - plain)
    return float(np.clip(added, 0, 1).sum() * np.prod(frame.spacing))


@pytest.mark.parametrize("thickness", [2.5, 5.0])
def test_a_nodule_holds_its_balls_volume_however_it_is_sliced(thickness: float) -> None:
    """Partial volume keeps the mass: within 3 per cent of the ball, also in thick slices."""
    nodule = Nodule(free_places(5, 1)[0], 12.0)
    assert mass_mm3((nodule,), thickness) == pytest.approx(nodule.volume_mm3, rel=0.03)


def test_growth_doubles_the_volume_in_its_doubling_time() -> None:
    """And halves it going back."""
    nodule = Nodule((50.0, 20.0, 100.0), 8.0)
    assert nodule.grown(200, 200).volume_mm3 == pytest.approx(2 * nodule.volume_mm3)
    assert nodule.grown(-200, 200).volume_mm3 == pytest.approx(nodule.volume_mm3 / 2)


def test_free_places_lie_in_lung_and_apart() -> None:
    """Every place shows lung round it without nodules; two lie at least 30 mm from each other."""
    places = free_places(9, 5)
    frame = nodule_frame(5.0, size=192)
    hu = chest_with_nodules(9, (), frame, QUIET)
    half = (frame.size - 1) / 2
    for x, y, z in places:
        plane = int(np.abs(np.asarray(frame.z) - z).argmin())
        row, column = round(y / frame.pixel + half), round(x / frame.pixel + half)
        assert np.median(hu[plane, row - 2 : row + 3, column - 2 : column + 3]) < -800
    apart = [np.linalg.norm(np.subtract(a, b)) for k, a in enumerate(places) for b in places[:k]]
    assert min(apart) >= 30


def test_another_scan_of_one_person_shows_the_same_anatomy_with_other_noise() -> None:
    """The seed is the person's; the scan's seed only moves the noise."""
    frame = near(90.0, nodule_frame(5.0, size=192))
    one, other = (chest_with_nodules(4, (), frame, Scan(SOFT, 9.0, seed)) for seed in (1, 2))
    assert not np.array_equal(one, other)
    assert np.abs(one - other).max() < 9.0 * 12
    assert float((one - other).std()) == pytest.approx(9.0 * np.sqrt(2), rel=0.15)
