"""The chest muscle is the bright wedge of an oblique view; a view without one has none."""

from __future__ import annotations

import numpy as np
import pytest

from streams.phantom.breast import Machine, mammogram, woman_of
from streams.reading.breast.frames import frame_of
from streams.reading.breast.muscle import muscle_of, wedge_of
from streams.reading.breast.outline import breast_of

PLAIN = Machine(label=False)


@pytest.mark.parametrize("seed", [3, 4, 8, 12])
def test_the_wedge_of_a_phantom_is_found(seed):
    """At least four fifths of it (Dice), in a breast a tenth of which is dense."""
    made = mammogram(woman_of(seed, dense=0.1), "MLO", PLAIN, 0.6)
    breast = breast_of(made.grey)
    frame = frame_of(breast)
    found = muscle_of(frame.channels[0].astype(np.float32) / 255, frame.inside)
    rows, columns = (
        np.minimum(((np.arange(n) + 0.5) / frame.scale).astype(int) * breast.step + corner, size - 1)
        for n, corner, size in zip(found.shape, breast.corner, made.muscle.shape, strict=True)
    )
    truth = made.muscle[np.ix_(rows, columns)] & frame.inside
    assert 2 * (found & truth).sum() / (found.sum() + truth.sum()) > 0.8


def test_an_even_breast_has_no_muscle():
    inside = np.zeros((256, 192), np.bool_)
    inside[:, :120] = True
    assert not muscle_of(inside.astype(np.float32) * np.float32(0.5), inside).any()


def test_a_marked_muscle_is_made_whole():
    """A hole at its top and one at the wall are filled; a spot in the breast and a part that begins low are none."""
    inside = np.zeros((128, 96), np.bool_)
    inside[:, :60] = True
    rows, columns = np.mgrid[:128, :96]
    muscle = (columns < 30 - rows * 0.4) & inside
    marked = muscle.copy()
    marked[:8, 5:40] = False
    marked[20:26, :4] = False
    marked[100:108, 20:40] = True
    assert (wedge_of(marked, inside) >= muscle)[8:].all()
    assert 2 * (wedge_of(marked, inside) & muscle).sum() / (wedge_of(marked, inside).sum() + muscle.sum()) > 0.95
    low = np.zeros_like(marked)
    low[90:110, :20] = True
    assert not wedge_of(low, inside).any()
