"""Laws of sizes in a plane and of even grids."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.reading.lung.grid import axes_of, grid_over, halved, resampled
from streams.reading.lung.sizes import longest, texture


@given(
    along=st.floats(5.0, 30.0),
    flat=st.floats(0.4, 1.0),
    turn=st.floats(0.0, np.pi),
    pixel=st.floats(0.5, 1.0),
)
def test_an_ellipse_has_its_own_diameters(along: float, flat: float, turn: float, pixel: float) -> None:
    """However it is turned: its long axis within 0.8 mm, and its short one across it."""
    y, x = (np.mgrid[:80, :80] - 39.5) * pixel
    u, v = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    radius = np.hypot(u / (along / 2), v / (along * flat / 2))
    share = np.clip(0.5 - (radius - 1) * along * flat / 2 / pixel, 0, 1).astype(np.float32)
    longer, shorter = longest(share, (pixel, pixel))
    assert longer == pytest.approx(along, abs=0.8)
    if flat < 0.9:
        assert shorter == pytest.approx(along * flat, abs=1.0)


def test_an_empty_plane_has_no_diameter() -> None:
    """Nothing is as long as nothing."""
    assert longest(np.zeros((9, 9), np.float32), (0.7, 0.7)) == (0.0, 0.0)


@pytest.mark.parametrize(("core", "told"), [(0, "ground-glass"), (4, "part-solid"), (10, "solid")])
def test_texture_follows_the_solid_share(core: int, told: str) -> None:
    """Of a cube of ground glass ten layers deep, so many layers are solid."""
    share = np.ones((10, 10, 10), np.float32)
    seen = np.full(share.shape, -600.0, np.float32)
    seen[:core] = 20.0
    assert texture(seen, share) == told


@pytest.mark.parametrize("step", [0.8, 2.5])
def test_resampling_keeps_the_mass_of_what_lies_inside(step: float) -> None:
    """On finer and on coarser cubes than the slices: HU above air, times volume, within 3 per cent."""
    hu = np.full((30, 60, 60), -1000, np.int16)
    hu[12:18, 20:36, 24:40] = 40
    spacing = (2.0, 0.7, 0.7)
    axes = axes_of(hu.shape, spacing, np.arange(30) * 2.0 - 17.0)
    low, high = (np.asarray([axis[k] for axis in axes.all]) for k in (0, -1))
    grid = grid_over(low, high, step)
    mass = float((resampled(hu, axes, grid) + 1000).sum()) * step**3
    assert mass == pytest.approx(float((hu.astype(float) + 1000).sum()) * np.prod(spacing), rel=0.03)


def test_a_halved_grid_lies_where_its_means_do() -> None:
    """A ramp along x, in mm, halved: each mean is its own cube's place."""
    grid = grid_over(np.zeros(3), np.full(3, 9.0), 1.0)
    ramp = np.broadcast_to(grid.axis(2), grid.shape).astype(np.float32)
    assert np.allclose(halved(ramp)[0, 0], grid.halved().axis(2))
