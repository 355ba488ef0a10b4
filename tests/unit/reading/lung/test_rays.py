"""Laws of the measures along rays: a ball is closed all round, a tube is open at two opposite ends."""

from __future__ import annotations

import numpy as np
import pytest

from streams.reading.lung.candidates import Candidates, Pyramid
from streams.reading.lung.grid import Grid
from streams.reading.lung.lungs import Lungs
from streams.reading.lung.rays import COUNT, NORMED, OPEN, REACHES, STEPS, measures

SIDE = 48
RADIUS_AT = 6 * STEPS + 4 * len(REACHES)
OPENED_AT = RADIUS_AT + 16
LUNG_HU, TISSUE_HU = -870.0, 30.0


def told(shape: np.ndarray, step: float = 1.0) -> np.ndarray:
    """Measures at the middle of a block of lung in which a shape is tissue."""
    grid = Grid((0.0, 0.0, 0.0), shape.shape, step)
    hu = np.where(shape, TISSUE_HU, LUNG_HU).astype(np.float32)
    all_in = np.ones(shape.shape, np.bool_)
    depth = np.full(shape.shape, 30.0, np.float32)
    low, high = np.zeros(3), np.full(3, step * SIDE)
    lungs = Lungs(grid, ~shape, all_in, depth, depth, step * SIDE, low, high)
    middle = np.full((1, 3), SIDE // 2)
    found = Candidates(middle, np.zeros(1, np.int64), np.ones(1, np.float32), np.ones((1, 3), np.float32))
    (row,) = measures(Pyramid((grid,), (hu,)), lungs, found)
    return row


def away() -> tuple[np.ndarray, np.ndarray]:
    """Distances from the block's middle, and from its long axis."""
    z, y, x = np.mgrid[:SIDE, :SIDE, :SIDE] - SIDE // 2
    return np.sqrt(z**2 + y**2 + x**2), np.hypot(y, x)


@pytest.mark.parametrize("step", [1.0, 2.0])
def test_a_ball_is_as_wide_as_it_is_and_closed(step: float) -> None:
    """Its radius in mm within half a cube; no ray leaves it."""
    row = told(away()[0] < 5, step)
    assert row[RADIUS_AT] == pytest.approx(5 * step, abs=0.5 * step)
    assert row[OPENED_AT : OPENED_AT + 4 * len(OPEN)].max() == 0


def test_a_tube_is_open_at_two_opposite_ends() -> None:
    """Some rays leave, through two openings at least, and those opposite leave too."""
    share, both, count, largest = told(away()[1] < 3)[OPENED_AT : OPENED_AT + 4]
    assert 0.02 < share < 0.4
    assert both == pytest.approx(share, abs=0.01)
    assert count >= 2 / 4
    assert 0 < largest <= share / 2


def test_a_ball_on_a_tube_is_open_where_the_tube_leaves() -> None:
    """Less of its sphere is open than of the tube's own."""
    ball, tube = away()[0] < 6, away()[1] < 3
    assert 0 < told(ball | tube)[OPENED_AT] < told(tube)[OPENED_AT]


def test_empty_lung_gives_finite_measures() -> None:
    """As many as the model asks for."""
    row = told(np.zeros((SIDE,) * 3, np.bool_))
    assert row.shape == (COUNT,)
    assert np.isfinite(row).all()
    assert len(NORMED) * 3 < COUNT
